"""Bytes of strangers made safe to print: escaped, bounded, and never cut where a reader needs them."""

from __future__ import annotations

from itertools import accumulate

from gatecrash.language import marked, stated

_NO_FRACTION = 999.5  # seconds; three digits are enough of what is less
_LONGEST_LINE = 60  # bytes of a request line that are shown
_TRACEBACK = "Traceback (most recent call last):"
_LEFT_OUT = len('" … 99 bytes … "')  # characters
_LONGEST_TRACEBACK = 900  # characters
_NAMED = {0x0D: "\\r", 0x0A: "\\n", 0x09: "\\t", 0x5C: "\\\\", 0x22: '\\"'}


def escaped(data: bytes) -> str:
    """`data` with everything but printable ASCII written as an escape (\\r, \\n, \\x1b)."""
    return "".join(_NAMED.get(b) or (chr(b) if 0x20 <= b < 0x7F else f"\\x{b:02x}") for b in data)


def shown(data: bytes, *, limit: int = 72) -> str:
    """`data` escaped in quotes; the middle of a long one is left out and counted.

    `limit` is in bytes; where each is written with several letters, fewer are shown.
    """
    first, last = _fitting(data[: limit // 2], limit), _fitting(data[: -limit // 2 - 1 : -1], limit)
    left = data[first : len(data) - last]
    if len(data) <= first + last or len(escaped(left)) <= _LEFT_OUT:  # to say so would take as long
        return f'"{escaped(data)}"'
    head, tail = escaped(data[:first]), escaped(data[len(data) - last :])
    return stated('"{head}" … {count} bytes … "{tail}"', head=head, count=len(left), tail=tail)


def _fitting(data: bytes, letters: int) -> int:
    """How many of these bytes are written with so many letters at most."""
    lengths = accumulate(len(escaped(bytes([byte]))) for byte in data)
    return sum(length <= letters for length in lengths)


def request_line(request: bytes) -> str:
    """The method and the target of an HTTP request, as in "GET /large"; a long target is cut."""
    words = request.partition(b"\r\n")[0].split(b" ")[:2]
    return escaped(b" ".join(words)[:_LONGEST_LINE])


def size_of(data: bytes) -> str:
    """The size in words: "1 byte", "27 bytes"."""
    return stated("1 byte") if len(data) == 1 else stated("{count} bytes", count=len(data))


def duration(seconds: float) -> str:
    """A length of time in words: "0.5 s", "90 s", "10 minutes", "24 hours", "25 days"."""
    for size, unit in (
        (86400, marked("{count:g} days")),
        (3600, marked("{count:g} hours")),
        (60, marked("{count:g} minutes")),
    ):
        if seconds >= 2 * size and seconds % size == 0:
            return stated(unit, count=seconds / size)
    if seconds < _NO_FRACTION:
        return stated("{count:.3g} s", count=seconds)
    return stated("{count:.0f} s", count=seconds)


def safe_text(text: str) -> str:
    """Text that may hold a stranger's characters, with control and bidirectional ones escaped; newlines stay."""
    return "".join(c if c == "\n" or c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def decoded(output: bytes) -> str:
    """What a program has written, as text that is safe to print: what is no UTF-8 is replaced, tabs are spaces."""
    return safe_text(output.decode("utf-8", "replace").replace("\r", "\\r").expandtabs(4))


def last_words(output: str, *, limit: int = 300) -> str:
    """The last lines of a server's output, at most `limit` characters where a line's end allows it.

    A traceback of Python is not cut there: the frame of who reads it comes first, and the library's behind it.
    """
    text = output.strip()
    if len(text) <= limit:
        return text
    start = text.rfind(_TRACEBACK)
    frames = "" if start < 0 else _without_markers(text[start:])
    if 0 < len(frames) <= _LONGEST_TRACEBACK:
        return frames
    cut = text[-limit:]
    return cut.partition("\n")[2] or cut


def _without_markers(traceback: str) -> str:
    """A traceback without the lines that only underline a part of the one above (Python 3.11 and later)."""
    return "\n".join(line for line in traceback.splitlines() if line.strip(" ~^") or not line.strip())
