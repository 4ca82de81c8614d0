"""A client library that everybody uses."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import AskWithRequests, Close, Scenario, scenario
from gatecrash.protocols import ask


@pytest.mark.rule("RESP-20")
def test_requests_gets_the_answer_of_the_wire(trial: Trial) -> None:
    drawn = st.tuples(st.integers(1, 4), st.booleans())
    trial.verify(drawn.map(lambda facts: _by_hand_and_by_library(trial.contract, *facts)), examples=8)


def _by_hand_and_by_library(contract: Contract, times: int, session: bool) -> Scenario:
    library = AskWithRequests("B", contract.http.path, times=times, session=session)
    return scenario(ask("A", contract), Close("A"), library)
