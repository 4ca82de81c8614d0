"""Rules about resources, on transcripts made by hand: what they call held, broken, and not put to the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gatecrash.model.contract import Contract
from gatecrash.model.labels import FIRST_CROWD, SECOND_CROWD
from gatecrash.model.processes import Task
from gatecrash.model.scenario import Close, Connect, Fail, LiftLimit, LimitDescriptors
from gatecrash.model.transcript import (
    CallTrace,
    Ended,
    Event,
    Got,
    NotConnected,
    ServerEnded,
    Silent,
    Snapshot,
    TracedCall,
)
from gatecrash.model.verdicts import Finding
from tests.oracles.forked import ANSWER, connects, failed, knocks, looked, moving, reads, ruling, said, visits
from tests.sequences import Part, asked, look

THREADS = Contract(protocol="http", concurrency="thread")
MUTE = Contract(protocol="none", concurrency="thread")
RULES = ("RES-01", "RES-02", "RES-03", "RES-04", "RES-05", "RES-06")


@pytest.mark.parametrize("rule", RULES)
def test_nothing_says_nothing(rule: str) -> None:
    assert said(rule, [], THREADS) == "not exercised"


@pytest.mark.parametrize("rule", RULES)
def test_clients_that_connect_and_are_not_looked_at_say_nothing(rule: str) -> None:
    assert said(rule, connects("A", "B"), THREADS) == "not exercised"


# -- two crowds -----------------------------------------------------------------------------------------------------


def at(*, threads: int = 1, stacks: int = 1, descriptors: int = 4, depth: int = 0, running: bool = True) -> Snapshot:
    """A look at a server of one process with so many threads, and stacks of threads."""
    seen = look(descriptors=descriptors, depth=depth, running=running)
    everyone = tuple(replace(entry, threads=threads) for entry in seen.processes)
    return replace(seen, processes=everyone, stacks=((7, stacks),))


def crowds(after: Snapshot, *, first: Snapshot | None = None, last: Sequence[Part] | None = None) -> list[Part]:
    """Four clients that are served, a look, four more, a look."""
    return [
        *visits(*"ABCD"),
        looked(FIRST_CROWD, first or at()),
        *visits(*"EFG"),
        *(visits("H") if last is None else last),
        looked(SECOND_CROWD, after),
    ]


@pytest.mark.parametrize("rule", ["RES-01", "RES-02", "RES-03"])
@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        pytest.param(crowds(at()), "held", id="nothing is left"),
        pytest.param(moving(crowds(at()), "spinning"), "held", id="nothing is left of one that spins"),
        pytest.param(moving(crowds(at())), "unproven", id="it moves"),
        pytest.param(moving(crowds(at()), "resting"), "unproven", id="it will move"),
        pytest.param(crowds(at(running=False)), "not exercised", id="it is gone"),
        pytest.param(crowds(replace(at(), main=8)), "not exercised", id="it is another"),
        pytest.param(
            crowds(at(), last=[(Connect("H"), [NotConnected(0, "H", "refused")])]),
            "not exercised",
            id="one was refused",
        ),
    ],
)
def test_what_two_crowds_leave(rule: str, parts: list[Part], outcome: str) -> None:
    assert said(rule, parts, THREADS) == outcome


@pytest.mark.parametrize(
    ("what", "got"), [("/www/a.html", "4 files more are open after"), ("socket:[7]", "4 more after")]
)
def test_files_that_stay_open_are_called_files(what: str, got: str) -> None:
    second = replace(at(descriptors=8), opened=((7, tuple((fd, what) for fd in range(4, 8))),))
    found = ruling("RES-01", crowds(second))
    assert isinstance(found, Finding)
    assert found.got.startswith(got)
    assert len(found.lines) == 4


@pytest.mark.parametrize("rule", ["RES-01", "RES-02"])
@pytest.mark.parametrize(("descriptors", "outcome"), [(6, "held"), (8, "broken")])
def test_a_descriptor_for_each_client_is_a_leak_and_a_log_file_is_none(
    rule: str, descriptors: int, outcome: str
) -> None:
    assert said(rule, crowds(at(descriptors=descriptors)), THREADS) == outcome


SLEEP = Task(7, 7, "S", "clock_nanosleep", (0, 0, 0, 0, 0, 0), 1, 0, 0, False, 1.0)


@pytest.mark.parametrize("rule", ["RES-01", "RES-02"])
@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        pytest.param(replace(at(depth=9), tasks=(SLEEP,)), at(descriptors=12), "unproven", id="at the first look"),
        pytest.param(at(), replace(at(depth=9, descriptors=12), tasks=(SLEEP,)), "unproven", id="at the second look"),
        pytest.param(at(), replace(at(descriptors=12), tasks=(SLEEP,)), "broken", id="when nobody waits any more"),
        pytest.param(at(), at(depth=9, descriptors=12), "broken", id="and it does not sleep at all"),
    ],
)
def test_a_server_that_sleeps_while_clients_wait_may_be_amid_its_answers(
    rule: str, first: Snapshot, second: Snapshot, outcome: str
) -> None:
    assert said(rule, crowds(second, first=first), THREADS) == outcome


@pytest.mark.parametrize(
    ("rule", "parts", "outcome"),
    [
        pytest.param("RES-01", crowds(at(), last=asked("H", None)), "not exercised", id="RES-01: one was not served"),
        pytest.param("RES-02", crowds(at(), last=asked("H", None)), "held", id="RES-02: rude clients need not be"),
        pytest.param("RES-02", crowds(at(depth=1)), "not exercised", id="RES-02: they have to be accepted"),
        pytest.param("RES-03", crowds(at(depth=1)), "not exercised", id="RES-03: they have to be accepted"),
    ],
)
def test_what_clients_must_have_got(rule: str, parts: list[Part], outcome: str) -> None:
    assert said(rule, parts, THREADS) == outcome


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        pytest.param(at(threads=4), "held", id="a few threads more"),
        pytest.param(at(threads=5), "broken", id="a thread for each client"),
        pytest.param(at(stacks=5), "broken", id="a stack for each client"),
        pytest.param(replace(at(), stacks=()), "not exercised", id="stacks that nobody counted"),
    ],
)
def test_threads_end_with_their_clients(after: Snapshot, outcome: str) -> None:
    assert said("RES-03", crowds(after), THREADS) == outcome


def test_a_pool_that_grows_proves_nothing() -> None:
    many = [*visits(*"ABCDEF"), looked(FIRST_CROWD, at()), *visits(*"GHIJKL"), looked(SECOND_CROWD, at(threads=6))]
    assert said("RES-03", many, THREADS) == "unproven"


# -- a thread that cannot be started --------------------------------------------------------------------------------


def thread_fails(
    came: Sequence[Event], *, calls: Sequence[TracedCall] = failed("thread"), last: list[Part] | None = None
) -> list[Part]:
    """A gets no thread; then B comes."""
    return [
        (Fail("thread", "EAGAIN"), []),
        *knocks("A"),
        *reads("A", *came),
        looked("failed", look()),
        *(visits("B") if last is None else last),
        (Close("B"), [CallTrace(0, tuple(calls))]),
    ]


LET_GO = (Ended(0, "A", "FIN"),)
FOR_EVER, PERHAPS = (Silent(0, "A", True, "quiet"),), (Silent(0, "A", False, "restless"),)


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        pytest.param(thread_fails(LET_GO), "held", id="its connection is closed"),
        pytest.param(thread_fails([Ended(0, "A", "RST")]), "held", id="its connection is reset"),
        pytest.param(thread_fails([Got(0, "A", ANSWER)]), "held", id="it is answered without"),
        pytest.param(thread_fails(FOR_EVER), "broken", id="it waits for ever"),
        pytest.param(thread_fails(PERHAPS), "broken by time alone", id="it waits for long"),
        pytest.param(thread_fails(LET_GO, calls=()), "not exercised", id="it starts no thread"),
        pytest.param(thread_fails(LET_GO, calls=failed("fork")), "not exercised", id="it was another call"),
        pytest.param([*thread_fails(LET_GO), (Close("B"), [ServerEnded(0, 1)])], "not exercised", id="it is gone"),
    ],
)
def test_a_client_without_a_thread_is_let_go(parts: list[Part], outcome: str) -> None:
    assert said("RES-04", parts, THREADS) == outcome


def test_who_never_gets_anything_is_not_said_to_wait() -> None:
    assert said("RES-04", thread_fails(LET_GO), MUTE) == "held"
    assert said("RES-04", thread_fails(FOR_EVER), MUTE) == "not exercised"


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        pytest.param(thread_fails(LET_GO), "held", id="the next is served"),
        pytest.param(thread_fails(FOR_EVER), "held", id="the next is served, whatever this one gets"),
        pytest.param(thread_fails(LET_GO, last=asked("B", None)), "broken", id="the next is not"),
        pytest.param(thread_fails(LET_GO, calls=()), "not exercised", id="it starts no thread"),
        pytest.param([*thread_fails(LET_GO), (Close("B"), [ServerEnded(0, 1)])], "not exercised", id="it leaves later"),
    ],
)
def test_a_thread_that_fails_does_not_end_it(parts: list[Part], outcome: str) -> None:
    assert said("RES-05", parts, THREADS) == outcome


# -- processes without end ------------------------------------------------------------------------------------------


def shortage(seen: Snapshot, came: list[Part], *after: Event) -> list[Part]:
    return [(LimitDescriptors(0), []), *came, looked("limited", seen), (LiftLimit(), list(after))]


REFUSED: list[Part] = [(Connect("A"), [NotConnected(0, "A", "refused")])]


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        pytest.param(shortage(look(), connects("A")), "held", id="it rests while somebody knocks"),
        pytest.param(shortage(look(), []), "held", id="it rests while nobody does"),
        pytest.param(shortage(look(), connects("A"), ServerEnded(0, -9, overrun=1100)), "broken", id="it never ends"),
        pytest.param(shortage(look(), REFUSED), "not exercised", id="nobody could knock"),
        pytest.param(shortage(look(still="restless"), connects("A")), "unproven", id="it moves"),
        pytest.param(shortage(look(running=False), connects("A")), "not exercised", id="it is gone"),
    ],
)
def test_processes_stay_with_clients(parts: list[Part], outcome: str) -> None:
    assert said("RES-06", parts) == outcome
