"""Rules about memory, on transcripts made by hand: what they call held, broken, and not put to the test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatecrash.model.contract import Concurrency, Contract
from gatecrash.model.scenario import Close, Reset, SendDatagram
from gatecrash.model.sockets import DatagramSocket
from gatecrash.model.transcript import (
    CrashedProcess,
    DatagramsDropped,
    Ended,
    Event,
    Got,
    SanitizerReport,
    Sent,
    ServerEnded,
    Snapshot,
)
from tests.oracles.forked import connects, knocks, looked, moving, ruling, said, side
from tests.sequences import Part, look

RULES = ("MEM-01", "MEM-02", "MEM-03")
UDP = Contract(protocol="udp")


def rude(seen: Snapshot, *came: Event) -> list[Part]:
    """A client that says something, is looked at, and leaves."""
    return [*knocks("A"), looked("said", seen), (Reset("A"), list(came))]


READ = look(connections=(side("A", 7),))
QUEUED = look(connections=(side("A", accepted=False),), depth=1)
RUDE = rude(READ)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        pytest.param([], "not exercised", id="nothing happened"),
        pytest.param(connects("A"), "not exercised", id="a client is connected, by the kernel"),
        pytest.param(rude(QUEUED), "not exercised", id="it waits in the queue"),
        pytest.param(rude(look()), "not exercised", id="it was gone when it was looked for"),
        pytest.param(RUDE, "held", id="it was accepted"),
        pytest.param(moving(RUDE), "held", id="it was accepted, and the server moves"),
        pytest.param(rude(look(), Got(0, "A", b"x")), "held", id="it was answered"),
        pytest.param(rude(look(), Sent(0, "A", b"x", True, 1)), "held", id="it was read"),
        pytest.param(rude(look(), Ended(0, "A", "FIN")), "held", id="its connection was closed"),
        pytest.param(rude(look(), Ended(0, "A", "RST")), "held", id="it was reset by one that goes on listening"),
        pytest.param(
            rude(look(), Ended(0, "A", "RST"), ServerEnded(0, 1)), "not exercised", id="it was reset by an end"
        ),
    ],
)
def test_somebody_has_to_be_taken_in(rule: str, parts: list[Part], outcome: str) -> None:
    assert said(rule, parts) == outcome


def ignoring(seen: Snapshot) -> Snapshot:
    """The same of a parent that ignores SIGCHLD (17), so that the kernel reaps."""
    return replace(seen, processes=tuple(replace(one, ignored=1 << 16) for one in seen.processes))


SERVES = look(children=(9,), connections=(side("A", 9),))
GONE = [*rude(ignoring(SERVES)), looked("left", ignoring(look()))]
STAYS = [*rude(ignoring(SERVES)), looked("left", ignoring(SERVES))]


@pytest.mark.parametrize(
    ("rule", "parts", "concurrency", "outcome"),
    [
        pytest.param("MEM-03", GONE, "prefork", "not exercised", id="a worker has gone"),
        pytest.param("MEM-03", STAYS, "prefork", "held", id="all workers are there"),
        pytest.param("MEM-03", STAYS, "fork", "not exercised", id="children may have come and gone"),
        pytest.param("MEM-03", [*rude(SERVES), looked("left", look())], "fork", "held", id="it does not ignore it"),
        pytest.param("MEM-01", GONE, "fork", "held", id="the sanitizers tell"),
    ],
)
def test_of_children_whose_end_the_kernel_forgets_nothing_is_said(
    rule: str, parts: list[Part], concurrency: Concurrency, outcome: str
) -> None:
    assert said(rule, parts, Contract(protocol="http", concurrency=concurrency)) == outcome


ADDRESS = SanitizerReport(0, "address", "==1==ERROR: AddressSanitizer: heap-buffer-overflow")
UNDEFINED = SanitizerReport(0, "undefined", "a.c:1:1: runtime error: shift exponent 99 is too large")


@pytest.mark.parametrize(
    ("harm", "broken"),
    [
        pytest.param(ADDRESS, "MEM-01", id="AddressSanitizer"),
        pytest.param(UNDEFINED, "MEM-02", id="UndefinedBehaviorSanitizer"),
        pytest.param(CrashedProcess(0, 9, 11), "MEM-03", id="a child's SIGSEGV"),
        pytest.param(ServerEnded(0, -6), "MEM-03", id="the server's SIGABRT"),
        pytest.param(ServerEnded(0, -9, overrun=1100), "RES-06", id="a server that forks without end"),
    ],
)
def test_each_harm_breaks_one_rule_and_the_others_have_not_held(harm: Event, broken: str) -> None:
    outcomes = {rule: said(rule, rude(READ, harm)) for rule in RULES}
    assert outcomes == {rule: "broken" if rule == broken else "not exercised" for rule in RULES}


def test_which_harm_it_was_is_said() -> None:
    assert "MEM-03 is broken" in str(ruling("MEM-01", rude(READ, CrashedProcess(0, 9, 11))))


@pytest.mark.parametrize("number", [9, 13, 15])
def test_who_was_ended_by_another_signal_has_no_memory_fault(number: int) -> None:
    assert said("MEM-03", [*RUDE, (Close("A"), [CrashedProcess(0, 9, number)])]) == "held"


def sends(*came: Event, unread: int = 0) -> list[Part]:
    seen = replace(look(), datagram=DatagramSocket(1, 2, "127.0.0.1", 9157, unread, None, 0))
    return [
        (SendDatagram("A", b"x"), [Sent(0, "A", b"x", None, None, port=9157)]),
        looked("left", seen),
        (Close("A"), list(came)),
    ]


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        pytest.param(sends(), "held", id="it was read"),
        pytest.param(sends(unread=832), "not exercised", id="it waits"),
        pytest.param(sends(DatagramsDropped(0, 1, 0)), "not exercised", id="it may have been dropped"),
        pytest.param(sends(Got(0, "A", b"x"), unread=832), "held", id="another was answered"),
        pytest.param(sends()[1:], "not exercised", id="none was sent"),
    ],
)
def test_a_datagram_that_waits_no_more_was_read(parts: list[Part], outcome: str) -> None:
    assert said("MEM-01", parts, UDP) == outcome
