"""Children that have ended are asked for their status, also when several end at once."""

from collections.abc import Sequence

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.scenario import Close, Freeze, Reset, Scenario, Settle, Step, Thaw, optional_send, scenario
from gatecrash.protocols import ask
from strategies import client_names
from strategies.children import children_at_work, children_go_on, served_twice_as_many

Leave = type[Close] | type[Reset]
_LEAVING: tuple[Leave, ...] = (Close, Reset)


@pytest.mark.rule("FORK-02", probe=lambda contract: served_twice_as_many(contract, 2))
def test_finished_children_are_reaped(trial: Trial) -> None:
    trial.verify(st.integers(2, 4).map(lambda count: served_twice_as_many(trial.contract, count)))


@pytest.mark.rule("FORK-03")
def test_children_that_end_together_are_all_reaped(trial: Trial) -> None:
    leaving = st.lists(st.sampled_from(_LEAVING), min_size=2, max_size=5)
    trial.verify(leaving.map(lambda ways: _leave_together(trial, ways)))


def _leave_together(trial: Trial, ways: Sequence[Leave]) -> Scenario:
    """They end while the parent is stopped: it finds them all as zombies, with one SIGCHLD for the lot.

    A client before and one after them give a server that reaps with its next client the same chance both times.
    """
    *names, first, last = client_names(len(ways) + 2)
    begins = trial.request[:1]
    return scenario(
        _one_client(trial, first, labels.START),
        children_at_work(trial.contract, names),
        *(optional_send(name, begins) for name in names),  # once it is read, there is a child that reads
        Freeze("parent"),
        children_go_on(trial.contract),
        (leave(name) for leave, name in zip(ways, names, strict=True)),
        Settle(labels.GONE),
        Thaw(),
        _one_client(trial, last, labels.AFTER),
    )


def _one_client(trial: Trial, name: str, label: str) -> tuple[Step, ...]:
    return (*ask(name, trial.contract), Close(name), Settle(label))
