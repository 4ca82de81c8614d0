"""The accept loop: one client after another, whoever else is connected."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Close, Connect, Scenario, Settle, Step, scenario
from gatecrash.protocols import ask, visit
from strategies import client_names


@pytest.mark.rule("ACC-01", probe=lambda contract: _when_the_first_has_left(contract))
def test_a_second_client_is_accepted(trial: Trial) -> None:
    trial.verify(st.integers(2, 6).map(lambda count: scenario(*_one_after_another(trial, count))))


@pytest.mark.rule("ACC-16", probe=lambda contract: _beside_one_that_stays(contract))
def test_an_idle_client_blocks_nobody_else(trial: Trial) -> None:
    most = max(1, min(3, (trial.contract.workers or 4) - 1))
    idle = st.lists(st.booleans(), min_size=1, max_size=most)
    trial.verify(st.builds(_beside_idle_clients, st.just(trial), idle, st.integers(1, 3)))


@pytest.mark.rule("ACC-17", probe=lambda contract: _when_the_first_has_left(contract))
def test_the_listening_socket_stays_open(trial: Trial) -> None:
    trial.verify(st.integers(1, 4).map(lambda count: scenario(*_one_after_another(trial, count), Settle(labels.AFTER))))


def _when_the_first_has_left(contract: Contract) -> Scenario:
    """Two clients, the second after the first has left and the server has noticed."""
    first = (*ask("A", contract), Close("A"), Settle(labels.LEFT))
    return scenario(first, ask("B", contract), Close("B"), Settle(labels.AFTER))


def _beside_one_that_stays(contract: Contract) -> Scenario:
    """One client that says nothing, then two that ask; where there is a worker for each, the first of them stays."""
    leaves = (Close("B"),) if contract.workers else ()
    return scenario(Connect("A"), Settle(labels.IDLE), ask("B", contract), leaves, ask("C", contract))


def _one_after_another(trial: Trial, count: int) -> list[Step]:
    return [step for name in client_names(count) for step in visit(name, trial.contract)]


def _beside_idle_clients(trial: Trial, have_asked: list[bool], asking: int) -> Scenario:
    """Idle clients have said nothing, or have got an answer; they stay to the end. The others ask and leave.

    The last look tells whether the idle ones are still there, if only at their own end of the connection.
    Each one is accepted before the next one comes: what becomes of two that come together is ACC-02.
    """
    names = client_names(len(have_asked) + asking)
    idle, others = names[: len(have_asked)], names[len(have_asked) :]
    silent = ((Connect(name), Settle(name)) for name, asked in zip(idle, have_asked, strict=True) if not asked)
    served = (ask(name, trial.contract) for name, asked in zip(idle, have_asked, strict=True) if asked)
    return scenario(*silent, *served, *(visit(name, trial.contract) for name in others), Settle(labels.IDLE_TO_THE_END))
