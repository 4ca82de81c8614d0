"""Several clients at once, each with a request whose answer tells it apart."""

from collections.abc import Sequence

import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Connect,
    Freeze,
    HalfClose,
    Receive,
    Scenario,
    Send,
    Settle,
    Step,
    Thaw,
    scenario,
)
from gatecrash.protocols.http import MISSING, get_request
from strategies import client_names, distinct_requests, interleavings, segmentations

_CROWD = 20
_LOOK = 0.1  # seconds: only who holds which connection is looked at; each silence has its own proof


@pytest.mark.rule("RESP-18")
def test_answers_are_not_mixed(trial: Trial) -> None:
    # The simplest come first: to a server in which nothing is left of anybody.
    path, missing = get_request(trial.contract.http.path), get_request(MISSING)
    drawn = st.just(_behind_a_half(path, path)) | _two_at_a_time(trial.contract)
    trial.verify(drawn, surely=[_behind_a_half(missing, path), _behind_a_half(path, missing)])


@pytest.mark.rule(
    "RESP-19", probe=lambda contract: _crowd([(name, get_request(contract.http.path)) for name in client_names(_CROWD)])
)
def test_everybody_of_a_crowd_gets_an_answer(trial: Trial) -> None:
    kinds = st.lists(st.integers(0, 3), min_size=1, max_size=4)
    sizes = st.sampled_from((_CROWD, 12, 5, 2))
    trial.verify(st.builds(lambda size, kind: _mixed_crowd(trial.contract, size, kind), sizes, kinds), examples=8)


def _requests(contract: Contract, client: str) -> tuple[bytes, ...]:
    return distinct_requests(contract.http.path, client, post_path=contract.http.post_path)


def _two_at_a_time(contract: Contract) -> SearchStrategy[Scenario]:
    """Two clients that ask different things, their segments in any order; then both read.

    The second comes, and speaks, when the first has sent a part of its request: those who come together are another
    rule's affair.
    """
    first, second = _requests(contract, "A"), _requests(contract, "B")
    pairs = [(a, b) for n, a in enumerate(first) for m, b in enumerate(second) if n != m]
    return st.sampled_from(pairs).flatmap(lambda pair: _interleaved(*pair))


def _behind_a_half(request: bytes, between: bytes) -> Scenario:
    """The second client asks at once, and is answered, when the first has sent half of its request."""
    half = len(request) // 2
    first, rest = Send("A", request[:half]), Send("A", request[half:])
    return scenario(Connect("A"), first, Connect("B"), Send("B", between), Receive("B"), rest, Receive("A"))


def _interleaved(first: bytes, second: bytes) -> SearchStrategy[Scenario]:
    def mixed(cut: tuple[tuple[bytes, ...], tuple[bytes, ...]]) -> SearchStrategy[Scenario]:
        (start, *rest), (between, *other) = cut
        here = (Connect("A"), Send("A", start), Connect("B"), Send("B", between))
        return interleavings([_says("A", rest), _says("B", other)]).map(lambda said: _then_read(here, said))

    of_a, of_b = (segmentations(request, max_segments=3, byte_by_byte=False) for request in (first, second))
    return st.tuples(of_a.filter(lambda cut: len(cut) > 1), of_b).flatmap(mixed)


def _says(client: str, segments: Sequence[bytes]) -> tuple[Step, ...]:
    return tuple(Send(client, segment) for segment in segments)


def _then_read(here: Sequence[Step], said: Scenario) -> Scenario:
    return scenario(here, said.steps, Receive("A"), Receive("B"), Settle(labels.REST, within=_LOOK))


def _mixed_crowd(contract: Contract, size: int, kinds: list[int]) -> Scenario:
    asked = []
    for number, name in enumerate(client_names(size)):
        requests = _requests(contract, name)
        asked.append((name, requests[kinds[number % len(kinds)] % len(requests)]))
    return _crowd(asked)


def _crowd(asked: Sequence[tuple[str, bytes]]) -> Scenario:
    """Each one half-closes after its answer, so that a server that serves one at a time comes to the next.

    Then all read again: a server may serve them in another order than that in which they came.
    """
    arrivals = ((Connect(name), Send(name, request, until_read=False)) for name, request in asked)
    leaving = ((Receive(name), HalfClose(name)) for name, _ in asked)
    late = (Receive(name) for name, _ in asked)
    return scenario(Freeze(), *arrivals, Thaw(), *leaving, late, Settle(labels.REST, within=_LOOK))
