"""Several clients at once: floods, interleaved conversations, many that leave together."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gatecrash.model import labels
from gatecrash.model.scenario import (
    Close,
    Connect,
    Freeze,
    Receive,
    Reset,
    Scenario,
    Send,
    Settle,
    Step,
    Thaw,
    scenario,
)
from strategies.names import client_names
from strategies.options import Request, at_least, known, request_of
from strategies.segments import segmentations

LEAVERS = ("idle", "half-request", "asking")
LEAVING = ("close", "reset")
_TURNS = 8  # drawn turns of a crowd: enough to get between any two steps of the first clients, and cheap


def floods(request: Request, *, size: int = 20, smallest: int = 2) -> SearchStrategy[Scenario]:
    """`smallest` to `size` clients connect and ask while the server is frozen; then each is answered.

    More clients than the server's backlog holds do not get in: keep `size` at or below the backlog.
    """
    at_least("smallest", smallest, 1)
    at_least("size", size, smallest)
    return st.integers(smallest, size).map(lambda count: flood(request, client_names(count)))


def flood(request: Request, clients: Sequence[str]) -> Scenario:
    """These clients, all at once."""
    arrivals = [(Connect(name), Send(name, request_of(request, name), until_read=False)) for name in clients]
    return scenario(Freeze(), *arrivals, Thaw(), (Receive(name) for name in clients))


def interleavings(behaviours: Sequence[Sequence[Step]]) -> SearchStrategy[Scenario]:
    """The steps of several clients, each client's in its own order; shrinks to one client after the other."""
    at_least("number of behaviours", len(behaviours), 1)
    length = sum(len(behaviour) for behaviour in behaviours)
    turns = st.tuples(*[st.integers(0, len(behaviours) - 1)] * length)
    return turns.map(lambda drawn: scenario(_in_turns(behaviours, drawn)))


def _in_turns(behaviours: Sequence[Sequence[Step]], turns: Sequence[int]) -> list[Step]:
    """Each turn names one of the behaviours that still have steps; then they end one by one."""
    left = [list(behaviour) for behaviour in behaviours if behaviour]
    steps: list[Step] = []
    for turn in turns:
        if left:
            chosen = left[turn % len(left)]
            steps.append(chosen.pop(0))
            left = [behaviour for behaviour in left if behaviour]
    return steps + [step for behaviour in left for step in behaviour]


def crowds(request: Request, *, size: int = 3, max_segments: int = 3) -> SearchStrategy[Scenario]:
    """Two to `size` clients, each with its request in segments, interleaved in any order."""
    at_least("size", size, 2)
    names = client_names(size)
    segmented = [
        segmentations(request_of(request, name), max_segments=max_segments, byte_by_byte=False) for name in names
    ]
    return st.one_of([_crowd_of(names[:count], segmented[:count]) for count in range(2, size + 1)])


def _crowd_of(names: Sequence[str], segmented: Sequence[SearchStrategy[tuple[bytes, ...]]]) -> SearchStrategy[Scenario]:
    turns = st.tuples(*[st.integers(0, len(names) - 1)] * _TURNS)

    def as_scenario(drawn: tuple[tuple[int, ...], tuple[tuple[bytes, ...], ...]]) -> Scenario:
        behaviours = [conversation(name, segments) for name, segments in zip(names, drawn[1], strict=True)]
        return scenario(_in_turns(behaviours, drawn[0]))

    return st.tuples(turns, st.tuples(*segmented)).map(as_scenario)


def conversation(client: str, segments: Sequence[bytes]) -> tuple[Step, ...]:
    """One client: connects, sends these segments, each read before the next, and reads its answer."""
    return (Connect(client), *(Send(client, segment) for segment in segments), Receive(client))


def simultaneous_leavers(
    request: bytes,
    *,
    size: int = 8,
    states: Sequence[str] = LEAVERS,
    kinds: Sequence[str] = LEAVING,
) -> SearchStrategy[Scenario]:
    """Two to `size` clients leave while the server's parent is frozen, so that their children end together.

    "idle" clients never said anything, "half-request" ones said half, "asking" ones ask while the parent is
    frozen: a child that closes after one answer ends by itself then. The last look is labelled "left".
    """
    at_least("size", size, 2)
    drawn = st.tuples(
        st.integers(2, size),
        st.sampled_from(known("states", states, LEAVERS)),
        st.sampled_from(known("kinds", kinds, LEAVING)),
    )
    return drawn.map(lambda facts: _leaving_together(request, *facts))


def _leaving_together(request: bytes, count: int, state: str, kind: str) -> Scenario:
    names = client_names(count)
    leave = Close if kind == "close" else Reset
    first_half = request[: len(request) // 2]
    before = [
        (Connect(name), Send(name, first_half)) if state == "half-request" and first_half else (Connect(name),)
        for name in names
    ]
    asked = [(Send(name, request), Receive(name)) for name in names] if state == "asking" else []
    return scenario(
        *before,
        Settle(labels.HERE),
        Freeze("parent"),
        *asked,
        (leave(name) for name in names),
        Settle(labels.CHILDREN_GONE),
        Thaw(),
        Settle(labels.LEFT),
    )
