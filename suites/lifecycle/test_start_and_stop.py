"""Starting when it cannot, and stopping when it is told to."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Scenario, Settle, Signal, StartOnTakenPort, Step, scenario
from gatecrash.protocols import ask, protocol_of
from strategies import client_names
from strategies.visits import VISITS, visit

#: Seconds of processor time: shutting down is work, for an interpreter as for a cache that is written out.
_SHUTDOWN = 2.0


@pytest.mark.rule("LIFE-01")
def test_a_failed_start_is_told_by_the_exit_status(trial: Trial) -> None:
    trial.verify(st.just(scenario(StartOnTakenPort())), fresh=True)


@pytest.mark.rule("LIFE-02", probe=lambda contract: _terminated(contract, []))
def test_sigterm_ends_the_server(trial: Trial) -> None:
    trial.verify(_histories().map(lambda ways: _terminated(trial.contract, ways)), examples=5)


@pytest.mark.rule("LIFE-03")
def test_sigterm_ends_everything_it_started(trial: Trial) -> None:
    trial.verify(_histories().map(lambda ways: _terminated(trial.contract, ways)), examples=5)


def _histories() -> st.SearchStrategy[list[str]]:
    """How each of the clients left that came before the signal."""
    return st.lists(st.sampled_from(VISITS), max_size=3)


def _terminated(contract: Contract, ways: list[str]) -> Scenario:
    names = client_names(len(ways))
    served = (_came_and_went(name, contract, way) for name, way in zip(names, ways, strict=True))
    return scenario(
        *served,
        Settle(labels.BEFORE_SIGTERM),
        Signal("parent", "SIGTERM"),
        Settle(labels.AFTER_SIGTERM, spin=_SHUTDOWN),
    )


def _came_and_went(name: str, contract: Contract, way: str) -> tuple[Step, ...]:
    return ask(name, contract) if protocol_of(contract).connectionless else visit(name, contract, way)
