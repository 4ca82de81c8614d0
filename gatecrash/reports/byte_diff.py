"""Where two byte strings part, as runs of text a page can mark: pure, bounded, never cut before the difference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal

from gatecrash.model.verdicts import Difference
from gatecrash.text import escaped

#: How a run relates to the other side: there too, only here, or the byte at which the two part.
StretchKind = Literal["same", "changed", "first"]

_BEFORE = 64
_AFTER = 320
_NAMES = {
    0x00: "NUL",
    0x07: "bell",
    0x08: "backspace",
    0x09: "tab",
    0x0A: "line feed",
    0x0D: "carriage return",
    0x1B: "escape",
    0x20: "space",
    0x7F: "delete",
}


@dataclass(frozen=True)
class Stretch:
    """Bytes shown alike, already escaped. `title` gives them in hexadecimal where that helps; `breaks`: a line ends."""

    text: str
    kind: StretchKind
    title: str = ""
    breaks: bool = False


@dataclass(frozen=True)
class Side:
    """One of the two. `before` and `after` are the bytes left out; `ends`: the other side goes on where this ends."""

    runs: tuple[Stretch, ...]
    before: int
    after: int
    ends: bool


def sides(difference: Difference) -> tuple[Side, Side]:
    """The expected and the got side of a difference."""
    # An offset behind both ends, or negative, would be a fault of an oracle; the page shows what there is.
    offset = max(0, min(difference.offset, len(difference.expected), len(difference.got)))
    start = max(0, offset - _BEFORE)
    stop = offset + _AFTER
    expected, got = difference.expected[offset:stop], difference.got[offset:stop]
    same_expected, same_got = _common(expected, got)
    ends = {len(difference.expected) <= offset, len(difference.got) <= offset}
    return (
        _side(difference.expected, start, offset, stop, same_expected, ends=ends == {True, False}),
        _side(difference.got, start, offset, stop, same_got, ends=ends == {True, False}),
    )


def _common(expected: bytes, got: bytes) -> tuple[list[bool], list[bool]]:
    """For each byte of both, whether the other side has it too, in the same order."""
    in_expected, in_got = [False] * len(expected), [False] * len(got)
    for a, b, size in SequenceMatcher(None, expected, got, autojunk=False).get_matching_blocks():
        # One or two bytes in common are chance: marked through, the reader sees one change instead of confetti.
        if size > 2:
            in_expected[a : a + size] = [True] * size
            in_got[b : b + size] = [True] * size
    return in_expected, in_got


def _side(data: bytes, start: int, offset: int, stop: int, same: list[bool], *, ends: bool) -> Side:
    kinds: list[StretchKind] = ["same"] * (offset - start)
    kinds += ["same" if known else "changed" for known in same]
    if len(kinds) > offset - start:
        kinds[offset - start] = "first"
    window = data[start:stop]
    return Side(
        runs=tuple(_runs(window, kinds, start)),
        before=start,
        after=max(0, len(data) - stop),
        ends=ends and len(data) <= offset,
    )


def _runs(window: bytes, kinds: list[StretchKind], start: int) -> list[Stretch]:
    runs: list[Stretch] = []
    cells = enumerate(zip(window, kinds, strict=True), start)
    for (kind, plain, _), group in groupby(cells, key=lambda cell: (cell[1][1], 0x20 <= cell[1][0] < 0x7F, _own(cell))):
        positions, values = zip(*((position, byte) for position, (byte, _) in group), strict=True)
        data = bytes(values)
        title = "" if plain and kind == "same" else _title(positions[0], data)
        runs.append(Stretch(escaped(data), kind, title))
        if data.endswith(b"\n"):
            runs[-1] = replace(runs[-1], breaks=True)
    return runs


def _own(cell: tuple[int, tuple[int, StretchKind]]) -> int:
    """A key of its own for every byte that cannot be printed, so that each has its own title."""
    position, (byte, _) = cell
    return -1 if 0x20 <= byte < 0x7F else position


def _title(position: int, data: bytes) -> str:
    if len(data) == 1:
        name = _NAMES.get(data[0])
        return f"byte {position}: 0x{data[0]:02x}" + (f", {name}" if name else "")
    some = data[:12]
    more = " …" if len(data) > len(some) else ""
    return f"bytes {position} to {position + len(data) - 1}: {some.hex(' ')}{more}"
