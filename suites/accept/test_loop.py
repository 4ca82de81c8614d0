"""The accept loop: one client after another, whoever else is connected."""

import pytest
from hypothesis import strategies as st

from gatecrash.offer import ask
from gatecrash.scenario import Close, Connect, Scenario, Settle, scenario
from gatecrash.trial import Trial
from strategies import client_names


@pytest.mark.rule("ACC-01")
def test_a_second_client_is_accepted(trial: Trial) -> None:
    trial.verify(st.integers(2, 6).map(lambda count: _one_after_another(trial, count)))


@pytest.mark.rule("ACC-16")
def test_an_idle_client_blocks_nobody_else(trial: Trial) -> None:
    most = min(3, (trial.contract.workers or 4) - 1)
    numbers = st.tuples(st.integers(1, max(most, 1)), st.integers(1, 3))
    trial.verify(numbers.map(lambda drawn: _beside_idle_clients(trial, *drawn)))


@pytest.mark.rule("ACC-17")
def test_the_listening_socket_stays_open(trial: Trial) -> None:
    trial.verify(st.integers(1, 4).map(lambda count: _one_after_another(trial, count)))


def _one_after_another(trial: Trial, count: int) -> Scenario:
    clients = client_names(count)
    return scenario(*((*ask(name, trial.contract), Close(name)) for name in clients), Settle("after"))


def _beside_idle_clients(trial: Trial, idle: int, asking: int) -> Scenario:
    """Idle clients stay to the end; a keep-alive answer must not make a second idle client of each asking one."""
    names = client_names(idle + asking)
    arrivals = (Connect(name) for name in names[:idle])
    asked = ((*ask(name, trial.contract), Close(name)) for name in names[idle:])
    return scenario(arrivals, Settle("idle"), *asked)
