"""A client that is slow and does what it can: a piece of its request every moment, for most of a minute."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Close, Connect, LetTimePass, Receive, Scenario, Send, Step, scenario
from gatecrash.protocols import protocol_of
from strategies.segments import cut

#: Seconds between two pieces: less than anybody's limit for a client that does nothing.
_PAUSE = 1.5
#: Pieces: in 48 s, or less. A minute for a whole request is a usual limit, and a good one.
_PIECES = (33, 25, 17)


@pytest.mark.rule("TIME-03")
def test_a_slow_but_active_client_is_served(trial: Trial) -> None:
    requests = st.sampled_from(_requests(trial.contract))
    trial.verify(st.builds(_slow, requests, st.sampled_from(_PIECES)), examples=5)


def _requests(contract: Contract) -> tuple[bytes, ...]:
    """Plain ones that are long enough to be cut into so many."""
    protocol = protocol_of(contract)
    known = dict.fromkeys((protocol.plain_request, *protocol.promised_requests.values()))
    return tuple(request for request in known if len(request) >= max(_PIECES))


def _slow(request: bytes, pieces: int) -> Scenario:
    """One client says it in pieces, at once; the other one pauses between them."""
    segments = _pieces(request, pieces)
    quick = (Send("A", segment) for segment in segments)
    slow: list[Step] = [Send("B", segments[0])]
    for segment in segments[1:]:
        slow += [LetTimePass(_PAUSE), Send("B", segment)]
    return scenario(Connect("A"), quick, Receive("A"), Close("A"), Connect("B"), slow, Receive("B"))


def _pieces(request: bytes, count: int) -> tuple[bytes, ...]:
    """So many pieces, as equal as they can be."""
    return cut(request, tuple(len(request) * n // count for n in range(1, count)))
