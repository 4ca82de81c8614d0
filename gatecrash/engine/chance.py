"""What Hypothesis draws for a rule depends on the rule alone, not on what else this process has imported.

Now and then it takes a constant from the sources around it: those of every imported module that is no installed
package. Of an installed Gatecrash there are none; in a checkout they are all of ours that somebody has needed by then,
so that a rule's examples would be others with each report that is asked for, and with each rule tried before.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

_PROVIDERS = "hypothesis.internal.conjecture.providers"


@cache
def draw_from_no_source() -> None:
    """From now on Hypothesis knows its own constants only. One before 6.131 has no others, and is left alone."""
    try:
        providers: Any = import_module(_PROVIDERS)
        none = providers.Constants()
        providers.CONSTANTS_CACHE.cache.clear()
    except (ImportError, AttributeError):
        return
    providers._get_local_constants = lambda: none
