"""Accept calls that fail: the server notices, goes on, and does not use a processor to wait."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    Fail,
    HalfClose,
    LiftLimit,
    LimitDescriptors,
    Receive,
    Scenario,
    Settle,
    Signal,
    Step,
    Watch,
    scenario,
)
from gatecrash.protocols import ask, protocol_of, visit
from strategies import client_names

#: accept(2), error handling: pending network errors of the new connection, to be treated like EAGAIN.
_TRANSIENT = ("ECONNABORTED", "EPROTO", "ENETDOWN", "ENETUNREACH", "EHOSTDOWN", "EHOSTUNREACH")
#: Seconds: enough to prove a spinning server (a quarter of a second), and for one that waits 50 ms between two tries.
_LONG_ENOUGH = 0.6
#: Seconds: asyncio complains for a second, as often as its backlog is long, and sleeps for one; who spins never does.
_A_BURST, _SECONDS_OF_ITS_TIME = 2.0, 4.0
_SHORTAGES = ("EMFILE", "ENFILE")
_BESIDE_OTHERS = ("fork", "prefork", "thread", "event_loop")
#: Signals whose default is to be ignored (signal(7)): a handler for one of them never means "stop". Nearly everybody
#: who has a handler for one has it for the first.
_HARMLESS = (("SIGCHLD",), ("SIGCHLD", "SIGURG", "SIGWINCH"), ("SIGURG", "SIGCHLD"), ("SIGURG", "SIGWINCH"))


@pytest.mark.rule("ACC-07", probe=lambda contract: _accept_fails(contract, "ECONNABORTED", 1, 1))
def test_a_transient_accept_error_is_survived(trial: Trial) -> None:
    drawn = st.tuples(st.sampled_from(_TRANSIENT), st.integers(1, 2), st.integers(1, 2))
    trial.verify(drawn.map(lambda facts: _accept_fails(trial.contract, *facts)), examples=12)


@pytest.mark.rule("ACC-08", probe=lambda contract: _descriptors_lack(contract, "EMFILE", 1, 1))
def test_running_out_of_descriptors_is_survived(trial: Trial) -> None:
    failing = st.tuples(st.sampled_from(_SHORTAGES), st.integers(1, 2), st.integers(1, 2))
    trial.verify(
        st.one_of(
            failing.map(lambda facts: _descriptors_lack(trial.contract, *facts)),
            st.integers(2, 3).map(lambda count: _shortage(trial.contract, count)),
        ),
        examples=8,
    )


@pytest.mark.rule("ACC-09")
def test_running_out_of_descriptors_is_waited_out(trial: Trial) -> None:
    trial.verify(st.integers(2, 4).map(lambda count: _waiting_in_vain(trial.contract, count)), examples=3)


@pytest.mark.rule("ACC-10", probe=lambda contract: _interrupted(contract, ("SIGCHLD",), 1, 0))
def test_an_interrupted_accept_is_called_again(trial: Trial) -> None:
    drawn = st.tuples(st.sampled_from(_HARMLESS), st.integers(1, 2), st.integers(0, 2))
    trial.verify(drawn.map(lambda facts: _interrupted(trial.contract, *facts)), examples=10)


@pytest.mark.rule("ACC-18")
def test_the_result_of_accept_is_checked(trial: Trial) -> None:
    drawn = st.tuples(st.sampled_from((*_TRANSIENT, *_SHORTAGES)), st.integers(1, 2), st.integers(1, 2))
    watched = (Watch("fork"), Watch("thread"), Watch("recv"), Watch("send"))
    trial.verify(drawn.map(lambda facts: _accept_fails(trial.contract, *facts, before=watched)), examples=8)


def _accept_fails(
    contract: Contract, error: str, times: int, clients: int, *, before: tuple[Step, ...] = ()
) -> Scenario:
    """The accept a server is already blocked in is past the gate: a first client brings it to its next one."""
    *early, last = client_names(clients + 1)
    first = (visit(name, contract) for name in early)
    return scenario(before, Fail("accept", error, times), *first, visit(last, contract))


def _descriptors_lack(contract: Contract, error: str, times: int, clients: int) -> Scenario:
    """Guests, who have descriptors, leave one by one before the last client comes.

    Who has no descriptor for the next client may well wait until one has left: so accept fails once for each guest.
    There are fewer guests than workers, so that somebody is left for the others.
    """
    if contract.concurrency not in _BESIDE_OTHERS:
        return _accept_fails(contract, error, times, clients)
    times = min(times, max(1, (contract.workers or times + 1) - 1))
    *names, last = client_names(times + clients + 1)
    guests, first = names[:times], (visit(name, contract) for name in names[times:])
    stay = (*map(Connect, guests), Settle(labels.ACCEPTED, within=_LONG_ENOUGH))
    leave = ((Close(name), Settle(within=_LONG_ENOUGH)) for name in guests)
    return scenario(stay, Fail("accept", error, times), *first, *leave, visit(last, contract))


def _shortage(contract: Contract, count: int) -> Scenario:
    """The crowd stays for its answers: a client that leaves before it gets one is another rule's affair.

    Its first client may get the descriptor that a waiting accept has set aside; the others stand in the queue.
    A client was served before: what a server loads, or opens, for its first one is there. A guest leaves when the
    limit is lifted: see `_descriptors_lack`.
    """
    first, guest, *crowd, last = client_names(count + 3)
    beside = contract.concurrency in _BESIDE_OTHERS
    return scenario(
        visit(first, contract),
        (Connect(guest),) if beside else (),
        Settle(labels.UNLIMITED),
        LimitDescriptors(0),
        *((Connect(name), *protocol_of(contract).request(name)) for name in crowd),
        Settle(labels.LIMITED, within=_LONG_ENOUGH),
        LiftLimit(),
        (Close(guest),) if beside else (),
        *((Receive(name), Close(name)) for name in crowd),
        visit(last, contract),
    )


def _goes(contract: Contract, name: str) -> tuple[Step, ...]:
    """A client that asks, says that this was all, and does not wait: it may not be served at all."""
    return (Connect(name), *protocol_of(contract).request(name), HalfClose(name))


def _waiting_in_vain(contract: Contract, count: int) -> Scenario:
    """The same clients twice: with descriptors to be had, and without."""
    first, *names = client_names(count + 2)
    return scenario(
        _goes(contract, first),
        Settle(labels.UNLIMITED),
        Close(first),
        LimitDescriptors(0),
        *(_goes(contract, name) for name in names),
        Settle(labels.LIMITED, within=_LONG_ENOUGH),
        Settle(labels.STILL_LIMITED, within=_SECONDS_OF_ITS_TIME, spin=_A_BURST),
        LiftLimit(),
    )


def _interrupted(contract: Contract, names: tuple[str, ...], times: int, clients: int) -> Scenario:
    """Who has no handler for one of these signals does not notice it."""
    *early, last = client_names(clients + 1)
    signals = (*(Signal("parent", name) for name in names for _ in range(times)), Settle(labels.HANDLED))
    served = (visit(one, contract) for one in early)
    return scenario(*served, Settle(labels.WAITING), signals, ask(last, contract), Settle(labels.AFTER))
