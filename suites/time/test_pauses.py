"""Pauses in a request: its parts are seconds apart, and the answer is the same."""

from collections.abc import Sequence

import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gatecrash.engine.trial import Trial
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, LetTimePass, Receive, Scenario, Send, scenario
from gatecrash.protocols.http import get_request, post_request
from strategies import segmentations

#: Seconds: longer than a beginner sleeps, shorter than most time limits of servers that people use (5 is one of them).
_PAUSES = (3.0, 5.0)
_BODIES = (b"knock=1&again=2", b"x" * 1000)


@pytest.mark.rule("TIME-11")
def test_pauses_in_a_request_do_not_matter(trial: Trial) -> None:
    parts = _requests(trial.contract).flatmap(
        lambda request: segmentations(request, max_segments=3, byte_by_byte=False)
    )
    cut = parts.filter(lambda found: len(found) > 1)
    trial.verify(st.tuples(cut, st.sampled_from(_PAUSES)).map(lambda facts: _with_pauses(*facts)))


def _requests(contract: Contract) -> SearchStrategy[bytes]:
    """A plain request, and one with a body where it is taken."""
    asks = st.just(get_request(contract.http.path))
    if contract.http.post_path is None:
        return asks
    path = contract.http.post_path
    return st.one_of(asks, st.sampled_from(_BODIES).map(lambda body: post_request(path, body)))


def _with_pauses(parts: Sequence[bytes], seconds: float) -> Scenario:
    """Each part is sent, and then nothing for a while, so that whoever looks only once sees no more than this."""
    *first, last = (Send("A", part, until_read=False) for part in parts)
    sends = [step for send in first for step in (send, LetTimePass(seconds))]
    return scenario(Connect("A"), sends, last, Receive("A", "announced"))
