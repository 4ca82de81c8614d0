"""What a test needs of the machine it runs on: where that is refused, the test is skipped by name."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest

from gatecrash.paths import tree_root

_ASK = """
import json
from gatecrash.instruments.capabilities import capabilities
print(json.dumps({one.name: one.reason for one in capabilities()}))
"""


def need(name: str) -> None:
    """Skip this test where the machine refuses a capability, named as `gatecrash doctor` names it, with its reason."""
    reason = refused()[name]
    if reason is not None:
        pytest.skip(f"needs {name}, which this machine refuses: {reason}")


@cache
def refused() -> dict[str, str | None]:
    """Every capability by its name: the reason it is refused here, None where it is not.

    Asked by a process of its own: a test may have replaced in this one what it is asked with.
    """
    told = subprocess.run([sys.executable, "-c", _ASK], cwd=tree_root(), stdout=subprocess.PIPE, check=True, timeout=60)
    found: dict[str, str | None] = json.loads(told.stdout)
    return found
