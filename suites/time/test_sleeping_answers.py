"""Answers that sleep, where several clients are served at a time: nobody waits for another one's sleep."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Close, LetTimePass, Receive, Scenario, scenario
from gatecrash.protocols import protocol_of, visit
from strategies import client_names

#: Seconds in which nobody asks: with them all that has passed before is written down.
_PAUSE = 1.0


@pytest.mark.rule("TIME-09")
def test_an_answer_that_sleeps_stops_nobody_else(trial: Trial) -> None:
    trial.verify(st.integers(4, 5).map(lambda count: _apart_and_together(trial.contract, count)), examples=4)


def _apart_and_together(contract: Contract, count: int) -> Scenario:
    """So many clients one after the other, and as many at once."""
    names = client_names(2 * count)
    apart, together = names[:count], names[count:]
    protocol = protocol_of(contract)
    one_by_one = [step for name in apart for step in visit(name, contract)]
    ask = [step for name in together for step in (*protocol.come(name), *protocol.request(name))]
    take = [step for name in together for step in (Receive(name), Close(name))]
    return scenario(one_by_one, LetTimePass(_PAUSE), ask, take, LetTimePass(_PAUSE))
