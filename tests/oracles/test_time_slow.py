"""A slow client, on transcripts made by hand: served like the quick one, cut off, or it did not come to that."""

from __future__ import annotations

import pytest

from gatecrash.model.scenario import LetTimePass, Receive, Send
from gatecrash.model.transcript import Got, NotSent, ServerEnded, TimePassed, Transcript
from gatecrash.model.verdicts import Finding, NotExercised
from tests.oracles.played import GET, OK, Word, closes, comes, ends, gets, played, ruled, sends, word
from tests.sequences import Part, nothing

PAUSE: Part = (LetTimePass(1.5), [TimePassed(0, 1.5)])
REAL: Part = (LetTimePass(1.5), [TimePassed(0, 0.5, skipped=False)])
LATE: Part = (LetTimePass(1.5), [TimePassed(0, 1.5, late=True)])
QUICK: list[Part] = [comes("A"), sends("A", GET[:9]), sends("A", GET[9:]), gets("A", OK), closes("A")]
CUT_OFF: Part = (Receive("B"), [ends("B")])


def slow(last: Part, *, pause: Part = PAUSE, first: list[Part] = QUICK, gone: ServerEnded | None = None) -> Transcript:
    return played(first, comes("B"), sends("B", GET[:9]), pause, sends("B", GET[9:]), last, ends=gone)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(slow(gets("B", OK)), "held", id="it is served"),
        pytest.param(slow(CUT_OFF), "broken", id="it is cut off"),
        pytest.param(slow(gets("B", OK), pause=REAL), "not exercised", id="time is real"),
        pytest.param(slow(gets("B", OK), pause=LATE), "not exercised", id="ticks come late"),
        pytest.param(slow(CUT_OFF, pause=LATE), "broken", id="it is cut off before ticks come late"),
        pytest.param(slow(gets("B", OK), first=[comes("A"), closes("A")]), "not exercised", id="A is not served"),
        pytest.param(slow(CUT_OFF, gone=ServerEnded(0, -14)), "not exercised", id="all of the server is ended"),
        pytest.param(played(QUICK, comes("B"), sends("B", GET), gets("B", OK)), "not exercised", id="no time passes"),
        pytest.param(played(QUICK, comes("B"), sends("B", GET), PAUSE, gets("B", OK)), "not exercised", id="one piece"),
        pytest.param(nothing(), "not exercised", id="nothing happens"),
    ],
)
def test_a_slow_client_is_served(made: Transcript, expected: Word) -> None:
    assert word(ruled("TIME-03", made)) == expected


def test_what_came_instead_is_said_where_the_quick_one_was_not_served_either() -> None:
    cut_off = [comes("A"), sends("A", GET[:9]), sends("A", GET[9:]), gets("A", b""), (Receive("A"), [ends("A", "RST")])]
    ruling = ruled("TIME-03", slow(gets("B", OK), first=cut_off))
    assert isinstance(ruling, NotExercised)
    assert ruling.why.startswith("A, who does the same without a pause, is not served either: A got not a byte, then")


def test_who_is_answered_at_its_first_piece_is_not_called_unserved() -> None:
    early = [comes("A"), sends("A", GET[:9]), gets("A", OK), (Send("A", GET[9:]), [NotSent(0, "A", GET[9:], "EPIPE")])]
    ruling = ruled("TIME-03", slow(gets("B", OK), first=early))
    assert isinstance(ruling, NotExercised)
    assert ruling.why == "A was answered before it had sent everything, and could not send the rest"


HEAD, BODY = OK[:-2], OK[-2:]


def reads(client: str, data: bytes) -> Part:
    return Receive(client, at_most=4096), [Got(0, client, data)] if data else []


def slow_reader(last: Part, *, second: bytes = HEAD[9:], pause: Part = PAUSE) -> Transcript:
    """B reads the head in two pieces, with a pause between them and behind them; and what comes then."""
    quick = [comes("A"), sends("A", GET), gets("A", OK), closes("A")]
    return played(quick, comes("B"), sends("B", GET), reads("B", HEAD[:9]), pause, reads("B", second), pause, last)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(slow_reader(gets("B", BODY)), "held", id="it gets all"),
        pytest.param(slow_reader(CUT_OFF), "broken", id="it is cut off"),
        pytest.param(slow_reader(gets("B", BODY[:1], ends("B", "RST"))), "broken", id="it is cut off by a reset"),
        pytest.param(slow_reader(gets("B", b""), second=OK[9:]), "not exercised", id="it had all before it was slow"),
        pytest.param(slow_reader(gets("B", BODY), pause=REAL), "not exercised", id="time is real"),
    ],
)
def test_a_slow_reader_gets_all(made: Transcript, expected: Word) -> None:
    assert word(ruled("TIME-03", made)) == expected


def test_how_slowly_it_read_is_told() -> None:
    ruling = ruled("TIME-03", slow_reader(CUT_OFF))
    assert isinstance(ruling, Finding)
    assert ruling.got.endswith("it read a piece every 1.5 s, for 3 s in all")


def test_a_limit_that_is_shorter_than_the_pauses_is_another_affair() -> None:
    assert isinstance(ruled("TIME-03", slow(CUT_OFF), half_limit=0.5), NotExercised)
    assert isinstance(ruled("TIME-03", slow(CUT_OFF), half_limit=5.0), Finding)


def test_how_slow_it_was_is_told() -> None:
    ruling = ruled("TIME-03", slow(CUT_OFF))
    assert isinstance(ruling, Finding)
    assert ruling.got.endswith("it had sent a piece every 1.5 s, for 1.5 s in all")


def test_for_how_long_a_client_was_slow_is_told_up_to_its_end() -> None:
    """What passes when its connection has ended is no time for which it sent."""
    early: Part = (LetTimePass(1.5), [TimePassed(0, 1.5), ends("B", "FIN")])
    first, second = sends("B", GET[:9]), sends("B", GET[9:], read=False)
    ruling = ruled("TIME-03", played(QUICK, comes("B"), first, early, second, PAUSE, gets("B", b"")))
    assert isinstance(ruling, Finding)
    assert ruling.got.endswith("it had sent a piece every 1.5 s, for 1.5 s in all")
