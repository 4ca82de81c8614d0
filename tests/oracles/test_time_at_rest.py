"""A long rest, on transcripts made by hand: who comes after it is served, is not, or it did not come to that."""

from __future__ import annotations

import pytest

from gatecrash.model.scenario import LetTimePass, ReceiveDatagrams, SendDatagram
from gatecrash.model.transcript import Event, Got, NotConnected, Sent, ServerEnded, TimePassed, Transcript
from gatecrash.model.verdicts import Finding, NotExercised
from tests.oracles.played import Word, asks, closes, played, ruled, silence, word
from tests.sequences import Part, nothing

DAY = 86400.0
GONE = ServerEnded(0, 1, "poll: Success")


def passes(seconds: float, *events: Event, of: float = DAY) -> Part:
    return LetTimePass(of), list(events) or [TimePassed(0, seconds)]


def real(seconds: float) -> Part:
    return passes(seconds, TimePassed(0, seconds, skipped=False))


def rested(*between: Part, late: bytes | None = None, ends: ServerEnded | None = None) -> Transcript:
    behind = asks("B") if late is None else asks("B", late)
    return played(asks("A"), closes("A"), *between, behind, ends=ends)


REFUSED: list[Part] = [(asks("B")[0][0], [NotConnected(0, "B", "refused")]), asks("B", b"")[2]]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(rested(passes(DAY)), "held", id="who comes after a day is served"),
        pytest.param(rested(passes(DAY), late=b""), "broken", id="who comes after a day gets nothing"),
        pytest.param(rested(real(5)), "not exercised", id="time is real"),
        pytest.param(rested(passes(5)), "not proven", id="it did not come to rest"),
        pytest.param(rested(real(5), late=b""), "not exercised", id="time is real, and B gets nothing"),
        pytest.param(played(asks("A"), asks("B")), "not exercised", id="no time passes"),
        pytest.param(played(asks("A", b""), passes(DAY), asks("B")), "not exercised", id="nobody is served before"),
        pytest.param(played(asks("A"), passes(DAY)), "not exercised", id="nobody comes after it"),
        pytest.param(nothing(), "not exercised", id="nothing happens"),
        pytest.param(played(asks("A"), passes(3600, TimePassed(0, 3600), GONE), REFUSED), "broken", id="it leaves"),
        pytest.param(
            played(asks("A"), closes("A"), (closes("A")[0], [GONE]), passes(DAY), REFUSED),
            "not exercised",
            id="it had left before",
        ),
    ],
)
def test_a_long_rest_changes_nothing(made: Transcript, expected: Word) -> None:
    assert word(ruled("TIME-12", made)) == expected


def test_what_is_told_says_how_long_it_rested_and_how_it_ended() -> None:
    ruling = ruled("TIME-12", played(asks("A"), passes(3600, TimePassed(0, 3600), GONE), REFUSED))
    assert isinstance(ruling, Finding)
    assert ruling.expected == "a server that was asked nothing for 24 hours is there and serves"
    assert ruling.got == "after 24 hours at rest: B could not connect (refused); the server exited with status 1"


def test_time_that_is_not_waited_for_is_named() -> None:
    ruling = ruled("TIME-12", rested(real(5)))
    assert isinstance(ruling, NotExercised)
    assert ruling.why == "its time is real here, and 24 hours of it are not waited for"


def test_datagrams_are_asked_after_a_rest_too() -> None:
    def asked(client: str, *came: Event) -> list[Part]:
        sent = Sent(0, client, b"hello", None, None, port=9157)
        return [(SendDatagram(client, b"hello"), [sent]), (ReceiveDatagrams(client), list(came))]

    back, gone = Got(0, "A", b"hello"), silence("B")
    assert word(ruled("TIME-12", played(asked("A", back), passes(DAY), asked("B", gone)), "udp")) == "broken"
    assert word(ruled("TIME-12", played(asked("A", back), passes(DAY), asked("B", Got(0, "B", b"x"))), "udp")) == "held"
