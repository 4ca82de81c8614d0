"""A server that nobody asks anything: how often it wakes all the same."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import LetTimePass, Scenario, scenario
from gatecrash.protocols import ask, protocol_of, visit

#: Seconds: what a client has left behind is over by then, and so long its wake-ups are counted.
_OVER, _COUNTED = 10.0, 2.0


@pytest.mark.rule("TIME-10")
def test_a_server_at_rest_sleeps(trial: Trial) -> None:
    trial.verify(st.booleans().map(lambda stays: _rests(trial.contract, stays=stays)), examples=4)


def _rests(contract: Contract, *, stays: bool) -> Scenario:
    """A client has asked and left, or it is there yet and says nothing."""
    leaves = ask if stays or protocol_of(contract).connectionless else visit
    return scenario(leaves("A", contract), LetTimePass(_OVER), LetTimePass(_COUNTED))
