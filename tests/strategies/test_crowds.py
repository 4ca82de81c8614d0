"""Many clients: every client keeps its own order, and a failure needs as few of them as it can."""

from __future__ import annotations

import pytest
from hypothesis import find, given, settings

from gatecrash.errors import UsageError
from gatecrash.model.scenario import (
    Close,
    Connect,
    Freeze,
    Receive,
    Reset,
    Scenario,
    Send,
    Settle,
    Step,
    Thaw,
)
from strategies import client_names, crowds, floods, hogs, interleavings, simultaneous_leavers

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
QUIET = settings(max_examples=100, database=None, deadline=None, derandomize=True)


def tagged(name: str) -> bytes:
    return REQUEST.replace(b"/", b"/" + name.encode(), 1)


def steps_of(scenario: Scenario, client: str) -> list[Step]:
    return [step for step in scenario.steps if getattr(step, "client", None) == client]


def place(scenario: Scenario, kind: type[Step], client: str) -> int:
    return next(
        i for i, step in enumerate(scenario.steps) if isinstance(step, kind) and step in steps_of(scenario, client)
    )


def test_names_go_on_behind_z() -> None:
    assert client_names(28)[24:] == ("Y", "Z", "C27", "C28")
    assert len(set(client_names(100))) == 100


@settings(QUIET, max_examples=40)
@given(floods(tagged, size=20))
def test_a_flood_waits_in_the_queue_and_everyone_reads(flood: Scenario) -> None:
    names = flood.clients
    assert 2 <= len(names) <= 20
    assert flood.steps[0] == Freeze()
    assert flood.steps[-len(names) - 1] == Thaw()
    assert [flood.sent_by(name) for name in names] == [tagged(name) for name in names]
    assert flood.steps[-len(names) :] == tuple(Receive(name) for name in names)


def test_a_table_of_eight_clients_is_found_with_nine() -> None:
    smallest = find(floods(REQUEST), lambda flood: len(flood.clients) > 8, settings=QUIET)
    assert len(smallest.clients) == 9


@settings(QUIET, max_examples=40)
@given(interleavings([[Connect("A"), Send("A", b"1"), Send("A", b"2"), Close("A")], [Connect("B"), Reset("B")]]))
def test_interleaving_keeps_every_clients_order(scenario: Scenario) -> None:
    assert steps_of(scenario, "A") == [Connect("A"), Send("A", b"1"), Send("A", b"2"), Close("A")]
    assert steps_of(scenario, "B") == [Connect("B"), Reset("B")]
    assert len(scenario.steps) == 6


@settings(QUIET, max_examples=40)
@given(crowds(tagged, size=4))
def test_everyone_in_a_crowd_sends_a_whole_request_and_then_reads(scenario: Scenario) -> None:
    for name in scenario.clients:
        steps = steps_of(scenario, name)
        assert (steps[0], steps[-1]) == (Connect(name), Receive(name))
        assert scenario.sent_by(name) == tagged(name)


def test_a_crowd_where_one_request_arrives_inside_another_is_found_with_two_clients() -> None:
    def shares_a_buffer(scenario: Scenario) -> bool:
        sends = [step.client for step in scenario.steps if isinstance(step, Send)]
        return any(sends[i : i + 3] == ["A", "B", "A"] for i in range(len(sends)))

    smallest = find(crowds(tagged), shares_a_buffer, settings=QUIET)
    assert smallest.clients == ("A", "B")
    assert len(smallest.steps) <= 8  # 7 is the least; a cut and a turn that only go together may leave one more


@settings(QUIET, max_examples=40)
@given(simultaneous_leavers(REQUEST))
def test_all_leave_while_the_parent_is_frozen(scenario: Scenario) -> None:
    frozen, thawed = scenario.steps.index(Freeze("parent")), scenario.steps.index(Thaw())
    left = [i for i, step in enumerate(scenario.steps) if isinstance(step, Close | Reset)]
    assert len(left) == len(scenario.clients) >= 2
    assert all(frozen < i < thawed for i in left)
    assert scenario.steps[-1] == Settle("left")


@settings(QUIET, max_examples=40)
@given(hogs(tagged, size=3, greedy_request=b"GET /large HTTP/1.1\r\n\r\n"))
def test_the_good_client_comes_last_and_is_served_while_the_hogs_stay(scenario: Scenario) -> None:
    *names, good = scenario.clients
    assert scenario.sent_by(good) == tagged(good)
    served = place(scenario, Receive, good)
    assert all(place(scenario, Connect, hog) < served < place(scenario, Receive, hog) for hog in names)


def test_a_hog_that_reads_nothing_asks_for_much_with_a_small_window() -> None:
    greedy = b"GET /large HTTP/1.1\r\n\r\n"
    smallest = find(hogs(REQUEST, kinds=["reads-nothing"], greedy_request=greedy), lambda _: True, settings=QUIET)
    assert smallest.steps[:2] == (Connect("A", small_window=True), Send("A", greedy))


def test_unknown_hogs_are_refused_with_the_choices() -> None:
    with pytest.raises(UsageError, match="unknown 'greedy'; choose from idle, half-request, reads-nothing"):
        hogs(REQUEST, kinds=["greedy"])


def test_a_flood_of_fewer_than_its_smallest_is_refused() -> None:
    with pytest.raises(UsageError, match="size is 1; it has to be 2 or more"):
        floods(REQUEST, size=1)
