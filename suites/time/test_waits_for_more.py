"""An answer does not wait for a time limit: the server has all of a request, and is watched until it answers."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Close, Connect, Receive, Scenario, Send, scenario
from gatecrash.protocols import plain_request, protocol_of
from gatecrash.protocols.http import post_request


@pytest.mark.rule("TIME-14")
def test_an_answer_does_not_wait_for_a_time_limit(trial: Trial) -> None:
    trial.verify(st.sampled_from(_requests(trial.contract)).map(_asked), examples=4)


def _requests(contract: Contract) -> list[bytes]:
    """A plain one, a longer one, and one with a body where that is taken."""
    posted = [post_request(contract.http.post_path, b"knock=1")] if contract.http.post_path is not None else []
    return list(dict.fromkeys((plain_request(contract), protocol_of(contract).wordy_request, *posted)))


def _asked(request: bytes) -> Scenario:
    """All of it is read before the answer is waited for."""
    return scenario(Connect("A"), Send("A", request), Receive("A"), Close("A"))
