"""The rules of a UDP echo on transcripts made by hand: held, broken, or not put to the test."""

from __future__ import annotations

import pytest

from gatecrash.model import calls as fates
from gatecrash.model.scenario import Fail, ReceiveDatagrams, SendDatagram
from gatecrash.model.transcript import DatagramsDropped, Event, Got, NotSent, Sent, ServerEnded, Silent, Transcript
from gatecrash.model.verdicts import Finding, NotExercised
from tests.oracles.played import Word, comes, played, ruled, silence, traced, word
from tests.sequences import PARENT, Part, nothing

RULES = [f"DGRAM-{number:02}" for number in range(1, 10)]
PORT = 9157
DROPPED = DatagramsDropped(0, 1, 0)
DIED = ServerEnded(0, 1)


def sends(client: str, data: bytes) -> Part:
    return SendDatagram(client, data), [Sent(0, client, data, None, None, port=PORT)]


def gets(client: str, *came: bytes | Event, port: int = PORT) -> Part:
    events = [one if isinstance(one, Event) else Got(0, client, one, source_port=port) for one in came]
    return ReceiveDatagrams(client, None), events


def exchange(client: str, data: bytes, *came: bytes | Event) -> list[Part]:
    """One datagram is sent, and this comes: as it was sent, where nothing is named."""
    return [sends(client, data), gets(client, *(came or (data,)))]


@pytest.mark.parametrize("rule", RULES)
def test_where_nothing_happened_nothing_held(rule: str) -> None:
    failed: Part = (SendDatagram("A", b"x"), [NotSent(0, "A", b"x", "EPERM")])
    for made in (nothing(), played(comes("A"), comes("B")), played(failed, gets("A", silence("A")))):
        assert isinstance(ruled(rule, made, "udp"), NotExercised)


@pytest.mark.parametrize("rule", ["DGRAM-01", "DGRAM-04"])
@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(played(exchange("A", b"one")), "held", id="it comes back"),
        pytest.param(played(exchange("A", b"one", b"on")), "broken", id="it comes back cut short"),
        pytest.param(played(exchange("A", b"one", silence("A"))), "broken", id="provably nothing comes"),
        pytest.param(played(exchange("A", b"one", silence("A", "restless"))), "perhaps broken", id="it is never still"),
        pytest.param(played(exchange("A", b"one", silence("A"), DROPPED)), "not exercised", id="the kernel dropped it"),
        pytest.param(played(sends("A", b"one")), "not exercised", id="nobody waits for the answer"),
        pytest.param(played(exchange("A", b"one", silence("A")), ends=DIED), "broken", id="the server ends"),
    ],
)
def test_a_datagram_comes_back_as_it_was(rule: str, made: Transcript, expected: Word) -> None:
    assert word(ruled(rule, made, "udp")) == expected


def test_what_a_large_datagram_lacks_may_not_have_been_promised() -> None:
    ruling = ruled("DGRAM-04", played(exchange("A", b"one", b"on")), "udp")
    assert isinstance(ruling, Finding)
    assert "max_datagram" in ruling.lines[-1]


BOTH = (sends("A", b"from A"), sends("B", b"from B"))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(played(*BOTH, gets("A", b"from A"), gets("B", b"from B")), "held", id="each gets its own"),
        pytest.param(played(*BOTH, gets("A"), gets("B", b"from A", b"from B")), "broken", id="one gets both"),
        pytest.param(played(*BOTH, gets("A", b"from A"), gets("B", silence("B"))), "not exercised", id="one gets none"),
        pytest.param(played(*BOTH, gets("A", b"from A"), gets("B", b"no")), "not exercised", id="one gets nobody's"),
        pytest.param(played(*BOTH, gets("A", b"from A"), gets("B", DROPPED)), "not exercised", id="one was dropped"),
        pytest.param(played(exchange("A", b"from A")), "not exercised", id="there is one client only"),
    ],
)
def test_an_answer_goes_to_its_sender(made: Transcript, expected: Word) -> None:
    assert word(ruled("DGRAM-02", made, "udp")) == expected


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(played(exchange("A", b""), exchange("B", b"x")), "held", id="it is answered, and so is the next"),
        pytest.param(played(exchange("A", b"", silence("A")), exchange("B", b"x")), "broken", id="it is not answered"),
        pytest.param(played(exchange("A", b""), exchange("B", b"x", silence("B"))), "broken", id="the next one is not"),
        pytest.param(
            played(exchange("A", b""), exchange("A", b"x"), exchange("B", b"", silence("B"))),
            "not exercised",
            id="a later one is lost, as another might have been",
        ),
        pytest.param(played(exchange("B", b"x"), exchange("A", b"")), "not exercised", id="nothing comes behind it"),
        pytest.param(played(exchange("A", b"x"), exchange("B", b"x")), "not exercised", id="none is empty"),
    ],
)
def test_an_empty_datagram_is_one(made: Transcript, expected: Word) -> None:
    assert word(ruled("DGRAM-03", made, "udp")) == expected


LONG = exchange("A", b"a long datagram, this one")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(played(LONG, exchange("B", b"--")), "held", id="the short one comes alone"),
        pytest.param(
            played(LONG, exchange("B", b"--", b"--long datagram")), "broken", id="it carries the long one's tail"
        ),
        pytest.param(played(LONG, exchange("B", b"--", silence("B"))), "not exercised", id="it does not come back"),
        pytest.param(played(LONG, exchange("B", b"--", b"--\n")), "not exercised", id="a newline is another rule's"),
        pytest.param(played(LONG, exchange("B", b"--", DROPPED)), "not exercised", id="the kernel dropped it"),
        pytest.param(played(exchange("B", b"--"), LONG), "not exercised", id="the longer one comes later"),
    ],
)
def test_a_short_datagram_carries_nothing_else(made: Transcript, expected: Word) -> None:
    assert word(ruled("DGRAM-05", made, "udp")) == expected


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(played(sends("A", b"x"), gets("A", b"x")), "held", id="from the port that was asked"),
        pytest.param(played(sends("A", b"x"), gets("A", b"x", port=PORT + 1)), "broken", id="from another one"),
        pytest.param(played(sends("A", b"x"), gets("A", silence("A"))), "not exercised", id="there is no answer"),
    ],
)
def test_the_answer_comes_from_the_port_that_was_asked(made: Transcript, expected: Word) -> None:
    assert word(ruled("DGRAM-06", made, "udp")) == expected


def queued(*came: bytes | Event) -> Transcript:
    return played(sends("A", b"one"), sends("A", b"two"), gets("A", *came))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(queued(b"one", b"two", silence("A")), "held", id="two answers, and provably no more"),
        pytest.param(queued(b"one", b"two", silence("A", "resting")), "held", id="what sleeps was waited for"),
        pytest.param(queued(b"one", b"two", silence("A", "restless")), "not proven", id="a third may still come"),
        pytest.param(queued(b"one", b"two"), "not proven", id="nobody waits for a third"),
        pytest.param(queued(b"onetwo", silence("A")), "broken", id="one answer to both"),
        pytest.param(queued(b"onetwo", silence("A", "restless")), "perhaps broken", id="the second may still come"),
        pytest.param(queued(b"one", b"two", b"two"), "broken", id="three answers"),
        pytest.param(queued(b"one", silence("A"), DROPPED), "not exercised", id="the kernel dropped one"),
    ],
)
def test_each_datagram_has_one_answer(made: Transcript, expected: Word) -> None:
    assert word(ruled("DGRAM-07", made, "udp")) == expected


def fails(outcome: fates.CallOutcome, *came: bytes | Event) -> Transcript:
    cost = exchange("A", b"before", silence("A"))
    later = (sends("B", b"after"), gets("B", *came, traced(fates.RAN, outcome)))
    return played((Fail("send", "EPERM"), []), cost, later)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(fails(fates.failed("EPERM"), b"after"), "held", id="the later one is answered"),
        pytest.param(fails(fates.failed("EPERM"), silence("B")), "broken", id="it is not"),
        pytest.param(fails(fates.failed("EPERM"), silence("B", "resting")), "perhaps broken", id="it may wake up"),
        pytest.param(fails(fates.failed("EPERM"), silence("B"), DROPPED), "not exercised", id="the kernel dropped it"),
        pytest.param(fails(fates.RAN, b"after"), "not exercised", id="no call failed"),
        pytest.param(fails(fates.RAN, silence("B")), "not exercised", id="it stops without any call having failed"),
        pytest.param(
            played(exchange("A", b"x", traced(fates.failed("EPERM"))), gets("B")), "not exercised", id="nobody follows"
        ),
    ],
)
def test_a_failed_send_is_survived(made: Transcript, expected: Word) -> None:
    assert word(ruled("DGRAM-08", made, "udp")) == expected


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(played(exchange("A", b"a"), exchange("B", b"b")), "held", id="both are answered"),
        pytest.param(played(exchange("A", b"a"), exchange("B", b"b", silence("B"))), "broken", id="only the first is"),
        pytest.param(
            played(exchange("A", b"a"), exchange("B", b"b", DROPPED)), "not exercised", id="the kernel dropped it"
        ),
        pytest.param(
            played(exchange("A", b"a", silence("A")), exchange("B", b"b")), "not exercised", id="the first is not"
        ),
        pytest.param(played(exchange("A", b"a"), exchange("A", b"b")), "not exercised", id="there is one client only"),
        pytest.param(
            played(exchange("A", b"a"), exchange("B", b"b", Silent(0, "B", False, "restless", (PARENT,)))),
            "perhaps broken",
            id="it is never still",
        ),
    ],
)
def test_a_second_sender_is_served(made: Transcript, expected: Word) -> None:
    assert word(ruled("DGRAM-09", made, "udp")) == expected
