"""Tests are skipped for what the machine refuses, and for nothing else."""

from __future__ import annotations

import pytest

from gatecrash.instruments import borrowing
from gatecrash.instruments.capabilities import capabilities
from tests import needs


def test_what_a_test_has_replaced_is_no_refusal_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {one.name: one.reason for one in capabilities()}
    needs.refused.cache_clear()
    monkeypatch.setattr(borrowing, "refused", lambda: "a test says so")
    assert needs.refused() == found
