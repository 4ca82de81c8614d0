"""What clients cost comes back when they have gone: descriptors, threads, and the client without a thread."""

from collections.abc import Sequence

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.instruments import clock, gates
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    Fail,
    HalfClose,
    LetTimePass,
    LiftLimit,
    LimitDescriptors,
    Receive,
    Reset,
    Scenario,
    Send,
    Settle,
    SmallBuffers,
    Step,
    optional_send,
    scenario,
)
from gatecrash.protocols import ask, plain_request, protocol_of
from gatecrash.protocols.http import get_request
from strategies import client_names, departures
from strategies.departures import ACCEPTED, departure, departures_in_body
from strategies.rude import nonsense, refusable
from strategies.visits import VISITS, repeated_visits, saying, visit
from strategies.waiting import halves

_FEW = 4
_CLIENTS = st.integers(_FEW, 8)
#: More than the usual pools have threads: one that is filled on demand grows until then, and rightly so.
_MORE_THAN_A_POOL = st.integers(36, 40)

#: Seconds in which a server that forks without end has made more processes than it may, on a loaded machine even.
_UNTIL_ENDED = 2.0


@pytest.mark.rule("RES-01", probe=lambda contract: _twice(4, visit("A", contract)))
def test_descriptors_come_back(trial: Trial) -> None:
    drawn = st.tuples(_CLIENTS, st.sampled_from(VISITS))
    trial.verify(drawn.map(lambda facts: _twice(facts[0], visit("A", trial.contract, facts[1]))))


@pytest.mark.rule("RES-02")
def test_rude_clients_leak_no_descriptors(trial: Trial) -> None:
    one_kind = st.builds(_twice, _CLIENTS, _rude_visits(trial.contract))
    refused = [saying(said) for said in refusable(protocol_of(trial.contract))]
    surely = [_twice(_FEW, _resets_before_its_answer(trial.contract)), *([_twice(_FEW, *refused)] if refused else [])]
    if trial.contract.http.large_path is not None:
        surely.append(scenario(SmallBuffers(), _twice(_FEW, _leaves_amid_much(trial.contract)).steps))
    if trial.contract.has_limits and clock.available() is None:
        surely.append(_twice(_FEW, _outstays(trial.contract)))
    trial.verify(one_kind, examples=15, surely=surely)


#: Seconds: longer than the time limits of most servers.
_LONGER_THAN_A_LIMIT = 130.0


def _outstays(contract: Contract) -> tuple[Step, ...]:
    """A client that does nothing for longer than it is waited for, and leaves then: it may be forgotten by now."""
    begun = (halves(contract) or (b"",))[0]
    return (Connect("A"), *optional_send("A", begun), LetTimePass(_LONGER_THAN_A_LIMIT), Close("A"))


@pytest.mark.rule("RES-03")
def test_threads_end_with_their_clients(trial: Trial) -> None:
    polite = st.sampled_from(VISITS).map(lambda way: visit("A", trial.contract, way))
    trial.verify(st.builds(_twice, _MORE_THAN_A_POOL, st.one_of(polite, _rude_visits(trial.contract))), examples=4)


@pytest.mark.rule("RES-04")
def test_a_client_without_a_thread_is_let_go(trial: Trial) -> None:
    trial.verify(st.integers(1, 3).map(lambda times: _no_thread(trial.contract, times)))


@pytest.mark.rule("RES-05", probe=lambda contract: _no_thread(contract, 1))
def test_a_thread_that_cannot_be_started_does_not_end_it(trial: Trial) -> None:
    trial.verify(st.integers(1, 3).map(lambda times: _no_thread(trial.contract, times)))


@pytest.mark.rule("RES-06")
def test_it_does_not_fork_for_nobody(trial: Trial) -> None:
    trial.verify(st.integers(0, 2).map(lambda clients: _shortage(trial.contract, clients)), examples=3)


@pytest.mark.rule("RES-07")
def test_it_keeps_within_its_limits(trial: Trial) -> None:
    trial.verify(_CLIENTS.map(lambda clients: _at_once(trial.contract, clients)), examples=3)


def _at_once(contract: Contract, count: int) -> Scenario:
    """So many clients ask."""
    names = client_names(count)
    return scenario(*(ask(name, contract) for name in names), Settle(labels.ANSWERED))


def _twice(count: int, *kinds: tuple[Step, ...]) -> Scenario:
    """The same client of each kind `count` times, and as often again."""
    names = client_names(2 * count * len(kinds))
    first, second = names[: len(names) // 2], names[len(names) // 2 :]
    return scenario(
        *(_crowd(kinds, first), Settle(labels.FIRST_CROWD)),
        *(_crowd(kinds, second), Settle(labels.SECOND_CROWD)),
    )


def _crowd(kinds: Sequence[tuple[Step, ...]], names: Sequence[str]) -> tuple[Step, ...]:
    """One kind after the other; each has its share of the names."""
    each = len(names) // len(kinds)
    shares = (names[at * each : (at + 1) * each] for at in range(len(kinds)))
    return tuple(step for kind, share in zip(kinds, shares, strict=True) for step in repeated_visits(kind, share))


def _rude_visits(contract: Contract) -> st.SearchStrategy[tuple[Step, ...]]:
    """One client that leaves too early, resets, or (HTTP) sends nonsense."""
    request = plain_request(contract)
    if len(request) < 2:
        return st.just((Connect("A"), Reset("A")))
    kinds = ("close", "reset", "half-close-reset")
    leaving = departures(request, phases=ACCEPTED, kinds=kinds, gates=gates.available() is None)
    in_body = departures_in_body(protocol_of(contract).request_with_body, kinds=kinds)
    return st.one_of(leaving, in_body, nonsense(protocol_of(contract)).map(saying))


def _resets_before_its_answer(contract: Contract) -> tuple[Step, ...]:
    """A client whose answer can no longer be sent: the server is held in front of it, where it can be."""
    request = plain_request(contract)
    return departure(request, "mid-response", "reset", len(request), gates=gates.available() is None)


def _leaves_amid_much(contract: Contract) -> tuple[Step, ...]:
    """A client that resets when it has a part of a large answer, of which more waits to be sent to it."""
    asks = Send("A", get_request(contract.http.large_path or contract.http.path), until_read=False)
    return (Connect("A", small_window=True), asks, Receive("A", at_most=1), Reset("A"))


def _no_thread(contract: Contract, times: int) -> Scenario:
    """The first clients get no thread; when they have been let go, or have not, one more comes."""
    *unlucky, last = client_names(times + 1)
    first = (ask(name, contract) for name in unlucky)
    leaving = (Close(name) for name in unlucky)
    return scenario(Fail("thread", "EAGAIN", times), *first, leaving, Settle(labels.FAILED), ask(last, contract))


def _shortage(contract: Contract, count: int) -> Scenario:
    """Clients that knock while no descriptor is left; the server is watched until it rests, or is ended."""
    names = client_names(count)
    knocking = ((Connect(name), HalfClose(name)) for name in names) if not protocol_of(contract).connectionless else ()
    return scenario(LimitDescriptors(0), *knocking, Settle(labels.LIMITED, within=_UNTIL_ENDED), LiftLimit())
