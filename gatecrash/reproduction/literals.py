"""Bytes as Python says them, short: what repeats itself is not written out."""

from __future__ import annotations

from itertools import groupby

#: Bytes of one value in a row that are worth `b"x" * 32`; characters of a line; bytes of a pattern that repeats.
_RUN, _LINE, _LONGEST_PERIOD = 32, 96, 64
_ESCAPES = {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r", 0x22: '\\"', 0x5C: "\\\\"}
_COUNTER, _COUNTS = "%07d ", 8  # bytes that tell where they stand: "0000000 0000001 ..." (strategies/payloads.py)


def literal(data: bytes) -> list[str]:
    """The expression for these bytes, as lines; more than one are to stand in brackets."""
    short = _counted(data) or _repeated(data)
    return [short] if short else _pieces(data)


def _counted(data: bytes) -> str:
    """Bytes that count, and perhaps a newline behind them."""
    body, tail = (data[:-1], data[-1:]) if data.endswith(b"\n") else (data, b"")
    numbers = -(-len(body) // _COUNTS)
    whole = b"".join((_COUNTER % number).encode() for number in range(numbers))
    if numbers < 2 * _COUNTS or not whole.startswith(body):
        return ""
    said = f'b"".join(b"{_COUNTER}" % number for number in range({numbers}))'
    cut = "" if len(whole) == len(body) else f"[:{len(body)}]"
    return said + cut + (f" + {_quoted(tail)}" if tail else "")


def _repeated(data: bytes) -> str:
    """A short pattern that comes again and again."""
    for size in range(1, _LONGEST_PERIOD + 1):
        times = -(-len(data) // size)
        if times * size >= _LINE and times >= 3 and (data[:size] * times).startswith(data):
            said = f"{_quoted(data[:size])} * {times}"
            return said if times * size == len(data) else f"({said})[:{len(data)}]"
    return ""


def _pieces(data: bytes) -> list[str]:
    """One literal after the other, with long runs of a byte as what they are."""
    parts: list[tuple[bool, bytes]] = []
    for _, run in groupby(data):
        same = bytes(run)
        if len(same) >= _RUN:
            parts.append((True, same))
        elif parts and not parts[-1][0]:
            parts[-1] = (False, parts[-1][1] + same)
        else:
            parts.append((False, same))
    if not any(run for run, _ in parts):
        return _wrapped(data)
    short = [f"{_quoted(part[:1])} * {len(part)}" if run else _quoted(part) for run, part in parts]
    if sum(map(len, short)) < _LINE:
        return [" + ".join(short)]
    lines: list[str] = []
    for long, part in parts:
        said = [f"{_quoted(part[:1])} * {len(part)}"] if long else _wrapped(part)
        lines += [f"{'+ ' if lines else ''}{said[0]}", *said[1:]]
    return lines


def _wrapped(data: bytes) -> list[str]:
    lines, line = [], ""
    for byte in data:
        if len(line) >= _LINE - 4:
            lines.append(line)
            line = ""
        line += _escaped(byte)
    return [f'b"{one}"' for one in ([*lines, line] if line or not lines else lines)]


def _quoted(data: bytes) -> str:
    return 'b"' + "".join(map(_escaped, data)) + '"'


def _escaped(byte: int) -> str:
    return _ESCAPES.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}")
