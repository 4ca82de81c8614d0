"""Labels: strangers' bytes and names as short, escaped words, with the wrong byte marked."""

from __future__ import annotations

from itertools import groupby

from rich.cells import cell_len

from gatecrash.diagrams.model import Span, Words
from gatecrash.language import say, spoken
from gatecrash.text import escaped, safe_text, shown, size_of

_BYTES = 56
_TEXT = 120
_AROUND = 24


def plain(text: str, *, bad: bool = False, limit: int = _TEXT) -> Words:
    """Anybody's text on one line, escaped and bounded."""
    line = safe_text(text.replace("\n", " "))
    return (Span(line if len(line) <= limit else line[: limit - 1] + "…", bad),)


def of_bytes(data: bytes, bad_at: int | None = None) -> Words:
    """Bytes in quotes, the middle of many left out; with `bad_at` those around that byte, and it alone marked."""
    if bad_at is None:
        return (Span(spoken(shown(data, limit=_BYTES))),)
    if not data:
        return (Span('""', bad=True),)
    start, end = max(0, bad_at - _AROUND), min(len(data), bad_at + _AROUND + 1)
    lead, tail = ("… " if start else ""), (" …" if end < len(data) else "")
    if bad_at >= len(data):
        return (Span(f'{lead}"{escaped(data[start:])}"'), Span(say(" and no more"), bad=True))
    return (
        Span(f'{lead}"{escaped(data[start:bad_at])}'),
        Span(escaped(data[bad_at : bad_at + 1]), bad=True),
        Span(f'{escaped(data[bad_at + 1 : end])}"{tail}'),
    )


def size_note(data: bytes, bad_at: int | None = None, offset: int | None = None) -> str:
    """How many bytes, and which of them is the wrong one: by the finding's `offset`, which may count from elsewhere."""
    if bad_at is None or not data:
        return spoken(size_of(data))
    if bad_at < len(data):
        return say("{size}, wrong from byte {offset}", size=size_of(data), offset=bad_at if offset is None else offset)
    return say("{size}, then it stops", size=size_of(data))


def wrapped(words: Words, width: int) -> list[Words]:
    """The words on lines of at most `width` columns, cut where they must be; marks stay on their letters."""
    letters = [(letter, span.bad) for span in words for letter in span.text]
    lines: list[Words] = []
    while (fits := _that_fit(letters, width)) < len(letters):
        space = next((at for at in range(fits, fits // 2, -1) if letters[at][0] == " "), None)
        end = fits if space is None else space
        lines.append(_joined(letters[:end]))
        letters = letters[end if space is None else end + 1 :]
    return [*lines, _joined(letters)]


def _that_fit(letters: list[tuple[str, bool]], width: int) -> int:
    """How many of the letters fit into so many columns, one at least: a Korean one takes two."""
    columns = 0
    for number, (letter, _) in enumerate(letters):
        columns += cell_len(letter)
        if columns > width:
            return max(1, number)
    return len(letters)


def _joined(letters: list[tuple[str, bool]]) -> Words:
    return tuple(
        Span("".join(letter for letter, _ in group), bad) for bad, group in groupby(letters, key=lambda pair: pair[1])
    )
