"""A client that reads nothing for minutes, on transcripts made by hand: the next one is served, or is not."""

from __future__ import annotations

import pytest

from gatecrash.model.scenario import Connect, LetTimePass, Send, SmallBuffers
from gatecrash.model.transcript import (
    ClientSide,
    Connected,
    Event,
    NotConnected,
    Sent,
    ServerEnded,
    TimePassed,
    Transcript,
)
from gatecrash.model.verdicts import Finding
from tests.oracles.played import Word, asks, ends, gets, looks, played, ruled, sends, silence, word
from tests.sequences import Part, look, nothing

RULE = "TIME-08"
MINUTES = 600.0
GONE = ServerEnded(0, 1, "send: Resource temporarily unavailable")
LARGE = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"


def passes(*events: Event, seconds: float = MINUTES) -> Part:
    return LetTimePass(MINUTES), [TimePassed(0, seconds), *events]


def unread(*behind: Part | list[Part], unsent: int = 4096, meanwhile: Part | None = None) -> Transcript:
    side = ClientSide("A", "ESTABLISHED", True, 0, unsent, 10, ((7, 4),))
    asked: Part = (Send("A", LARGE), [Sent(0, "A", LARGE, None, None)])
    there: tuple[Part, ...] = ((SmallBuffers(), []), (Connect("A", small_window=True), [Connected(0, "A")]), asked)
    return played(*there, looks("full", look(connections=[side])), meanwhile or passes(), *behind)


REFUSED: list[Part] = [(Connect("B"), [NotConnected(0, "B", "refused")]), asks("B", b"")[2]]
TURNED_AWAY: list[Part] = [asks("B")[0], sends("B", b"GET / HTTP/1.1\r\n\r\n", read=None), gets("B", b"", ends("B"))]
RESTLESS: list[Part] = [*asks("B")[:2], gets("B", b"", silence("B", "restless"))]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(unread(asks("B")), "held", id="the next one is served"),
        pytest.param(unread(asks("B"), meanwhile=passes(ends("A", "RST"))), "held", id="the slow one was let go"),
        pytest.param(unread(asks("B", b"")), "broken", id="the next one is not served"),
        pytest.param(unread(RESTLESS), "perhaps broken", id="the next one may yet be served"),
        pytest.param(unread(REFUSED, meanwhile=passes(GONE)), "broken", id="the server has left"),
        pytest.param(unread(REFUSED, meanwhile=passes(GONE, seconds=30.0)), "broken", id="it has left before the time"),
        pytest.param(unread(TURNED_AWAY), "not exercised", id="the next one is turned away"),
        pytest.param(unread(asks("B"), meanwhile=passes(seconds=5.0)), "not proven", id="time is real"),
        pytest.param(unread(asks("B", b""), meanwhile=passes(seconds=5.0)), "not proven", id="time is real, no answer"),
        pytest.param(unread(asks("B"), unsent=0), "not proven", id="the slow one was sent no more than it takes"),
        pytest.param(played(asks("A"), asks("B")), "not exercised", id="no time passes"),
        pytest.param(played(passes(), asks("B")), "not exercised", id="nobody was slow"),
        pytest.param(nothing(), "not exercised", id="nothing happens"),
    ],
)
def test_who_reads_nothing_harms_nobody(made: Transcript, expected: Word) -> None:
    assert word(ruled(RULE, made)) == expected


def test_a_slow_client_that_was_ended_before_the_time_passed_was_none() -> None:
    side = ClientSide("A", "ESTABLISHED", True, 0, 4096, 10, ((7, 4),))
    asked: Part = (Send("A", LARGE), [Sent(0, "A", LARGE, None, None), ends("A", "RST")])
    seen = looks("full", look(connections=[side]))
    made = played((Connect("A"), [Connected(0, "A")]), asked, seen, passes(), asks("B"))
    assert word(ruled(RULE, made)) == "not proven"


def test_what_is_told_says_how_long_and_how_it_ended() -> None:
    ruling = ruled(RULE, unread(REFUSED, meanwhile=passes(GONE)))
    assert isinstance(ruling, Finding)
    assert ruling.got == "after 10 minutes: B could not connect (refused); the server exited with status 1"
