"""Whole conversations on one connection or port: messages one after the other, pipelines, slow readers."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gatecrash.model.scenario import (
    Connect,
    Freeze,
    HalfClose,
    Receive,
    ReceiveDatagrams,
    Scenario,
    Send,
    SendDatagram,
    Thaw,
    scenario,
)
from strategies.names import client_names
from strategies.options import at_least
from strategies.payloads import datagrams, echo_payloads
from strategies.segments import cut, segmentations

_READS = (1, 100, 512, 1460, 4096)  # bytes a slow reader takes at once
_QUEUED_SIZE = 4096  # bytes: several of these fit in a UDP receive buffer (208 KiB on Linux) while nobody reads


def echo_conversations(*, max_size: int = 4096, rounds: int = 5, client: str = "A") -> SearchStrategy[Scenario]:
    """One to `rounds` messages on one connection, each echoed before the next; then a half-close.

    A message goes out whole, or with its first byte, its last byte or its first half ahead.
    """
    at_least("rounds", rounds, 1)
    message = st.tuples(echo_payloads(max_size=max_size), st.integers(0, 3))

    def as_scenario(messages: Sequence[tuple[bytes, int]]) -> Scenario:
        exchanges = [_echo_exchange(client, payload, style) for payload, style in messages]
        return scenario(Connect(client), *exchanges, HalfClose(client), Receive(client, "end"))

    return st.lists(message, min_size=1, max_size=rounds).map(as_scenario)


def _echo_exchange(client: str, payload: bytes, style: int) -> tuple[Send | Receive, ...]:
    size = len(payload)
    offset = (0, 1, size - 1, size // 2)[style]
    segments = cut(payload, (offset,)) if 0 < offset < size else (payload,)
    return (*(Send(client, segment) for segment in segments), Receive(client))


def datagram_conversations(
    *, max_size: int = 4096, size: int = 5, clients: int = 3, empty: bool = True
) -> SearchStrategy[Scenario]:
    """One to `size` datagrams from up to `clients` clients: each answered before the next, or all queued.

    Queued ones (the server is frozen while they are sent) are at most 4096 bytes long, so that the kernel
    drops none of them. At the end every client takes whatever else comes.
    """
    at_least("size", size, 1)
    at_least("clients", clients, 1)
    sender = st.integers(0, clients - 1)
    one_by_one = st.lists(st.tuples(sender, datagrams(max_size=max_size, empty=empty)), min_size=1, max_size=size)
    queued = st.lists(
        st.tuples(sender, datagrams(max_size=min(max_size, _QUEUED_SIZE), empty=empty)),
        min_size=1,
        max_size=size,
    )
    return st.one_of(one_by_one.map(_one_by_one), queued.map(_queued))


def _one_by_one(messages: Sequence[tuple[int, bytes]]) -> Scenario:
    names = client_names(max(index for index, _ in messages) + 1)
    rounds = [(SendDatagram(names[index], data), ReceiveDatagrams(names[index])) for index, data in messages]
    return scenario(*rounds, _take_the_rest(names, messages))


def _queued(messages: Sequence[tuple[int, bytes]]) -> Scenario:
    names = client_names(max(index for index, _ in messages) + 1)
    sends = [SendDatagram(names[index], data) for index, data in messages]
    return scenario(Freeze(), sends, Thaw(), _take_the_rest(names, messages))


def _take_the_rest(names: Sequence[str], messages: Sequence[tuple[int, bytes]]) -> list[ReceiveDatagrams]:
    senders = sorted({index for index, _ in messages})
    return [ReceiveDatagrams(names[index], None) for index in senders]


def pipelines(requests: Sequence[bytes], *, max_segments: int = 3, client: str = "A") -> SearchStrategy[Scenario]:
    """Two or more of `requests`, in order, sent without waiting for answers, in any segments."""
    at_least("number of requests", len(requests), 2)

    def as_scenario(segments: tuple[bytes, ...]) -> Scenario:
        sends = [Send(client, segment, until_read=False) for segment in segments]
        return scenario(Connect(client), sends, Receive(client))

    streams = [b"".join(requests[:count]) for count in range(2, len(requests) + 1)]
    return st.one_of([segmentations(s, max_segments=max_segments) for s in streams]).map(as_scenario)


def slow_readers(request: bytes, *, reads: int = 6, client: str = "A") -> SearchStrategy[Scenario]:
    """A client with a small receive window takes its answer in up to `reads` small bites, then the rest."""
    at_least("reads", reads, 1)
    bites = st.lists(st.sampled_from(_READS), min_size=1, max_size=reads)
    return bites.map(
        lambda sizes: scenario(
            Connect(client, small_window=True),
            Send(client, request, until_read=False),
            (Receive(client, at_most=size) for size in sizes),
            Receive(client),
        )
    )
