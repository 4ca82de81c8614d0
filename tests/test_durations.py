"""A length of time in the words a reader would use."""

from __future__ import annotations

import pytest

from gatecrash.text import duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.5, "0.5 s"),
        (90.0, "90 s"),
        (60.0, "60 s"),
        (119.5, "120 s"),
        (120.0, "2 minutes"),
        (601.0, "601 s"),
        (9.99997, "10 s"),
        (999.6, "1000 s"),
        (12345.6, "12346 s"),
        (7200.0, "2 hours"),
        (86400.0, "24 hours"),
        (25 * 86400.0, "25 days"),
    ],
)
def test_a_length_of_time_is_said_in_its_unit(seconds: float, said: str) -> None:
    assert duration(seconds) == said
