"""Requests that are sent one behind the other, without waiting for answers."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.protocols.http import get_request
from strategies import distinct_requests, pipelined_unread, pipelines

_MOST = 5  # requests in one pipeline


@pytest.mark.rule("RESP-17")
def test_pipelined_requests_are_answered_in_order(trial: Trial) -> None:
    contract = trial.contract
    kinds = distinct_requests(contract.http.path, "A", post_path=contract.http.post_path)
    chosen = st.lists(st.sampled_from(kinds), min_size=2, max_size=_MOST)
    if contract.http.large_path is None:
        trial.verify(chosen.flatmap(pipelines))
        return
    large = get_request(contract.http.large_path)
    behind_large = st.integers(1, 2).map(lambda count: pipelined_unread((*[large] * count, kinds[0])))
    trial.verify(st.one_of(chosen.flatmap(pipelines), behind_large))
