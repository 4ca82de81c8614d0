"""A target that forks without end is ended, in either kind of arena, before the machine has no process left."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, LimitDescriptors, scenario
from gatecrash.model.transcript import ServerEnded, Transcript
from gatecrash.model.verdicts import Case, Finding
from gatecrash.oracles.invariants import broken_invariants, with_cause
from gatecrash.sandbox import process_limit
from gatecrash.sandbox.arena import Arena
from tests.needs import need
from tests.ruling import finding as finding_in

ENV = {"PATH": "/usr/bin:/bin"}
ONE_AFTER_ANOTHER = "import os\nwhile True:\n    if os.fork() == 0:\n        os._exit(0)\n"
TWICE_AS_MANY = "import os\nwhile True:\n    os.fork()\n"
A_FEW = """
import os, signal
for _ in range(3):
    if os.fork() == 0:
        signal.pause()
print(flush=True)
signal.pause()
"""


@pytest.fixture(params=["namespace", "loopback"])
def arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    if request.param == "namespace":
        need("arena")
    with Arena.open(kind=request.param) as opened:
        yield opened


@pytest.mark.parametrize("program", [ONE_AFTER_ANOTHER, TWICE_AS_MANY], ids=["zombies", "a bomb"])
def test_a_target_that_forks_without_end_is_ended(arena: Arena, program: str) -> None:
    target = arena.spawn([sys.executable, "-I", "-S", "-c", program], env=ENV)
    assert target.wait(60) == -9
    assert target.overrun() > process_limit.AT_LEAST
    assert arena.spawn(["true"], env=ENV).wait(10) == 0


def test_a_target_with_some_children_is_left_alone(arena: Arena) -> None:
    target = arena.spawn([sys.executable, "-I", "-S", "-c", A_FEW], env=ENV)
    while not target.output().total:
        assert target.exit_status() is None
    assert target.overrun() == 0
    arena.clear()
    assert target.overrun() == 0, "we ended it, for no fault of its own"


def test_what_is_asked_of_the_next_target_is_not_the_last_ones_affair(arena: Arena) -> None:
    first = arena.spawn([sys.executable, "-I", "-S", "-c", ONE_AFTER_ANOTHER], env=ENV)
    assert first.wait(60) == -9
    second = arena.spawn(["sleep", "1000"], env=ENV)
    assert second.overrun() == 0
    assert second.exit_status() is None


def test_each_client_accounts_for_some_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    came = iter([100, 100, 150, 100_000_000])
    monkeypatch.setattr(process_limit, "arrivals", lambda: next(came))
    counted = process_limit.ProcessLimit()
    assert counted.allowed == process_limit.AT_LEAST
    assert counted.allowed == process_limit.AT_LEAST + 200
    assert process_limit.AT_LEAST < counted.allowed < 1 << 22, "never more than a part of all numbers"


def test_processes_are_counted_when_many_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    newest = iter([1000, 1001, 1255, 1256, 1257, 3])
    monkeypatch.setattr(process_limit, "last_pid", lambda: next(newest))
    counted = process_limit.ProcessLimit()
    assert [counted.to_count for _ in range(5)] == [False, False, True, False, True]


def _case(*events: ServerEnded) -> Case:
    return Case(Transcript(scenario(Connect("A")), events), Contract(protocol="http"))


def test_a_server_ended_for_its_many_processes_breaks_one_rule_whatever_was_tried() -> None:
    case = _case(ServerEnded(0, -9, overrun=1025))
    assert [finding.rule for finding in broken_invariants(case)] == ["RES-06"]
    assert finding_in("RES-06", case) is not None
    assert with_cause(case, Finding("LIFE-05", "a client is served", "it was not")).rule == "RES-06"


def test_a_server_that_ended_by_itself_does_not() -> None:
    case = _case(ServerEnded(0, -9))
    assert broken_invariants(case) == []
    assert finding_in("RES-06", case) is None
    assert with_cause(case, Finding("LIFE-05", "a client is served", "it was not")).rule == "LIFE-05"


def test_a_memory_fault_is_the_cause_of_what_is_found_and_hides_nothing() -> None:
    unproven = Finding("LIFE-05", "a client is served", "it was not", ("a silence",), conclusive=False)
    found = with_cause(_case(ServerEnded(0, -11)), unproven)
    assert (found.rule, found.got, found.conclusive) == ("LIFE-05", "it was not", True)
    assert found.lines[0].startswith("the cause is a memory fault (MEM-03)")
    assert found.lines[1:] == ("a silence",)


def test_an_abort_under_a_shortage_of_descriptors_is_no_memory_fault() -> None:
    """glibc's pthread_exit aborts where it cannot open a library; any other signal is what it always is."""
    played = scenario(Connect("A"), LimitDescriptors(0))
    contract = Contract(protocol="http")
    aborted, crashed = (Case(Transcript(played, (ServerEnded(0, -number),)), contract) for number in (6, 11))
    assert broken_invariants(aborted) == []
    assert [finding.rule for finding in broken_invariants(crashed)] == ["MEM-03"]
