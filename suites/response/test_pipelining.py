"""Requests that are sent one behind the other, without waiting for answers."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.instruments import gates
from gatecrash.model.scenario import AwaitHeld, Connect, Hold, Receive, Release, Scenario, Send, scenario
from gatecrash.protocols.http import get_request
from strategies import distinct_requests, pipelined_unread, pipelines

_MOST = 5  # requests in one pipeline


@pytest.mark.rule("RESP-17")
def test_pipelined_requests_are_answered_in_order(trial: Trial) -> None:
    contract = trial.contract
    kinds = distinct_requests(contract.http.path, "A", post_path=contract.http.post_path)
    chosen = st.lists(st.sampled_from(kinds), min_size=2, max_size=_MOST)
    surely = [_comes_while_answered(kinds[0])] if gates.available() is None else []
    if contract.http.large_path is None:
        trial.verify(chosen.flatmap(pipelines), surely=surely)
        return
    large = get_request(contract.http.large_path)
    behind_large = st.integers(1, 2).map(lambda count: pipelined_unread((*[large] * count, kinds[0])))
    trial.verify(st.one_of(chosen.flatmap(pipelines), behind_large), surely=surely)


def _comes_while_answered(request: bytes) -> Scenario:
    """The second request comes while the first one's answer is sent; the third one when both have been answered."""
    first = (Connect("A"), Send("A", request), AwaitHeld())
    second = (Send("A", request, until_read=False), Release(), Receive("A"))
    return scenario(Hold("send"), first, second, Send("A", request, until_read=False), Receive("A"))
