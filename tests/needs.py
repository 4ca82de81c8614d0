"""What a test needs of the machine it runs on: where that is refused, the test is skipped by name."""

from __future__ import annotations

from functools import cache

import pytest

from gatecrash.instruments.capabilities import capabilities


def need(name: str) -> None:
    """Skip this test where the machine refuses a capability, named as `gatecrash doctor` names it, with its reason."""
    reason = refused()[name]
    if reason is not None:
        pytest.skip(f"needs {name}, which this machine refuses: {reason}")


@cache
def refused() -> dict[str, str | None]:
    """Every capability by its name: the reason it is refused here, None where it is not."""
    return {one.name: one.reason for one in capabilities()}
