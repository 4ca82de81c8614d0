"""A long life among rude clients, on transcripts made by hand: held, broken, or not put to the test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatecrash.model.contract import Protocol
from gatecrash.model.scenario import (
    AwaitHeld,
    Connect,
    Freeze,
    HalfClose,
    Hold,
    Receive,
    ReceiveDatagrams,
    Release,
    Reset,
    Send,
    SendDatagram,
    SmallBuffers,
    Step,
    Thaw,
)
from gatecrash.model.sockets import DatagramSocket
from gatecrash.model.transcript import (
    ClientSide,
    Connected,
    DatagramsDropped,
    Event,
    Flooded,
    Got,
    HeldAt,
    NotConnected,
    NotSent,
    Sent,
    ServerEnded,
    Snapshot,
    TimePassed,
    Transcript,
)
from gatecrash.model.verdicts import Finding, NotExercised
from tests.oracles.played import (
    GET,
    OK,
    Word,
    asks,
    closes,
    comes,
    ends,
    finishes,
    gets,
    looks,
    played,
    resets,
    ruled,
    sends,
    silence,
    word,
)
from tests.sequences import Part, look, nothing

RULES = ("LIFE-04", "LIFE-05", "LIFE-06", "LIFE-09", "LIFE-10", "LIFE-11", "LIFE-12", "LIFE-13")
EXITED, CRASHED, SIGPIPE = ServerEnded(0, 1, "recv: Connection reset"), ServerEnded(0, -11), ServerEnded(0, -13)
EPIPE, LEFT = ServerEnded(0, 1, "BrokenPipeError: [Errno 32]"), ServerEnded(0, 0)
REFUSED: Part = (Connect("Z"), [NotConnected(0, "Z", "refused")])
PROTOCOLS: tuple[Protocol, ...] = ("http", "echo", "greeting", "none", "udp")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("rule", RULES)
def test_where_nothing_happened_nothing_held(rule: str, protocol: Protocol) -> None:
    for made in (nothing(), played(comes("A"), comes("Z")), played(comes("A"), closes("A"), comes("Z"), closes("Z"))):
        assert isinstance(ruled(rule, made, protocol), NotExercised)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("rule", RULES)
def test_one_look_at_a_server_that_is_never_still_proves_nothing(rule: str, protocol: Protocol) -> None:
    for label in ("running", "left", "hogged", "full", "said", "A has finished"):
        made = played(comes("A"), looks(label, look(still="restless")), closes("A"), comes("Z"))
        assert isinstance(ruled(rule, made, protocol), NotExercised)


def crowd(count: int, *then: Part, ended: ServerEnded | None = None) -> Transcript:
    return played(
        *(part for number in range(count) for part in (*asks(f"C{number}"), closes(f"C{number}"))), *then, ends=ended
    )


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(crowd(100), "held", id="the hundredth is served"),
        pytest.param(crowd(99), "not exercised", id="there is no hundredth"),
        pytest.param(crowd(10, *asks("Z", b"")), "broken", id="the eleventh is not"),
        pytest.param(crowd(10, REFUSED, ended=EXITED), "broken", id="the eleventh finds nobody"),
        pytest.param(crowd(0, *asks("Z", b""), *asks("Y")), "not exercised", id="not even the first is"),
        pytest.param(crowd(10, (Connect("Z"), [])), "not exercised", id="one did not come"),
    ],
)
def test_a_late_client_is_served_like_the_first(made: Transcript, expected: Word) -> None:
    ruling = ruled("LIFE-04", made)
    assert word(ruling) == expected
    if isinstance(ruling, Finding):
        assert ruling.got.startswith("10 clients were served, then Z ")


LEAVES = (comes("A"), sends("A", b"GET"), resets("A"), looks("left", look()))
UNHEARD = (comes("A"), sends("A", b"GET", read=False), resets("A"), looks("left", look()))
UNSENT = (REFUSED, (Send("Z", GET), [NotSent(0, "Z", GET, "ENOTCONN")]), gets("Z", b""))
KEPT_OUT = ((Connect("Z"), [NotConnected(0, "Z", "queue full")]), *UNSENT[1:])
CUT_OFF = (comes("Z"), (Send("Z", GET), [ends("Z", "RST"), NotSent(0, "Z", GET, "ECONNRESET")]), gets("Z", b""))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(played(*LEAVES, asks("Z")), "held", id="the next one is served"),
        pytest.param(played(*LEAVES, asks("Z", b"")), "broken", id="the next one is not"),
        pytest.param(played(*LEAVES, REFUSED, ends=EXITED), "broken", id="the next one finds nobody"),
        pytest.param(played(*LEAVES, *CUT_OFF), "broken", id="the next one cannot even ask"),
        pytest.param(played(*LEAVES, REFUSED, ends=SIGPIPE), "not exercised", id="it died of SIGPIPE"),
        pytest.param(played(*LEAVES, REFUSED, ends=EPIPE), "not exercised", id="it died of EPIPE"),
        pytest.param(played(*UNHEARD, asks("Z")), "not exercised", id="nobody knows that it was accepted"),
        pytest.param(
            played(*UNHEARD, *UNSENT, ends=EXITED), "broken", id="it ended with a client that it did not hear"
        ),
        pytest.param(played(comes("A"), sends("A", b"GET"), asks("Z")), "not exercised", id="nobody left"),
        pytest.param(played(*LEAVES, (Connect("Z"), [])), "not exercised", id="nobody came after it"),
        pytest.param(
            played((Freeze(), []), *LEAVES, *KEPT_OUT), "not exercised", id="the queue is full while it stands"
        ),
        pytest.param(played(*LEAVES, *KEPT_OUT), "broken", id="the queue is full while it runs"),
        pytest.param(
            played((Freeze(), []), *UNHEARD, (Thaw(), []), REFUSED, ends=EXITED),
            "not exercised",
            id="who left was in the queue of a server that stood",
        ),
    ],
)
def test_a_departure_costs_one_connection(made: Transcript, expected: Word) -> None:
    assert word(ruled("LIFE-05", made)) == expected


def test_who_could_not_connect_is_not_told_to_have_sent_in_vain() -> None:
    ruling = ruled("LIFE-05", played(*LEAVES, *UNSENT, ends=EXITED))
    assert isinstance(ruling, Finding)
    assert ruling.got == "Z could not connect (refused); the server exited with status 1"


@pytest.mark.parametrize("protocol", ["echo", "http"])
def test_who_cannot_ask_is_not_served(protocol: Protocol) -> None:
    assert word(ruled("LIFE-05", played(*LEAVES, *CUT_OFF), protocol)) == "broken"


def held_at_its_send(*leave: Step, reached: bool = True, proven: bool = True) -> list[Part]:
    steps: list[Part] = [(Hold("send"), []), comes("A"), sends("A", GET)]
    steps += [(AwaitHeld(), [HeldAt(0, "sendto", reached, proven)])]
    return [*steps, *((step, ()) for step in leave), (Release(), []), looks("left", look()), closes("A")]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(played(held_at_its_send(Reset("A")), asks("Z")), "held", id="the next one is served"),
        pytest.param(played(held_at_its_send(Reset("A")), asks("Z", b"")), "broken", id="the next one is not"),
        pytest.param(played(held_at_its_send(Reset("A")), REFUSED, ends=SIGPIPE), "broken", id="it died of SIGPIPE"),
        pytest.param(played(held_at_its_send(HalfClose("A")), asks("Z")), "not exercised", id="who finishes is there"),
        pytest.param(played(held_at_its_send(), asks("Z")), "not exercised", id="who leaves later is there, too"),
        pytest.param(
            played(held_at_its_send(Reset("A"), reached=False), asks("Z")), "not exercised", id="it never sends"
        ),
        pytest.param(
            played(held_at_its_send(Reset("A"), reached=False, proven=False), asks("Z")),
            "not proven",
            id="it may yet send",
        ),
        pytest.param(played(*LEAVES, asks("Z")), "not exercised", id="it was not held"),
    ],
)
def test_a_departure_before_the_answer_costs_one_connection(made: Transcript, expected: Word) -> None:
    assert word(ruled("LIFE-06", made)) == expected


def test_who_comes_in_the_moment_in_which_others_leave_is_served() -> None:
    here: tuple[Part, ...] = (comes("A"), sends("A", b"GET"), looks("accepted", look()), (Freeze(), []), resets("A"))
    ruling = ruled("LIFE-05", played(*here, comes("Z"), sends("Z", GET), (Thaw(), []), (Receive("Z"), [ends("Z")])))
    assert isinstance(ruling, Finding)
    assert ruling.expected == "a client is served that came in the moment in which others left"


def test_how_many_have_left_is_told() -> None:
    crowd = [part for name in ("A", "B") for part in (comes(name), sends(name, GET), closes(name))]
    ruling = ruled("LIFE-06", played(*crowd, held_at_its_send(Reset("A")), asks("Z", b"")))
    assert isinstance(ruling, Finding)
    assert ruling.expected == "a client is served after 2 have left before their answers were sent"


def stopped(before: Snapshot, *then: Part, ended: ServerEnded | None = None) -> Transcript:
    stop: tuple[Part, ...] = ((Freeze(), []), (Thaw(), []))
    return played(looks("running", before), *stop, looks("continued", look()), *then, ends=ended)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(stopped(look(), *asks("Z")), "held", id="a client is served"),
        pytest.param(stopped(look(still="resting"), *asks("Z")), "held", id="it slept with a time limit"),
        pytest.param(
            stopped(look(still="restless"), *asks("Z")), "not proven", id="it was not waiting when it was stopped"
        ),
        pytest.param(stopped(look(), *asks("Z", b"")), "broken", id="a client is not served"),
        pytest.param(stopped(look(), REFUSED, ended=EXITED), "broken", id="it ended"),
        pytest.param(stopped(look(), REFUSED, ended=SIGPIPE), "not exercised", id="it died of SIGPIPE"),
        pytest.param(
            stopped(look(), comes("A"), resets("A"), REFUSED, ended=EXITED),
            "not exercised",
            id="it lived until somebody left",
        ),
        pytest.param(
            stopped(look(), comes("A"), closes("A"), *asks("Z", b"")),
            "not exercised",
            id="it was at rest again until somebody left",
        ),
        pytest.param(stopped(look(running=False), REFUSED, ended=EXITED), "not exercised", id="it had ended before"),
        pytest.param(stopped(look()), "not exercised", id="nobody came"),
        pytest.param(played(looks("running", look()), asks("Z")), "not exercised", id="it was not stopped"),
        pytest.param(played((Freeze(), []), (Thaw(), []), asks("Z")), "not exercised", id="nobody looked"),
    ],
)
def test_a_stop_and_continue_is_survived(made: Transcript, expected: Word) -> None:
    assert word(ruled("LIFE-09", made)) == expected


def datagram(*came: Event) -> Transcript:
    sent: Part = (SendDatagram("Z", b"x"), [Sent(0, "Z", b"x", None, None, port=9157)])
    return stopped(look(), sent, (ReceiveDatagrams("Z"), list(came)))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(datagram(Got(0, "Z", b"x")), "held", id="it is answered"),
        pytest.param(datagram(silence("Z")), "broken", id="it is not"),
        pytest.param(datagram(silence("Z", "restless")), "perhaps broken", id="it may yet be"),
        pytest.param(datagram(silence("Z"), DatagramsDropped(0, 1, 0)), "not exercised", id="the kernel dropped it"),
    ],
)
def test_a_datagram_is_answered_after_a_stop(made: Transcript, expected: Word) -> None:
    assert word(ruled("LIFE-09", made, "udp")) == expected


def beside(good: list[Part], *hog: Part, ended: ServerEnded | None = None) -> Transcript:
    return played(comes("A"), *hog, looks("hogged", look()), good, ends=ended)


HALF = sends("A", b"GET /")


def after_a_limit(*waited_for: str) -> list[Part]:
    """Z is answered when a limit is over up to which the first of these was waited for, and others beside it."""
    passed = TimePassed(0, 5.0, on_client=waited_for[0], beside=waited_for[1:])
    return [comes("Z"), sends("Z", GET, read=None), (Receive("Z"), [passed, Got(0, "Z", OK)])]


TURNED_AWAY = [comes("Z"), sends("Z", GET, read=None), gets("Z", b"", ends("Z"))]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(beside(asks("Z"), HALF), "held", id="the good client is served"),
        pytest.param(beside(asks("Z"), sends("A", b"GET /", read=None)), "held", id="nobody can know what was read"),
        pytest.param(beside(asks("Z", b""), HALF), "broken", id="it is not"),
        pytest.param(beside(after_a_limit("A"), HALF), "broken", id="it is when the other one's limit is over"),
        pytest.param(beside(after_a_limit("A", "Z"), HALF), "held", id="it was waited for itself"),
        pytest.param(beside(after_a_limit(""), HALF), "held", id="it is after a sleep"),
        pytest.param(beside(TURNED_AWAY, HALF), "not exercised", id="it is turned away"),
        pytest.param(beside(TURNED_AWAY, HALF, ended=CRASHED), "broken", id="the server dies of it"),
        pytest.param(beside(asks("Z"), sends("A", b"GET /", read=False)), "not exercised", id="the half was not read"),
        pytest.param(beside(asks("Z"), HALF, gets("A", b"", ends("A"))), "not exercised", id="the half was sent away"),
        pytest.param(beside(asks("Z")), "not exercised", id="nobody sent half a request"),
        pytest.param(beside([(Connect("Z"), [])], HALF), "not exercised", id="nobody else came"),
    ],
)
def test_half_a_request_blocks_nobody(made: Transcript, expected: Word) -> None:
    assert word(ruled("LIFE-10", made)) == expected


def full(unsent: int, good: list[Part], *, came: int | None = None, ended: ServerEnded | None = None) -> Transcript:
    data = b"GET /large"
    side = ClientSide("A", "ESTABLISHED", True, 0, unsent, 10, ((7, 4),))
    asked: Part = (Send("A", data), [Sent(0, "A", data[:came], None, None)])
    there: tuple[Part, ...] = ((SmallBuffers(), []), (Connect("A", small_window=True), [Connected(0, "A")]), asked)
    return played(*there, looks("full", look(connections=[side])), good, ends=ended)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(full(4096, asks("Z")), "held", id="the good client is served"),
        pytest.param(full(0, asks("Z"), came=4), "held", id="the slow one could not even say everything"),
        pytest.param(full(0, asks("Z")), "not proven", id="the slow one was sent no more than it takes"),
        pytest.param(full(4096, asks("Z", b"")), "broken", id="the good client is not served"),
        pytest.param(full(4096, TURNED_AWAY), "not exercised", id="it is turned away"),
        pytest.param(full(4096, TURNED_AWAY, ended=CRASHED), "broken", id="the server dies of it"),
        pytest.param(played(comes("A"), asks("Z")), "not exercised", id="nobody asked for much"),
    ],
)
def test_a_slow_reader_blocks_nobody(made: Transcript, expected: Word) -> None:
    assert word(ruled("LIFE-11", made)) == expected


def odd(seen: Snapshot | None, *, read: bool = True, ended: ServerEnded | None = None) -> Transcript:
    said = (comes("A"), sends("A", b"\xff\n", read=read), closes("A"))
    return played(*said, *([] if seen is None else [looks("said", seen)]), ends=ended)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(odd(look()), "held", id="it is there"),
        pytest.param(odd(look(running=False), ended=EXITED), "broken", id="it exits"),
        pytest.param(odd(look(running=False), ended=LEFT), "not exercised", id="it leaves as if told to"),
        pytest.param(odd(look(running=False), ended=CRASHED), "not exercised", id="it dies of a memory fault"),
        pytest.param(odd(look(running=False), ended=SIGPIPE), "not exercised", id="it dies of SIGPIPE"),
        pytest.param(odd(look(still="restless")), "not proven", id="it is still thinking"),
        pytest.param(odd(look(), read=False), "not exercised", id="it has not read them"),
        pytest.param(odd(look(running=False)), "not exercised", id="nobody knows how it ended"),
        pytest.param(odd(None), "not exercised", id="nobody looked"),
        pytest.param(played(comes("A"), looks("said", look())), "not exercised", id="nothing was said"),
    ],
)
def test_odd_bytes_end_nobody(made: Transcript, expected: Word) -> None:
    assert word(ruled("LIFE-12", made, "none")) == expected


@pytest.mark.parametrize(("answer", "expected"), [(OK, "held"), (b"", "broken")])
def test_after_odd_bytes_a_client_is_served(answer: bytes, expected: Word) -> None:
    said = (comes("A"), sends("A", b"\xff\n"), closes("A"), looks("said", look()))
    assert word(ruled("LIFE-12", played(*said, asks("Z", answer)), "greeting")) == expected


@pytest.mark.parametrize(("unread", "expected"), [(0, "held"), (832, "not exercised")])
def test_an_odd_datagram_has_to_be_read(unread: int, expected: Word) -> None:
    seen = replace(look(), datagram=DatagramSocket(1, 2, "0.0.0.0", 9157, unread, None, 0))
    made = played((SendDatagram("A", b"\xff"), [Sent(0, "A", b"\xff", None, None, port=9157)]), looks("said", seen))
    assert word(ruled("LIFE-12", made, "udp")) == expected


def answered(*then: Event, before: bytes = OK) -> Transcript:
    return played(asks("A", before), finishes("A", *then), looks("A has finished", look()), closes("A"))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(answered(ends("A")), "held", id="it closes"),
        pytest.param(answered(silence("A")), "held", id="it says nothing more"),
        pytest.param(answered(silence("A", "resting")), "held", id="what sleeps was waited for"),
        pytest.param(answered(silence("A", "restless")), "not proven", id="it is never still"),
        pytest.param(
            answered(Got(0, "A", OK * 40), Flooded(0, "A", 9)), "broken", id="the answer comes again and again"
        ),
        pytest.param(answered(Got(0, "A", bytes(99)), Flooded(0, "A", 9)), "not exercised", id="something else comes"),
        pytest.param(answered(ends("A"), before=b""), "not exercised", id="it had no answer"),
        pytest.param(played(asks("A"), closes("A")), "not exercised", id="nobody finishes"),
        pytest.param(
            played(comes("A"), gets("A", OK, Flooded(0, "A", 9)), finishes("A")),
            "not exercised",
            id="the answer has no end",
        ),
    ],
)
def test_who_has_finished_is_left_alone(made: Transcript, expected: Word) -> None:
    assert word(ruled("LIFE-13", made)) == expected


def test_who_only_reads_finishes_nothing() -> None:
    assert word(ruled("LIFE-13", played(comes("A"), (Receive("A"), [])))) == "not exercised"


@pytest.mark.parametrize(
    ("said", "expected"), [([b""], "broken"), ([b"", b"x"], "not exercised"), ([], "not exercised")]
)
def test_nobody_is_told_to_end_by_an_empty_datagram(said: list[bytes], expected: Word) -> None:
    words = [(SendDatagram("A", data), [Sent(0, "A", data, None, None, port=9157)]) for data in said]
    made = played(*words, looks("said", look(running=False)), ends=LEFT)
    assert word(ruled("LIFE-12", made, "udp")) == expected
