"""Whole conversations on one connection or port: messages one after the other, pipelines, slow readers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gatecrash.model import labels
from gatecrash.model.scenario import (
    Close,
    Connect,
    Freeze,
    HalfClose,
    Receive,
    ReceiveDatagrams,
    Scenario,
    Send,
    SendDatagram,
    Settle,
    SmallBuffers,
    Thaw,
    scenario,
)
from strategies.options import at_least
from strategies.segments import segmentations

_READS = (1, 100, 512, 1460, 4096)  # bytes a slow reader takes at once


def echoed(messages: Iterable[bytes], *, client: str = "A") -> Scenario:
    """Each message is echoed before the next; whatever comes behind the last one is read to the end."""
    exchanges = ((Send(client, message), Receive(client)) for message in messages)
    return scenario(Connect(client), *exchanges, HalfClose(client), Receive(client, "end"))


def answered_in_turn(messages: Iterable[tuple[str, bytes]]) -> Scenario:
    """Datagrams, each with its sender's name, and each answered before the next is sent."""
    return scenario(*((SendDatagram(name, data), ReceiveDatagrams(name)) for name, data in messages))


def all_queued(messages: Sequence[tuple[str, bytes]]) -> Scenario:
    """All of these datagrams wait in the server's queue when it reads the first; then each sender takes what comes."""
    sends = [SendDatagram(name, data) for name, data in messages]
    readers = (ReceiveDatagrams(name, None) for name in dict.fromkeys(name for name, _ in messages))
    return scenario(Freeze(), sends, Thaw(), readers)


def pipelines(requests: Sequence[bytes], *, max_segments: int = 3, client: str = "A") -> SearchStrategy[Scenario]:
    """Two or more of `requests`, in order, sent without waiting for answers, in any segments.

    They come in one piece, or each segment when the server has read the one before: it may have answered what is whole,
    and has the beginning of the next request by then. Segments that nobody waits for are one piece, or not, by luck.
    """
    at_least("number of requests", len(requests), 2)

    def as_scenario(segments: tuple[bytes, ...], read: bool) -> Scenario:
        *first, last = segments if read else (b"".join(segments),)
        sends = [Send(client, segment) for segment in first]
        return scenario(Connect(client), sends, Send(client, last, until_read=False), Receive(client))

    streams = [b"".join(requests[:count]) for count in range(2, len(requests) + 1)]
    drawn = st.one_of([segmentations(s, max_segments=max_segments) for s in streams])
    return st.builds(as_scenario, drawn, st.sampled_from((True, True, False)))


def pipelined_unread(requests: Sequence[bytes], *, client: str = "A") -> Scenario:
    """All of these at once, from a client with a small window: most of their answers wait in the server at first."""
    send = Send(client, b"".join(requests), until_read=False)
    return scenario(SmallBuffers(), Connect(client, small_window=True), send, Receive(client))


def slow_readers(request: bytes, *, reads: int = 6, client: str = "A") -> SearchStrategy[Scenario]:
    """A client with a small receive window takes its answer in up to `reads` small bites, then the rest.

    The server's send buffers are made small first, where they can be: large ones hold a whole answer.
    """
    at_least("reads", reads, 1)
    bites = st.lists(st.sampled_from(_READS), min_size=1, max_size=reads)
    return bites.map(
        lambda sizes: scenario(
            SmallBuffers(),
            Connect(client, small_window=True),
            Send(client, request, until_read=False),
            (Receive(client, at_most=size) for size in sizes),
            Receive(client),
        )
    )


def two_slow_readers(request: bytes) -> Scenario:
    """Both ask for the same before one of them has it all; the second reads on when the first has left.

    Who serves one client at a time comes to the second then.
    """
    asked = ((Connect(name, small_window=True), Send(name, request, until_read=False)) for name in ("A", "B"))
    first, second = asked
    bite = Receive("A", at_most=1)
    reads = (Receive("A"), Close("A"), Receive("B", at_most=1), Receive("B"))
    return scenario(SmallBuffers(), first, bite, second, Settle(labels.FULL), reads)
