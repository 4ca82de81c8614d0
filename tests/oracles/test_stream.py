"""The rules of an echo on transcripts made by hand: held, broken, or not put to the test."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gatecrash.model import calls as fates
from gatecrash.model.scenario import Freeze, HalfClose, Receive, Send, Settle, Shorten, Thaw
from gatecrash.model.transcript import (
    ClientSide,
    Connected,
    CrashedProcess,
    Event,
    Got,
    NotConnected,
    NotSent,
    ServerEnded,
    Snapshot,
    TimePassed,
    Transcript,
)
from gatecrash.model.verdicts import Finding, NotExercised
from tests.oracles.played import (
    Word,
    closes,
    comes,
    ends,
    finishes,
    gets,
    looks,
    played,
    ruled,
    sends,
    silence,
    traced,
    word,
)
from tests.sequences import Part, look, nothing

RULES = [f"STREAM-{number:02}" for number in range(1, 12)]
EXACT = ("STREAM-02", "STREAM-03", "STREAM-05")
DIED = ServerEnded(0, -11)


def echoes(came: bytes, *then: Event, sent: bytes = b"hello") -> Transcript:
    """A sends, gets this, half-closes, and sees this."""
    return played(comes("A"), sends("A", sent), gets("A", came), finishes("A", *then))


def refused() -> Transcript:
    """The client is connected, and reset before it could say anything."""
    data = b"hello"
    return played(comes("A"), (Send("A", data), [ends("A", "RST"), NotSent(0, "A", data, "EPIPE")]), gets("A", b""))


@pytest.mark.parametrize("rule", RULES)
def test_where_nothing_happened_nothing_held(rule: str) -> None:
    assert isinstance(ruled(rule, nothing(), "echo"), NotExercised)
    assert isinstance(ruled(rule, played(comes("A"), comes("B"), closes("A")), "echo"), NotExercised)
    not_there: Part = (comes("A")[0], [NotConnected(0, "A", "refused")])
    assert isinstance(ruled(rule, played(not_there, (Send("A", b"x"), []), (Receive("A"), [])), "echo"), NotExercised)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(echoes(b"h", silence("A")), "held", id="a byte comes back"),
        pytest.param(echoes(b"", silence("A")), "broken", id="provably nothing comes back"),
        pytest.param(echoes(b"", ends("A")), "broken", id="the connection ends without a byte"),
        pytest.param(echoes(b"", silence("A", "restless")), "perhaps broken", id="nothing comes, and nobody is still"),
        pytest.param(refused(), "broken", id="it resets whoever wants to say something"),
    ],
)
def test_something_has_to_come_back(made: Transcript, expected: Word) -> None:
    assert word(ruled("STREAM-01", made, "echo")) == expected


def test_where_the_server_was_is_said_to_be_of_before_the_end() -> None:
    waits = gets("A", b"h", silence("A"))
    found = ruled("STREAM-02", played(comes("A"), sends("A", b"hello"), waits, finishes("A", ends("A"))), "echo")
    assert isinstance(found, Finding)
    assert found.got.endswith(", and when A had half-closed the connection was closed")
    assert found.lines[0] == "while A waited, and its connection was open:"
    found = ruled("STREAM-02", played(comes("A"), sends("A", b"hello"), waits), "echo")
    assert isinstance(found, Finding)
    assert len(found.lines) == 1


@pytest.mark.parametrize("rule", EXACT)
def test_all_of_it_comes_back(rule: str) -> None:
    assert word(ruled(rule, echoes(b"hello", ends("A")), "echo")) == "held"
    assert word(ruled(rule, echoes(b"hel", silence("A")), "echo")) == "broken"
    assert word(ruled(rule, echoes(b"hel", silence("A", "restless")), "echo")) == "perhaps broken"


@pytest.mark.parametrize(
    ("rule", "expected"), [("STREAM-02", "broken"), ("STREAM-03", "held"), ("STREAM-05", "broken")]
)
def test_other_bytes_are_nothing_that_is_waited_for(rule: str, expected: Word) -> None:
    assert word(ruled(rule, echoes(b"help!", ends("A")), "echo")) == expected


@pytest.mark.parametrize("rule", EXACT)
def test_a_client_that_was_cut_off_misses_nothing(rule: str) -> None:
    cut_off = played(
        *(comes("A"), sends("A", b"one"), gets("A", b"one", ends("A"))),
        (Send("A", b"two"), [NotSent(0, "A", b"two", "EPIPE")]),
        finishes("A"),
    )
    assert word(ruled(rule, cut_off, "echo")) == "not exercised"


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        pytest.param([ends("A")], "held", id="the connection ends"),
        pytest.param([silence("A")], "held", id="provably nothing more comes"),
        pytest.param([silence("A", "resting")], "held", id="what sleeps was waited for"),
        pytest.param([silence("A", "restless")], "not proven", id="the server is never still"),
        pytest.param([silence("A", "spinning")], "not proven", id="the server spins"),
        pytest.param([], "not proven", id="nobody waits for more"),
        pytest.param([silence("A"), Got(0, "A", b"")], "not proven", id="something comes after the silence"),
    ],
)
def test_that_nothing_else_comes_shows_when_nothing_more_can(last: Sequence[Event], expected: Word) -> None:
    assert word(ruled("STREAM-02", echoes(b"hello", *last), "echo")) == expected


def half_closed(before: bytes, behind: bytes, *then: Event) -> Transcript:
    data: Part = (
        Send("A", b"hello"),
        [*sends("A", b"hello", read=None)[1], *([Got(0, "A", before)] if before else [])],
    )
    came: list[Event] = [Got(0, "A", behind)] if behind else []
    return played(
        comes("A"), (Freeze(), []), data, (HalfClose("A"), []), (Thaw(), []), (Receive("A", "end"), [*came, *then])
    )


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(half_closed(b"", b"hello", ends("A")), "held", id="what was pending comes"),
        pytest.param(half_closed(b"", b"he", ends("A")), "broken", id="some of it does not"),
        pytest.param(
            half_closed(b"", b"", silence("A", "restless")), "perhaps broken", id="nothing proves that it will not"
        ),
        pytest.param(half_closed(b"hello", b"", ends("A")), "not exercised", id="nothing was pending"),
        pytest.param(echoes(b"hello", ends("A")), "not exercised", id="all had come back before"),
        pytest.param(played(comes("A"), sends("A", b"x"), gets("A", b"x")), "not exercised", id="nobody half-closes"),
    ],
)
def test_what_is_pending_at_a_half_close_comes_back(made: Transcript, expected: Word) -> None:
    assert word(ruled("STREAM-04", made, "echo")) == expected


def test_a_client_whose_bytes_find_no_more_room_has_said_what_it_could() -> None:
    data: Part = (Send("A", b"hello, and more"), sends("A", b"hello", read=None)[1])
    stuffed = played(comes("A"), data, (HalfClose("A"), []), gets("A", b"hello", ends("A")))
    assert word(ruled("STREAM-04", stuffed, "echo")) == "held"


def side(state: str = "CLOSE_WAIT", unsent: int = 0) -> ClientSide:
    return ClientSide("A", state, True, 0, unsent, 5, ((7, 4),), fin_received=True)


def finished(
    seen: Snapshot | None, *then: Event, came: bytes = b"hello", dies: ServerEnded | None = None
) -> Transcript:
    settle: Part = (Settle("finished"), []) if seen is None else looks("finished", seen)
    said = (comes("A"), sends("A", b"hello"), gets("A", came))
    return played(*said, finishes("A", *then), settle, ends=dies)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(finished(look(), ends("A")), "held", id="the client sees the end"),
        pytest.param(finished(look(still="restless"), ends("A")), "held", id="an end needs no stillness"),
        pytest.param(finished(look(connections=[side()]), silence("A")), "broken", id="it is forgotten"),
        pytest.param(finished(look(connections=[side()], still="resting")), "perhaps broken", id="it may wake up"),
        pytest.param(finished(look(connections=[side()], still="restless")), "not proven", id="it is never still"),
        pytest.param(finished(look(connections=[side()], still="spinning")), "not proven", id="it spins"),
        pytest.param(finished(look(connections=[side(unsent=3)])), "not exercised", id="something is on its way"),
        pytest.param(finished(look()), "not exercised", id="the kernel knows no such connection"),
        pytest.param(finished(None), "not exercised", id="nobody looked"),
        pytest.param(finished(look(), TimePassed(0, 25.0), ends("A")), "broken", id="a limit closes it in the end"),
        pytest.param(finished(look(), ends("A"), came=b"he"), "not exercised", id="it did not get everything"),
        pytest.param(finished(look(), ends("A"), dies=DIED), "not exercised", id="the server has died"),
    ],
)
def test_a_finished_connection_is_closed(made: Transcript, expected: Word) -> None:
    assert word(ruled("STREAM-06", made, "echo")) == expected


def shortened(came: bytes, *outcomes: fates.CallOutcome, last: Event | None = None) -> Transcript:
    said = (comes("A"), sends("A", b"hello"), gets("A", came))
    trace: Part = (Receive("A", "end"), [last or ends("A"), traced(*outcomes)])
    return played((Shorten(2, 1), []), *said, (HalfClose("A"), []), trace)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(shortened(b"hello", fates.RAN, fates.shortened(2)), "held", id="the rest follows"),
        pytest.param(shortened(b"he", fates.shortened(2)), "broken", id="the rest is lost"),
        pytest.param(shortened(b"hello", fates.RAN, fates.RAN), "not exercised", id="no send was short"),
        pytest.param(shortened(b"hello"), "not exercised", id="nothing was sent by any call that is known"),
        pytest.param(shortened(b"he", fates.RAN), "not exercised", id="what is lost was lost without a short write"),
        pytest.param(
            shortened(b"hello", fates.shortened(2), last=silence("A", "restless")), "not proven", id="it is never still"
        ),
    ],
)
def test_a_short_write_is_continued(made: Transcript, expected: Word) -> None:
    ruling = ruled("STREAM-07", made, "echo")
    assert word(ruling) == expected
    if isinstance(ruling, Finding):
        assert ruling.evidence[0] == "sendto of process 7 took only 2 of its bytes"


LONG, SHORT = b"a long message, this one", b"---"


def long_then_short(came: bytes, *then: Event, first: bytes = LONG) -> Transcript:
    said = (comes("A"), sends("A", LONG), gets("A", first), sends("A", SHORT), gets("A", came))
    return played(*said, finishes("A", *then))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(long_then_short(SHORT, ends("A")), "held", id="the short one comes alone"),
        pytest.param(long_then_short(SHORT + LONG[3:], ends("A")), "broken", id="it carries the tail of the long one"),
        pytest.param(long_then_short(SHORT, silence("A", "restless")), "not proven", id="more may still come"),
        pytest.param(long_then_short(SHORT + b"\n", ends("A")), "not exercised", id="a newline is another rule's"),
        pytest.param(long_then_short(b"", silence("A")), "not exercised", id="the short one does not come back"),
        pytest.param(
            long_then_short(SHORT, ends("A"), first=b""), "not exercised", id="the long one does not come back"
        ),
        pytest.param(echoes(b"hello", ends("A")), "not exercised", id="there is one message only"),
        pytest.param(echoes(b"hellohel", ends("A")), "not exercised", id="what comes twice is of no earlier message"),
        pytest.param(
            played(comes("A"), sends("A", LONG), gets("A", LONG + LONG[:8]), comes("B"), sends("B", SHORT)),
            "not exercised",
            id="what came before is of no later client",
        ),
    ],
)
def test_a_short_message_carries_nothing_else(made: Transcript, expected: Word) -> None:
    assert word(ruled("STREAM-08", made, "echo")) == expected


def two(first: bytes, second: bytes, *then: Event, trouble: ServerEnded | None = None) -> Transcript:
    said = (comes("A"), comes("B"), sends("A", b"aaaa"), sends("B", b"bbbb"))
    return played(*said, gets("A", first), gets("B", second, *then), ends=trouble)


@pytest.mark.parametrize(
    ("made", "apart", "everybody"),
    [
        pytest.param(two(b"aaaa", b"bbbb"), "held", "held", id="each gets its own"),
        pytest.param(two(b"aaaa", b"aaab"), "broken", "broken", id="one gets what the other sent"),
        pytest.param(two(b"aaaa", b"bbaaaa"), "broken", "broken", id="one gets it in the middle"),
        pytest.param(two(b"aaaa", b"bbxx"), "not exercised", "broken", id="what nobody sent is of nobody else"),
        pytest.param(two(b"aaaa", b"bb", silence("B")), "not exercised", "broken", id="one is forgotten"),
        pytest.param(two(b"aaaa", b"", silence("B")), "not exercised", "broken", id="one gets nothing at all"),
        pytest.param(
            two(b"aaaa", b"b", silence("B", "restless")), "not exercised", "perhaps broken", id="it never rests"
        ),
        pytest.param(two(b"aaaa", b"", ends("B")), "not exercised", "not exercised", id="one of two is turned away"),
        pytest.param(
            two(b"aaaa", b"server is full\n", ends("B")), "not exercised", "not exercised", id="it is told why"
        ),
        pytest.param(two(b"aaaa", b"busy\n", silence("B")), "not exercised", "broken", id="it is told, and kept"),
        pytest.param(two(b"aaaa", b"bb", ends("B")), "not exercised", "broken", id="its echo is cut short"),
        pytest.param(
            two(b"aaaa", b"", ends("B"), CrashedProcess(0, 8, 11)), "not exercised", "broken", id="its child dies"
        ),
        pytest.param(two(b"aaaa", b"", ends("B"), trouble=DIED), "not exercised", "broken", id="the server dies of it"),
        pytest.param(echoes(b"hello", ends("A")), "not exercised", "not exercised", id="there is one client only"),
    ],
)
def test_several_clients_each_get_their_own(made: Transcript, apart: Word, everybody: Word) -> None:
    assert (word(ruled("STREAM-09", made, "echo")), word(ruled("STREAM-10", made, "echo"))) == (apart, everybody)


def rounds(*came: bytes, last: Event | None = None) -> Transcript:
    exchanges = [part for data in came for part in (sends("A", b"1234"), gets("A", data))]
    return played(comes("A"), exchanges, finishes("A", last or silence("A")))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(rounds(b"1234", b"1234"), "held", id="both messages come back"),
        pytest.param(rounds(b"1234", b""), "broken", id="the second does not"),
        pytest.param(rounds(b"1234\n", b""), "broken", id="bytes too many are no second answer"),
        pytest.param(rounds(b"1234", b"", last=silence("A", "restless")), "perhaps broken", id="it is never still"),
        pytest.param(rounds(b"1234"), "not exercised", id="there is one message only"),
        pytest.param(rounds(b"", b""), "not exercised", id="not even the first comes back"),
    ],
)
def test_the_echo_goes_on(made: Transcript, expected: Word) -> None:
    assert word(ruled("STREAM-11", made, "echo")) == expected


def test_a_fact_is_told_before_what_may_be_one() -> None:
    parts = (comes("A"), comes("B"), sends("A", b"aa"), sends("B", b"bb"))
    made = played(*parts, gets("A", b"", silence("A", "restless")), gets("B", b"", silence("B")))
    ruling = ruled("STREAM-01", made, "echo")
    assert isinstance(ruling, Finding)
    assert (ruling.conclusive, ruling.got) == (True, "not a byte came back to B")


def test_a_connection_is_no_reason_to_speak_of_bytes() -> None:
    ruling = ruled("STREAM-02", played((comes("A")[0], [Connected(0, "A")]), (Receive("A"), [])), "echo")
    assert isinstance(ruling, NotExercised)
    assert ruling.why == "no client has sent anything and read"
