"""A long time in which nobody asks for anything changes nothing."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import LetTimePass, Scenario, scenario
from gatecrash.protocols import ask, is_seen, protocol_of, visit

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
#: 2^31 ms are 24.9 days, 2^32 ms 49.7.
_RESTS = (10 * _MINUTE, _HOUR, _DAY, 25 * _DAY, 50 * _DAY)


@pytest.mark.rule("TIME-12")
def test_a_long_rest_changes_nothing(trial: Trial) -> None:
    trial.verify(st.sampled_from(_RESTS).map(lambda seconds: _rested(trial.contract, seconds)))


def _rested(contract: Contract, seconds: float) -> Scenario:
    """One client before a long rest, one after it."""
    came = ask("A", contract) if protocol_of(contract).connectionless else visit("A", contract)
    return scenario(came, LetTimePass(seconds), ask("B", contract), is_seen("B", contract))
