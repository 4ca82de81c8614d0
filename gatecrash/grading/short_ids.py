"""Ids as a line shows them: a long one without its middle, where that leaves it apart from all others. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from rich.cells import cell_len

_CELLS = 32  # of a terminal that an id takes at most, unless it would be mistaken for another
_MORE = 8  # cells more that those get that are alike
_CUT = "…"


def shortened(ids: Collection[str], cells: int = _CELLS) -> dict[str, str]:
    """By id what is shown of it; no two are shown alike."""
    shown = {id: _cut(id, cells) for id in ids}
    while True:
        times = Counter(shown.values())
        alike = [id for id, text in shown.items() if text != id and (times[text] > 1 or text in shown)]
        if not alike:
            return shown
        cells += _MORE
        shown |= {id: _cut(id, cells) for id in alike}


def meant(text: str, ids: Collection[str], cells: int = _CELLS) -> str | None:
    """The id that is written so, whole or as it is shown; None where there is none."""
    if text in ids:
        return text
    return next((id for id, shown in shortened(ids, cells).items() if shown == text), None)


def _cut(id: str, cells: int) -> str:
    """Its beginning, which names the student, and an end, which often is a number."""
    if cell_len(id) <= cells:
        return id
    tail = cells // 3
    head = cells - tail - cell_len(_CUT)
    return _first(id, head) + _CUT + _first(id[::-1], tail)[::-1]


def _first(text: str, cells: int) -> str:
    length = min(len(text), cells)
    while cell_len(text[:length]) > cells:
        length -= 1
    return text[:length]
