"""A client that is slow, and does what it can: a piece of its request, or of its answer, every moment of a minute."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    LetTimePass,
    Receive,
    Scenario,
    Send,
    SmallBuffers,
    Step,
    scenario,
)
from gatecrash.protocols import protocol_of
from strategies.segments import cut

#: Seconds between two pieces: less than anybody's limit for a client that does nothing.
_PAUSE = 1.5
#: Pieces: in 48 s, or less. A minute for a whole request is a usual limit, and a good one.
_PIECES = (33, 25, 17)
#: Bytes that are read at once: of a larger answer there are some left after all pauses.
_READ = 4096


@pytest.mark.rule("TIME-03")
def test_a_slow_but_active_client_is_served(trial: Trial) -> None:
    """Each line of the request comes within 4 s: some servers have a limit for each."""
    request = protocol_of(trial.contract).wordy_request
    slow = [_slow(request, pieces) for pieces in _PIECES]
    if trial.session.arena.kind == "namespace":  # elsewhere buffers are so large that a server is done at once
        slow += _reads_slowly(trial.contract)
    trial.verify(st.sampled_from(slow), examples=len(slow))


def _slow(request: bytes, pieces: int) -> Scenario:
    """One client says it in pieces, at once; the other one pauses between them."""
    segments = _pieces(request, pieces)
    quick = (Send("A", segment) for segment in segments)
    slow: list[Step] = [Send("B", segments[0])]
    for segment in segments[1:]:
        slow += [LetTimePass(_PAUSE), Send("B", segment)]
    return scenario(Connect("A"), quick, Receive("A"), Close("A"), Connect("B"), slow, Receive("B"))


def _reads_slowly(contract: Contract) -> list[Scenario]:
    """One client reads a large answer at once; the other one a piece of it, each moment, and then the rest."""
    request = protocol_of(contract).large_request
    if request is None:
        return []
    reads: list[Step] = [Receive("B", at_most=_READ)]
    for _ in range(_PIECES[0] - 1):
        reads += [LetTimePass(_PAUSE), Receive("B", at_most=_READ)]
    asks = [(Connect(name, small_window=True), Send(name, request, until_read=False)) for name in "AB"]
    return [scenario(SmallBuffers(), asks[0], Receive("A"), Close("A"), asks[1], reads, Receive("B"))]


def _pieces(request: bytes, count: int) -> tuple[bytes, ...]:
    """So many pieces, as equal as they can be."""
    return cut(request, tuple(len(request) * n // count for n in range(1, count)))
