"""What an echo is asked to send back: any bytes at all, above all those that string functions dislike."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from strategies.options import at_least

_PATTERNS = (
    b"a",
    b"\n",
    b"\x00",
    b"\xff",
    b"\r\n",
    b"hello\n",
    b"a\x00b",
    b"\n\nx",
    b"\xc3\x28",  # a broken UTF-8 sequence
    b"\xe2\x82",  # one cut off
    "\u20ac".encode(),
    b"%s%n",
    b"\x04\x1a\x03",
    bytes(range(256)),
)
_POWERS = (
    16,
    32,
    64,
    100,
    128,
    256,
    512,
    1000,
    1024,
    2048,
    4096,
    8192,
    16384,
    32768,
    65536,
    131072,
    262144,
    524288,
    1048576,
)
_DATAGRAM_LIMITS = (
    508,
    1472,
    9000,
    65507,
)  # RFC 791's and Ethernet's, a jumbo frame's, and UDP's own largest
_SMALL = 32  # bytes: every size up to this one is drawn
LARGEST_DATAGRAM = 65507  # bytes: 65535 less the IPv4 and the UDP header


def echo_payloads(*, max_size: int = 4096) -> SearchStrategy[bytes]:
    """1 to `max_size` bytes: NULs, broken UTF-8, empty lines, no newline, runs; sizes round powers of two."""
    at_least("max_size", max_size, 1)
    return st.builds(repeated, st.sampled_from(_PATTERNS), st.sampled_from(_sizes(max_size, lowest=1)))


def datagrams(*, max_size: int = 4096, empty: bool = True) -> SearchStrategy[bytes]:
    """Datagrams of 0 (1 unless `empty`) to `max_size` bytes, which is at most LARGEST_DATAGRAM."""
    at_least("max_size", max_size, 1)
    at_least("room below UDP's largest datagram", LARGEST_DATAGRAM - max_size, 0)
    lowest = 0 if empty else 1
    return st.builds(repeated, st.sampled_from(_PATTERNS), st.sampled_from(_sizes(max_size, lowest=lowest)))


def repeated(pattern: bytes, size: int) -> bytes:
    """`pattern` over and over, `size` bytes of it."""
    return (pattern * (size // len(pattern) + 1))[:size]


def _sizes(max_size: int, *, lowest: int) -> list[int]:
    """Small sizes, and those at which buffers and limits end, with their neighbours."""
    edges = {max_size, *range(_SMALL + 1)}
    for edge in (*_POWERS, *_DATAGRAM_LIMITS):
        edges.update((edge - 1, edge, edge + 1))
    telling = sorted(size for size in edges if lowest <= size <= max_size)
    return telling + [max_size] * (len(telling) // 8)  # the largest is what most often gets cut off
