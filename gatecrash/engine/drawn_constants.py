"""Which constants Hypothesis draws beside what it makes up: its own, and none that happens to stand in our sources.

It reads those of every module that is no installed package, for in a test of a program its constants are worth trying.
A target is another program. Ours would be read for half a second in each run from a checkout, would not be drawn where
this package is installed, and would change what is drawn with every line that we change.
"""

from __future__ import annotations

from pathlib import Path

import gatecrash
from gatecrash.paths import tree_root

#: Read by no version before 6.131: then there is nothing to leave out.
_ASKED = "is_local_module_file"


def leave_ours_out() -> None:
    """From now on, in this process and its forks. Where Hypothesis has no such place to say so, nothing changes."""
    from hypothesis.internal.conjecture import providers

    asked = getattr(providers, _ASKED, None)
    if asked is None or getattr(asked, "leaves_ours_out", False):
        return
    ours = tuple(f"{folder}/" for folder in (Path(gatecrash.__file__).parent, *_folders()))

    def is_local(path: str) -> bool:
        return not path.startswith(ours) and bool(asked(path))

    is_local.leaves_ours_out = True  # type: ignore[attr-defined]
    setattr(providers, _ASKED, is_local)


def _folders() -> tuple[Path, ...]:
    return tuple(tree_root() / name for name in ("suites", "strategies"))
