"""Requests that are sent one behind the other, without waiting for answers."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from strategies import distinct_requests, pipelines

_MOST = 5  # requests in one pipeline


@pytest.mark.rule("RESP-17")
def test_pipelined_requests_are_answered_in_order(trial: Trial) -> None:
    contract = trial.contract
    kinds = distinct_requests(contract.http.path, "A", post_path=contract.http.post_path)
    chosen = st.lists(st.sampled_from(kinds), min_size=2, max_size=_MOST)
    trial.verify(chosen.flatmap(pipelines))
