"""What a test needs of the machine it runs on: where that is refused, the test is skipped by name."""

from __future__ import annotations

from functools import cache

import pytest

from gatecrash.capabilities import capabilities


def need(name: str) -> None:
    """Skip this test where the machine refuses a capability, named as `gatecrash doctor` names it, with its reason."""
    refused = _refused()
    if refused[name] is not None:
        pytest.skip(f"this machine refuses what the test needs ({name}): {refused[name]}")


@cache
def _refused() -> dict[str, str | None]:
    return {one.name: one.reason for one in capabilities()}
