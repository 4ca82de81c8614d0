"""How often a server at rest wakes, on transcripts made by hand."""

from __future__ import annotations

import pytest

from gatecrash.model.scenario import LetTimePass
from gatecrash.model.transcript import ServerEnded, TimePassed, Transcript
from gatecrash.model.verdicts import Finding
from tests.oracles.played import Word, asks, closes, played, ruled, word
from tests.sequences import nothing

RULE = "TIME-10"


def rested(wakes: float, *, before: float = 0.0, seconds: float = 2.0, ends: ServerEnded | None = None) -> Transcript:
    settles = LetTimePass(10.0), [TimePassed(0, 10.0, wakes=before)]
    counted = LetTimePass(2.0), [TimePassed(0, seconds, wakes=wakes)]
    return played(asks("A"), closes("A"), settles, counted, ends=ends)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(rested(0.0), "held", id="it sleeps"),
        pytest.param(rested(20.0), "held", id="as often as a Java VM"),
        pytest.param(rested(25.0), "held", id="just not too often"),
        pytest.param(rested(25.5), "broken", id="too often"),
        pytest.param(rested(100.0), "broken", id="a hundred times a second"),
        pytest.param(rested(2.0, before=100.0), "held", id="often only as long as something was to be done"),
        pytest.param(rested(0.0, seconds=0.5), "not proven", id="time is real, or it was never still"),
        pytest.param(rested(100.0, seconds=0.5), "not proven", id="time became real"),
        pytest.param(rested(0.0, ends=ServerEnded(0, 0)), "not exercised", id="it leaves"),
        pytest.param(played(asks("A")), "not exercised", id="no time passes"),
        pytest.param(nothing(), "not exercised", id="nothing happens"),
    ],
)
def test_a_server_at_rest_sleeps(made: Transcript, expected: Word) -> None:
    assert word(ruled(RULE, made)) == expected


def test_what_is_told_says_how_often() -> None:
    ruling = ruled(RULE, rested(99.6))
    assert isinstance(ruling, Finding)
    assert ruling.expected == "a server that has nothing to do wakes 25 times a second at most"
    assert ruling.got == "it woke 100 times a second by its own clock, for nothing"
