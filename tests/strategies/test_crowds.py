"""Many clients: every client keeps its own order, and a failure needs as few of them as it can."""

from __future__ import annotations

import pytest
from hypothesis import find, given, settings

from gatecrash.errors import UsageError
from gatecrash.model.scenario import (
    Close,
    Connect,
    Receive,
    Reset,
    Scenario,
    Send,
    Step,
)
from strategies import client_names, hogs, interleavings, one_more

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


@pytest.mark.parametrize("count", [0, 1, 25, 26, 27, 130])
def test_who_comes_behind_a_crowd_is_none_of_it(count: int) -> None:
    assert one_more(count) not in client_names(count)
    assert (one_more(count) == "Z") == (count < 26)


@settings(QUIET, max_examples=40)
@given(interleavings([[Connect("A"), Send("A", b"1"), Send("A", b"2"), Close("A")], [Connect("B"), Reset("B")]]))
def test_interleaving_keeps_every_clients_order(scenario: Scenario) -> None:
    assert steps_of(scenario, "A") == [Connect("A"), Send("A", b"1"), Send("A", b"2"), Close("A")]
    assert steps_of(scenario, "B") == [Connect("B"), Reset("B")]
    assert len(scenario.steps) == 6


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
