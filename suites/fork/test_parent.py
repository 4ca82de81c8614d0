"""The parent after fork: it closes the connection, waits for nobody, and copes when fork fails."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from strategies.children import fork_fails, held_connection, knocking

#: fork(2): limits of processes, and memory.
_SHORTAGES = ("EAGAIN", "ENOMEM")


@pytest.mark.rule("FORK-04", probe=knocking)
def test_the_parent_does_not_wait_while_others_knock(trial: Trial) -> None:
    drawn = st.tuples(st.integers(1, 3), st.integers(0, 2))
    trial.verify(drawn.map(lambda counts: knocking(trial.contract, *counts)))


@pytest.mark.rule("FORK-05", probe=held_connection)
def test_the_parent_closes_its_copy_of_the_connection(trial: Trial) -> None:
    trial.verify(st.integers(1, 3).map(lambda count: held_connection(trial.contract, count)))


@pytest.mark.rule("FORK-08", probe=lambda contract: fork_fails(contract, "EAGAIN"))
def test_a_failed_fork_does_not_end_the_server(trial: Trial) -> None:
    drawn = st.tuples(st.sampled_from(_SHORTAGES), st.integers(1, 3))
    trial.verify(drawn.map(lambda facts: fork_fails(trial.contract, *facts)))


@pytest.mark.rule("FORK-09")
def test_the_client_is_let_go_when_fork_fails(trial: Trial) -> None:
    drawn = st.tuples(st.sampled_from(_SHORTAGES), st.integers(1, 3))
    trial.verify(drawn.map(lambda facts: fork_fails(trial.contract, *facts)))
