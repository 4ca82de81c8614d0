"""Kept connections that have been idle for long: their client asks again just when their time is over."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Freeze, LetTimePass, Receive, Scenario, Send, Thaw, scenario
from gatecrash.protocols.http import get_request

#: Seconds: beyond the limits that kept connections usually have (5, 15, 60, 65, 75, 120).
_IDLE = (6.0, 16.0, 61.0, 80.0, 130.0, 600.0, 3700.0)


@pytest.mark.rule("TIME-07")
def test_a_request_that_crosses_the_end_is_answered_or_visibly_not(trial: Trial) -> None:
    known = trial.contract.kept_limit
    idle = _IDLE if known is None else (known + 1.0, *_IDLE)
    drawn = st.tuples(st.booleans(), st.sampled_from(idle))
    trial.verify(drawn.map(lambda facts: _asks_again(trial.contract, frozen=not facts[0], seconds=facts[1])))


def _asks_again(contract: Contract, *, frozen: bool, seconds: float) -> Scenario:
    """A is answered, is idle, and asks again: behind the server's limit, or when that and the request come together.

    A server that is frozen finds both when it goes on: its limit is over, and there is a request.
    """
    again = Send("A", get_request(contract.http.path), until_read=False)
    first = (Connect("A"), again, Receive("A"))
    if frozen:
        return scenario(first, Freeze(), LetTimePass(seconds), again, Thaw(), Receive("A"))
    return scenario(first, LetTimePass(seconds), again, Receive("A"))
