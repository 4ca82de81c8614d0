"""One request cut into segments, wherever TCP may cut it: between any two bytes (RFC 9293, section 3.8)."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gatecrash.model.scenario import Connect, Receive, Scenario, Send, Until, scenario
from strategies.options import at_least

BYTE_BY_BYTE_LIMIT = 256  # bytes: a longer payload is not sent byte by byte, it would cost a round trip for each
_BUFFER_SIZES = (16, 32, 64, 128, 256, 512, 1000, 1024, 2048, 4096, 8192, 16384, 32768, 65536)


def segmentations(
    payload: bytes, *, max_segments: int = 6, byte_by_byte: bool = True
) -> SearchStrategy[tuple[bytes, ...]]:
    """`payload` as one segment or several; joined, they are the payload again.

    At most `max_segments`, save for short payloads that go `byte_by_byte`. Raises UsageError when it is below 1.
    """
    at_least("max_segments", max_segments, 1)
    size = len(payload)
    if size < 2 or max_segments == 1:
        return st.just((payload,))
    draws = st.one_of(
        _telling_cuts(payload, max_segments, byte_by_byte), st.tuples(*[st.integers(0, size - 1)] * (max_segments - 1))
    )
    return draws.map(lambda offsets: cut(payload, tuple(sorted(set(offsets) - {0}))))


def segmented_requests(
    request: bytes, *, until: Until = "message", max_segments: int = 6, client: str = "A"
) -> SearchStrategy[Scenario]:
    """A client sends `request` in segments, each read by the server before the next, and reads `until`."""
    cuts = segmentations(request, max_segments=max_segments)
    return cuts.map(lambda segments: in_segments(segments, until=until, client=client))


def in_segments(segments: tuple[bytes, ...], *, until: Until = "message", client: str = "A") -> Scenario:
    """A client sends these, each read by the server before the next, and reads `until`."""
    return scenario(Connect(client), (Send(client, segment) for segment in segments), Receive(client, until))


def cut(payload: bytes, cuts: tuple[int, ...]) -> tuple[bytes, ...]:
    """`payload` cut in front of each of these offsets, which are ascending."""
    edges = (0, *cuts, len(payload))
    return tuple(payload[start:end] for start, end in pairwise(edges))


def telling_offsets(payload: bytes) -> tuple[int, ...]:
    """Offsets at which careless servers break: inside line ends, round buffer sizes, next to both ends."""
    size = len(payload)
    offsets = {1, 2, size // 2, size - 1, size - 2, size - 3, size - 4}
    offsets.update(_around_line_end(payload.find(b"\r\n")))
    offsets.update(_around_line_end(payload.find(b"\r\n\r\n")))
    for buffer_size in _BUFFER_SIZES:
        if buffer_size - 1 <= size and buffer_size >= 512:
            offsets.update((buffer_size - 1, buffer_size, buffer_size + 1))
        elif buffer_size < size:
            offsets.add(buffer_size)
    return tuple(sorted(offset for offset in offsets if 0 < offset < size))


def _around_line_end(offset: int) -> tuple[int, ...]:
    return () if offset < 0 else (offset, offset + 1, offset + 2, offset + 3, offset + 4)


def _telling_cuts(payload: bytes, max_segments: int, byte_by_byte: bool) -> SearchStrategy[tuple[int, ...]]:
    """One or two telling offsets, or all there are.

    A cut in front of byte 0 is none: so a fixed number of draws makes any number of cuts, and shrinks to few.
    """
    offsets = telling_offsets(payload)
    cut_sets: list[tuple[int, ...]] = [(0,), *((offset,) for offset in offsets)]
    if byte_by_byte and len(payload) <= BYTE_BY_BYTE_LIMIT:
        cut_sets += [tuple(range(1, len(payload)))] * (1 + len(offsets) // 8)
    if max_segments == 2:
        return st.sampled_from(cut_sets)
    second = [0] * len(offsets) + list(offsets)  # as often none as one
    return st.tuples(st.sampled_from(cut_sets), st.sampled_from(second)).map(lambda drawn: (*drawn[0], drawn[1]))
