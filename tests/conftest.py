"""The tests compare what is said in English, whatever the locale of the machine, and leave nothing in the checkout."""

import os

import pytest
from hypothesis import settings

os.environ["GATECRASH_LANG"] = "en"
# Hypothesis would keep what it found in the checkout, which may be another user's.
settings.register_profile("without a database", settings(), database=None)
settings.load_profile("without a database")


@pytest.fixture
def real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that does not let a target's time be skipped, as far as this process knows."""
    monkeypatch.setattr("gatecrash.instruments.clock.available", lambda: "refused for this test")
