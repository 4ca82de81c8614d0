"""Signals and sudden deaths: of children at work, of workers, and in the middle of a request."""

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
    Hold,
    Receive,
    Release,
    Scenario,
    Send,
    Settle,
    Signal,
    Step,
    optional_send,
    scenario,
)
from gatecrash.protocols import ask, plain_request, protocol_of
from strategies import client_names
from strategies.segments import telling_offsets

#: Signals whose default is to be ignored (signal(7)): a handler for one of them never means "stop".
_HARMLESS = ("SIGCHLD", "SIGURG", "SIGWINCH")


@pytest.mark.rule("FORK-10")
def test_a_killed_child_harms_nobody_else(trial: Trial) -> None:
    said = st.sampled_from((0, *telling_offsets(trial.request), len(trial.request)))
    trial.verify(st.lists(said, min_size=1, max_size=3).map(lambda cuts: _killed(trial, cuts)))


@pytest.mark.rule("FORK-11")
def test_a_signal_does_not_drop_the_connection(trial: Trial) -> None:
    drawn = st.tuples(st.sampled_from(_HARMLESS), st.sampled_from((0, *telling_offsets(trial.request))))
    trial.verify(drawn.map(lambda facts: _interrupted(trial, *facts)))


@pytest.mark.rule("FORK-15", probe=lambda contract: _one_dies_waiting(contract))
def test_a_worker_that_dies_costs_its_own_client_alone(trial: Trial) -> None:
    said = st.sampled_from((0, *telling_offsets(trial.request), len(trial.request)))
    deaths = st.one_of(
        st.just(_one_dies_waiting(trial.contract)),
        said.map(lambda size: _killed(trial, [size])),
        st.just(_one_dies_sending(trial.contract)),
    )
    trial.verify(deaths, examples=8, fresh=True)


@pytest.mark.rule("FORK-13")
def test_a_dead_worker_is_replaced(trial: Trial) -> None:
    trial.verify(st.integers(1, 2).map(lambda times: _workers_die(trial, times)), examples=4, fresh=True)


def _says(trial: Trial, name: str, size: int) -> tuple[Step, ...]:
    return optional_send(name, trial.request[:size])


def _killed(trial: Trial, cuts: list[int]) -> Scenario:
    """Clients that have said nothing, a part of their request or all of it lose their children together."""
    *names, last = client_names(len(cuts) + 1)
    came = ((Connect(name), *_says(trial, name, size)) for name, size in zip(names, cuts, strict=True))
    killed = (Signal("serving", "SIGKILL"), Settle(labels.KILLED))
    return scenario(*came, Settle(labels.SERVING), killed, ask(last, trial.contract), Close(last))


def _interrupted(trial: Trial, name: str, cut: int) -> Scenario:
    """A's request comes in two parts; so does B's, and between them its child gets a signal."""
    rest = plain_request(trial.contract)[cut:]
    control = (Connect("A"), *_says(trial, "A", cut), Send("A", rest, until_read=False), Receive("A"), Close("A"))
    begun = (Connect("B"), *_says(trial, "B", cut), Settle(labels.READING))
    signalled = (Signal("serving", name), Settle(labels.SIGNALLED))
    return scenario(control, begun, signalled, Send("B", rest, until_read=False), Receive("B"), Close("B"))


def _one_dies_waiting(contract: Contract) -> Scenario:
    """One of the workers that wait for a client dies: where they take turns, the one whose turn it is."""
    killed = (Signal("accepting", "SIGKILL"), Settle(labels.KILLED))
    return scenario(Settle(labels.SERVING), killed, ask("A", contract), Close("A"))


def _one_dies_sending(contract: Contract) -> Scenario:
    """The worker that is about to answer A dies; where no gate can hold it there, one that waits for a client does."""
    if gates.available() is not None:
        return _one_dies_waiting(contract)
    asked = (Hold("send"), Connect("A"), *protocol_of(contract).request("A"), AwaitHeld())
    killed = (Settle(labels.SERVING), Signal("serving", "SIGKILL"), Release(), Settle(labels.KILLED))
    return scenario(asked, killed, ask("B", contract), Close("B"))


def _workers_die(trial: Trial, times: int) -> Scenario:
    """Each worker there is dies, as often as told; what is started in its place is new."""
    deaths = ((Signal("child", "SIGKILL"), Settle(labels.KILLED)) for _ in range(times))
    return scenario(Settle(labels.START), *deaths, ask("A", trial.contract), Close("A"))
