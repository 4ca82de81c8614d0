"""Clients that keep a server busy for nothing: they say nothing, say half, or never read their answer."""

from __future__ import annotations

from collections.abc import Collection

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gatecrash.model import labels
from gatecrash.model.scenario import Connect, Receive, Scenario, Send, Settle, Step, optional_send, scenario
from strategies.names import client_names
from strategies.options import Request, at_least, known, request_of
from strategies.segments import telling_offsets

HOGS = ("idle", "half-request", "reads-nothing")


def hogs(
    request: Request,
    *,
    kinds: Collection[str] = HOGS,
    size: int = 1,
    greedy_request: bytes | None = None,
    finish: bool = True,
) -> SearchStrategy[Scenario]:
    """One to `size` hogs of one kind come first; then one good client asks and reads its answer.

    The good client's name is the first one behind the hogs': "B" for one hog. "reads-nothing" sends
    `greedy_request` (`request`, when there is none), whose answer should be larger than the socket buffers,
    with a small receive window. With `finish` the hogs then say the rest, and read. Raises UsageError for
    an unknown kind.
    """
    at_least("size", size, 1)
    sample = request_of(request, "A")
    at_least("request's length", len(sample), 2)
    by_kind = [
        st.tuples(st.just(kind), st.integers(1, size), st.sampled_from(_said(sample, kind)))
        for kind in known("kinds", kinds, HOGS)
    ]
    return st.one_of(by_kind).map(lambda drawn: hogging(request, *drawn, greedy_request, finish=finish))


def hogging(
    request: Request, kind: str, count: int, said: int, greedy_request: bytes | None, *, finish: bool = True
) -> Scenario:
    """`count` hogs that say the first `said` bytes, then one good client."""
    *names, good = client_names(count + 1)
    arrivals: list[Step] = []
    endings: list[Step] = []
    for name in names:
        asked = request_of(request, name)
        if kind == "reads-nothing":
            asked = greedy_request or asked
            said = len(asked)
        arrivals.append(Connect(name, small_window=kind == "reads-nothing"))
        arrivals.extend(optional_send(name, asked[:said]))
        endings.extend((*optional_send(name, asked[said:]), Receive(name)))
    served = (Connect(good), Send(good, request_of(request, good)), Receive(good))
    return scenario(arrivals, Settle(labels.HOGGED), served, endings if finish else ())


def _said(request: bytes, kind: str) -> tuple[int, ...]:
    return telling_offsets(request) if kind == "half-request" else (0,)
