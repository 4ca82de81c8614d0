"""The chunked transfer coding (RFC 9112, section 7.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gatecrash.language import stated
from gatecrash.protocols.http.head import Problem

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;[^\r\n]*)?\r\n")


@dataclass(frozen=True)
class Chunks:
    """A chunked body as far as it came. `cut_off`: it is only unfinished, not wrong."""

    body: bytes
    end: int
    complete: bool
    cut_off: bool
    problem: Problem | None


def read_chunks(data: bytes, start: int) -> Chunks:
    """Reads chunks from offset `start` to the empty line behind the last one."""
    parts: list[bytes] = []
    position = start
    while True:
        size_line = _SIZE_LINE.match(data, position)
        if size_line is None:
            return _stopped(data, parts, position, stated("a chunk size in hexadecimal and CRLF"))
        size, content = int(size_line[1], 16), size_line.end()
        if size == 0:
            return _behind_trailers(data, parts, content)
        parts.append(data[content : content + size])
        position = content + size
        if position > len(data):
            return _stopped(data, parts, len(data), stated("a chunk of {size} bytes", size=size))
        if not data.startswith(b"\r\n", position):
            expected = stated("CRLF behind a chunk of {size} bytes", size=size)
            return _stopped(data, parts, position, expected, cut_off=data[position:] in (b"", b"\r"))
        position += 2


def _behind_trailers(data: bytes, parts: list[bytes], position: int) -> Chunks:
    if data.startswith(b"\r\n", position):
        return Chunks(b"".join(parts), position + 2, True, False, None)
    end = data.find(b"\r\n\r\n", position)
    if end < 0:
        return _stopped(data, parts, position, stated("an empty line behind the last chunk"), cut_off=True)
    return Chunks(b"".join(parts), end + 4, True, False, None)


def _stopped(data: bytes, parts: list[bytes], position: int, expected: str, *, cut_off: bool | None = None) -> Chunks:
    """Reading cannot go on at `position`: because the data ends there (`cut_off`), or because it is wrong.

    None: where no line ends in the rest, and that is short, the data ends.
    """
    rest = data[position:]
    if cut_off is None:
        cut_off = b"\n" not in rest[:4096] and len(rest) < 4096
    problem = Problem("chunk", position, rest[:40], expected)
    return Chunks(b"".join(parts), len(data), False, cut_off, problem)
