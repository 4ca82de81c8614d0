"""A long life among rude clients: each costs its own connection, and no more."""

from collections.abc import Sequence

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.instruments import gates
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    AwaitHeld,
    Close,
    Connect,
    Freeze,
    HalfClose,
    Hold,
    Receive,
    Release,
    Reset,
    Scenario,
    Send,
    SendDatagram,
    Settle,
    Step,
    Thaw,
    scenario,
)
from gatecrash.protocols import ask, plain_request, protocol_of
from strategies import client_names, departures, one_more
from strategies.departures import departure, departures_in_body
from strategies.rude import odd_bytes, odd_words
from strategies.visits import VISITS, repeated_visits, visit

_MANY, _AT_ONCE, _FEW = 120, 20, 6
#: Mostly the whole crowd; the smaller ones are what a failure shrinks to.
_CROWDS = (2, 3, 4, 6, 9, 11, 17, 21, 33, 51, 65, 101, *(_MANY,) * 90)
_LEAVING = ("close", "reset", "half-close", "half-close-reset")
#: Behind these the server's very next send fails, with ECONNRESET and with EPIPE.
_FAILING = ("reset", "half-close-reset")
#: Clients that a server has room for at once: who gives no place back where a send fails is full behind them.
_PLACES = 128
_LAST = "Z"


@pytest.mark.rule("LIFE-04")
def test_it_goes_on_after_many_clients(trial: Trial) -> None:
    crowds = st.tuples(st.sampled_from(_CROWDS), st.sampled_from(VISITS))
    plainly, together = _many(trial.contract, _MANY, "close"), _leave_together(trial.contract)
    surely = [plainly, together] if trial.contract.concurrency == "fork" else [plainly]
    trial.verify(crowds.map(lambda drawn: _many(trial.contract, *drawn)), examples=3, surely=surely)


@pytest.mark.rule("LIFE-05", probe=lambda contract: _silent_and_broken_off(contract))
def test_a_client_that_leaves_in_the_middle_does_not_end_it(trial: Trial) -> None:
    contract = trial.contract
    crowd = st.sampled_from((1, 1, 2, (contract.workers or 4) + 1))
    some = st.builds(_leave_one_after_another, st.just(contract), _leavings(contract), crowd)
    at_once = [_comes_as_others_leave(contract, leave, count) for leave in (Reset, Close) for count in (1, 2)]
    in_body = departures_in_body(protocol_of(contract).request_with_body, kinds=_LEAVING)
    bodies = st.builds(_leave_one_after_another, st.just(contract), in_body, crowd)
    drawn = st.one_of(some, bodies, st.just(_many_cut_off(contract)), st.sampled_from(at_once))
    trial.verify(drawn, surely=[_newest_leaves(contract)])


@pytest.mark.rule("LIFE-06", probe=lambda contract: _finished_and_reset_before_its_answer(contract))
def test_a_client_that_leaves_before_its_answer_does_not_end_it(trial: Trial) -> None:
    counts = (1, 2, (trial.contract.workers or 4) + 1)
    leaving = [(kind, count) for kind in _LEAVING for count in counts] + [(kind, _PLACES + 2) for kind in _FAILING]
    trial.verify(st.sampled_from(leaving).map(lambda drawn: _gone_when_answered(trial.contract, *drawn)))


@pytest.mark.rule("LIFE-09", probe=lambda contract: _stopped(contract, 1, "nobody"))
def test_a_stop_and_continue_is_survived(trial: Trial) -> None:
    drawn = st.tuples(st.integers(1, 3), st.sampled_from(("nobody", "idle", "answered")))
    trial.verify(drawn.map(lambda facts: _stopped(trial.contract, *facts)))


@pytest.mark.rule("LIFE-12")
def test_bytes_that_mean_nothing_do_not_end_it(trial: Trial) -> None:
    largest = trial.contract.datagram.max
    said = st.lists(odd_bytes(max_size=min(4096, largest)), min_size=1, max_size=_FEW)
    odd = said.map(lambda words: _odd_words_then_a_good_client(trial.contract, words))
    datagrams = [scenario(SendDatagram("A", b"a" * size), Settle(labels.SAID)) for size in (0, largest)]
    trial.verify(odd, surely=datagrams if protocol_of(trial.contract).connectionless else ())


@pytest.mark.rule("LIFE-13")
def test_a_client_that_has_finished_is_not_talked_to(trial: Trial) -> None:
    counts = st.sampled_from((1, 2, 3))
    trial.verify(counts.map(lambda count: _finishes_answered(trial.contract, count)), examples=6)


def _odd_words_then_a_good_client(contract: Contract, said: list[bytes]) -> Scenario:
    """Over UDP other rules ask who comes next."""
    odd = odd_words(contract, said)
    return odd if protocol_of(contract).connectionless else scenario(odd.steps, ask(_LAST, contract), Close(_LAST))


def _finishes_answered(contract: Contract, count: int) -> Scenario:
    """Each client finishes when it has its answer, and reads on; they come one after the other."""
    names = client_names(count)
    visits = (
        (*ask(name, contract), HalfClose(name), Receive(name, "end"), Settle(labels.has_finished(name)), Close(name))
        for name in names
    )
    return scenario(*visits)


def _many(contract: Contract, count: int, way: str) -> Scenario:
    return scenario(*(visit(name, contract, way) for name in client_names(count)))


def _leave_together(contract: Contract) -> Scenario:
    """Crowds whose children end while the parent is stopped: one signal may tell of all of them (signal(7))."""
    names = client_names(_MANY)
    crowds = (_crowd_that_leaves(contract, names[at : at + _AT_ONCE]) for at in range(0, _MANY, _AT_ONCE))
    return scenario(*crowds)


def _crowd_that_leaves(contract: Contract, names: Sequence[str]) -> tuple[Step, ...]:
    asked = (step for name in names for step in ask(name, contract))
    return (*asked, Freeze("parent"), *map(Close, names), Settle(labels.LEFT), Thaw(), Settle(labels.GONE))


def _leavings(contract: Contract) -> st.SearchStrategy[tuple[Step, ...]]:
    """One client, A, that leaves before a byte, in the middle of its request, or when it was answered.

    Not between request and answer: what a server then meets in its send is another rule's affair.
    """
    answered = st.sampled_from((Reset("A"), Close("A"))).map(lambda leave: (*ask("A", contract), leave))
    request = plain_request(contract)
    if len(request) < 2:
        return answered
    return st.one_of(departures(request, phases=("before", "mid-request"), kinds=_LEAVING), answered)


def _many_cut_off(contract: Contract) -> Scenario:
    """Resets cut off more clients than most have room for, each when the server has read half of its request."""
    request, last = plain_request(contract), one_more(_PLACES + 2)
    phase, sent = ("mid-request", len(request) // 2) if len(request) > 1 else ("before", 0)
    gone = repeated_visits(departure(request, phase, "reset", sent), client_names(_PLACES + 2))
    return scenario(gone, Settle(labels.LEFT), ask(last, contract), Close(last))


def _newest_leaves(contract: Contract) -> Scenario:
    """The last that came leaves; then one that was there before it asks, and nobody new comes."""
    older, newest = (*protocol_of(contract).come("A"), Settle(labels.HERE)), (Connect("B"), Settle(labels.ACCEPTED))
    asks = (*protocol_of(contract).request("A"), Receive("A"), Close("A"))
    return scenario(older, newest, Close("B"), Settle(labels.LEFT), asks)


def _comes_as_others_leave(contract: Contract, leave: type[Reset] | type[Close], count: int) -> Scenario:
    """The server finds both at once: who comes may be given the descriptor of one that has left."""
    names, last = client_names(count), one_more(count)
    here = (*map(Connect, names), Settle(labels.ACCEPTED), Freeze())
    comes = (Connect(last), *protocol_of(contract).request(last))
    return scenario(here, map(leave, names), comes, Thaw(), Receive(last), Settle(labels.LEFT), Close(last))


def _silent_and_broken_off(contract: Contract) -> Scenario:
    """A client that closes without a word, one that resets in the middle of its request, and a good one."""
    half = plain_request(contract)[:-1]
    said = (Send("B", half),) if half else (Receive("B"),)
    silent = (Connect("A"), Close("A"), Settle(labels.has_left("A")))
    broken_off = (Connect("B"), *said, Reset("B"), Settle(labels.LEFT))
    return scenario(silent, broken_off, ask(_LAST, contract))


def _finished_and_reset_before_its_answer(contract: Contract) -> Scenario:
    """A client that finishes and resets while the server is held before its answer (if it can be); then a good one."""
    gone = (HalfClose("A"), Reset("A"))
    came = (Connect("A"), *protocol_of(contract).request("A"))
    held = (Hold("send"), *came, AwaitHeld(), *gone, Release()) if gates.available() is None else (*came, *gone)
    return scenario(held, Settle(labels.LEFT), ask(_LAST, contract))


def _leave_one_after_another(contract: Contract, leaving: tuple[Step, ...], count: int) -> Scenario:
    """The same departure `count` times: a pool that loses a worker each time is empty only at the end."""
    return _behind_many(contract, (*leaving, Settle(labels.LEFT), Close("A")), count)


def _behind_many(contract: Contract, leave: tuple[Step, ...], count: int) -> Scenario:
    last = one_more(count)
    return scenario(repeated_visits(leave, client_names(count)), ask(last, contract), Close(last))


def _gone_when_answered(contract: Contract, kind: str, count: int) -> Scenario:
    """The server is held at its first send to A, which then leaves."""
    request = plain_request(contract)
    if request:
        leave: tuple[Step, ...] = departure(request, "mid-response", kind, len(request))
    else:
        ways: dict[str, tuple[Step, ...]] = {"reset": (Reset("A"),), "half-close-reset": (HalfClose("A"), Reset("A"))}
        goes = ways.get(kind, (Close("A"),))
        leave = (Hold("send"), Connect("A"), AwaitHeld(), *goes, Release())
    return _behind_many(contract, (*leave, Settle(labels.LEFT), Close("A")), count)


def _stopped(contract: Contract, times: int, there: str) -> Scenario:
    """Stopped and continued while nobody is there, or a client that says nothing (any more)."""
    protocol = protocol_of(contract)
    company: dict[str, tuple[Step, ...]] = {"answered": ask("A", contract), "idle": protocol.come("A")}
    stops = ((Settle(labels.RUNNING), Freeze(), Thaw()) for _ in range(times))
    leave = () if protocol.connectionless or there == "nobody" else (Close("A"),)
    return scenario(company.get(there, ()), *stops, Settle(labels.CONTINUED), leave, ask(_LAST, contract))
