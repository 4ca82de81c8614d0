"""Messages an echo has the least excuse for: printable text, each byte of it telling where it stood."""

from __future__ import annotations

FRIENDLY_SIZE = 4096  # bytes: it fills the usual buffers, and is a whole number of the usual records


def printable(size: int, *, newline: bool = False) -> bytes:
    """`size` bytes of numbered text, the last of them a newline if wanted; no other byte of it is one."""
    text = "".join(f"{number:07d} " for number in range(size // 8 + 1)).encode()[:size]
    return text[:-1] + b"\n" if newline else text


def friendly_block() -> bytes:
    """4096 bytes of text that end in a newline: it fills buffers and ends a line."""
    return printable(FRIENDLY_SIZE, newline=True)


def marked(client: str, size: int) -> bytes:
    """`size` bytes that no other of the first 26 clients sends."""
    return client[-1:].lower().encode() * size
