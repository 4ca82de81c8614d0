"""A long time in which nobody asks for anything changes nothing."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import LetTimePass, Scenario, Step, scenario
from gatecrash.protocols import ask, protocol_of, visit

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
#: 2^31 ms are 24.9 days, 2^32 ms 49.7.
_RESTS = (10 * _MINUTE, _HOUR, _DAY, 25 * _DAY, 50 * _DAY)


@pytest.mark.rule("TIME-12")
def test_a_long_rest_changes_nothing(trial: Trial) -> None:
    trial.verify(st.sampled_from(_RESTS).map(lambda seconds: _rested(trial.contract, seconds)), fresh=True)


def _rested(contract: Contract, seconds: float) -> Scenario:
    """One client before a long rest; two after it, for whom the server may have waited, and then begun anew."""
    return scenario(_visits("A", contract), LetTimePass(seconds), _visits("B", contract), _visits("C", contract))


def _visits(name: str, contract: Contract) -> tuple[Step, ...]:
    return ask(name, contract) if protocol_of(contract).connectionless else visit(name, contract)
