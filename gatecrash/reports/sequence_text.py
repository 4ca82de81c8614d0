"""A sequence diagram as lines of text: lanes side by side, time downwards, an exclamation mark before every fault.

Lines are `rich.text.Text`, so that the console decides about colours; without any the marks still tell everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import groupby

from rich.cells import cell_len
from rich.text import Text

from gatecrash.diagrams import Arrow, Band, Diagram, Lane, Mark, Row, Span, Words, text_of
from gatecrash.diagrams.labels import wrapped
from gatecrash.language import marked, say, spoken
from gatecrash.text import safe_text

_GUTTER = 2
_ACROSS = {"look": "┄", "time": "╌"}  # what a line across all lanes is drawn with
_LEAST = 40
_BAD = "bold red"
_STYLES = {
    "connect": "magenta", "accept": "magenta", "fin": "bold", "rst": "bold red",
    "plan": "dim", "held": "yellow", "released": "yellow", "failed": "yellow", "shortened": "yellow",
    "signalled": "yellow", "frozen": "cyan", "thawed": "cyan", "zombie": "bold", "died": "bold", "gone": "dim",
}  # fmt: skip
_WIRES = {"fin": "═", "connect": "╌", "accept": "╌"}
_SYMBOLS = {
    "zombie": "†",
    "died": "X",
    "gone": "x",
    "plan": "·",
    "silence": "○",
    "unproven": "?",
    "frozen": "■",
    "held": "■",
}
_LIVES = {"frozen": ("┃", "cyan"), "held": ("┃", "yellow"), "dead": ("┊", "dim"), "absent": (" ", "")}
_ASCII = str.maketrans({
    "─": "-", "═": "=", "╌": ".", "┄": ".", "│": "|", "┃": "#", "┊": ":", "├": "|", "┤": "|", "►": ">", "◄": "<",
    "●": "*", "■": "#", "○": "o", "·": "-", "×": "x", "…": "~", "†": "+",
})  # fmt: skip
_KEY = {
    "!": marked("where it goes wrong"),
    "═": "FIN",
    "╌": "connect, accept",
    "┃": marked("frozen or held"),
    "┊": marked("dead"),
}
_KEY_OF = {"zombie": marked("zombie"), "died": marked("ended"), "gone": marked("reaped")}


def text(diagram: Diagram, *, width: int = 80, ascii_only: bool = False, letters: str = "ascii") -> list[Text]:
    """The diagram in lines of at most `width` columns (40 at least).

    `ascii_only` is for a terminal without UTF-8: what is drawn is ASCII then, and so are letters that `letters`, its
    encoding, does not have.
    """
    sheet = _Sheet(diagram, max(width, _LEAST))
    for number, row in enumerate(diagram.rows):
        match row:
            case Arrow():
                sheet.arrow(number, row)
            case Mark():
                sheet.mark(number, row)
            case Band():
                sheet.band(number, row)
    key = [f"{sign} {spoken(meaning)}" for sign, meaning in _KEY.items()]
    drawn = {row.kind for row in diagram.rows if isinstance(row, Mark)}
    key += [f"{_SYMBOLS[kind]} {spoken(meaning)}" for kind, meaning in _KEY_OF.items() if kind in drawn]
    lines = [*sheet.head(), *sheet.lines, Text(), *(Text(line, "dim") for line in _filled(key, sheet.width))]
    for line in lines:
        line.rstrip()
        if ascii_only:
            line.plain = _in_ascii(line.plain, letters)
    return lines


def _in_ascii(line: str, letters: str) -> str:
    """The same number of columns in ASCII and the letters of this encoding."""
    return "".join(c if _has(letters, c) else "?" * cell_len(c) for c in line.translate(_ASCII))


def _has(encoding: str, letter: str) -> bool:
    """Whether the encoding has it, as a letter and not as a sign whose width terminals do not agree on."""
    return letter.isascii() or (letter.isalpha() and letter.encode(encoding, "ignore") != b"")


@dataclass
class _Line:
    """One line while it is written: a character and a style a column."""

    cells: list[str]
    styles: list[str]

    def put(self, at: int, words: str, style: str = "") -> int:
        """Write `words` from column `at` on; returns the column behind them. What does not fit is left out."""
        for letter in words:
            wide = cell_len(letter)
            if at < 0 or at + wide > len(self.cells):
                continue
            self.cells[at], self.styles[at] = letter, style
            if wide == 2:
                self.cells[at + 1] = ""
            at += wide
        return at

    def finished(self) -> Text:
        """The line with its styles."""
        line = Text()
        at = 0
        for style, same in groupby(self.styles):
            end = at + len(list(same))
            line.append("".join(self.cells[at:end]), style or None)
            at = end
        return line


@dataclass
class _Sheet:
    diagram: Diagram
    width: int
    lines: list[Text] = field(default_factory=list)
    middles: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        column = (self.width - _GUTTER) / len(self.diagram.lanes)
        for number, lane in enumerate(self.diagram.lanes):
            self.middles[lane.key] = _GUTTER + int(column * (number + 0.5))

    # -- the head -----------------------------------------------------------------------------------------------

    def head(self) -> Iterable[Text]:
        """Who is who: the lanes' names above them, and what does not fit there in lines of its own."""
        column = (self.width - _GUTTER) // len(self.diagram.lanes)
        titles = _titles(self.diagram.lanes, column - 1)
        legend = [_who(lane, title) for lane, title in zip(self.diagram.lanes, titles, strict=True)]
        yield from (Text(line, "dim") for line in _filled([words for words in legend if words], self.width))
        line = _Line([" "] * self.width, [""] * self.width)
        for lane, title in zip(self.diagram.lanes, titles, strict=True):
            at = self.middles[lane.key] - cell_len(title) // 2
            line.put(max(_GUTTER, min(at, self.width - cell_len(title))), title, _BAD if lane.bad else "bold")
        yield line.finished()

    # -- rows ---------------------------------------------------------------------------------------------------

    def blank(self, row: int) -> _Line:
        """A line with nothing but the lanes as they are at this row."""
        line = _Line([" "] * self.width, [""] * self.width)
        for key, at in self.middles.items():
            kinds = [p.kind for p in self.diagram.periods if p.lane == key and p.first <= row <= p.last]
            look, style = _LIVES[kinds[0]] if kinds else ("│", "dim")
            line.put(at, look, style)
        return line

    def add(self, line: _Line, bad: bool = False) -> None:
        """The line is finished."""
        if bad:
            line.put(0, "!", _BAD)
        self.lines.append(line.finished())

    def arrow(self, number: int, row: Arrow) -> None:
        """The label within the arrow where it has room, else above it."""
        left, right = sorted((self.middles[row.start], self.middles[row.end]))
        words, style = _label(row), _style(row)
        inside = right - left - 6
        if row.kind == "connect" and not row.bad and _length(words) > inside:
            words = _label(replace(row, note=""))
        line = self.blank(number)
        if _length(words) <= inside and not _marked(words):
            self._wire(line, row, style)
            _put(line, left + 3 + (inside - _length(words)) // 2, (Span(" "), *words, Span(" ")), style)
            self.add(line, row.bad)
            return
        self._above(number, row, words, left + 2, style)
        self._wire(line, row, style)
        self.add(line, row.bad)

    def _wire(self, line: _Line, row: Arrow, style: str) -> None:
        start, end = self.middles[row.start], self.middles[row.end]
        wire = "┄" if row.fate == "unread" else _WIRES.get(row.kind, "─")
        left, right = min(start, end), max(start, end)
        line.put(left + 1, wire * (right - left - 1), style)
        head = "X" if row.fate == "lost" else "►" if end > start else "◄"
        line.put(end - 1 if end > start else end + 1, head, style)
        line.put(start, "├" if end > start else "┤", style)

    def _above(self, number: int, row: Row, words: Words, at: int, style: str) -> None:
        """A label on lines of its own, with carets under what is wrong in it."""
        room = self.width - _GUTTER - 2
        parts = wrapped(words, room)
        if len(parts) > 1 and not isinstance(row, Band) and row.note:
            note = (Span(f"({row.note})"),)  # not torn apart, while it fits on a line
            parts = [*wrapped(_label(replace(row, note="")), room), *wrapped(note, room)]
            if _length(parts[-2]) + 1 + _length(parts[-1]) <= room:
                parts[-2:] = [(*parts[-2], Span(" "), *parts[-1])]
        begin = max(_GUTTER, min(at, self.width - max(map(_length, parts))))
        for part in parts:
            line = self.blank(number)
            _put(line, begin - 1, (Span(" "), *part, Span(" ")), style)
            self.add(line, row.bad)
            if _marked(part):
                line = self.blank(number)
                for offset, span in _offsets(part):
                    line.put(begin + offset, ("^" if span.bad else " ") * cell_len(span.text), _BAD)
                self.add(line, row.bad)

    def mark(self, number: int, row: Mark) -> None:
        """A sign on each lane, and the words beside them where there is room, else above."""
        words, style = _label(row), _style(row)
        places = sorted(self.middles[key] for key in row.lanes)
        line, long = self.blank(number), _length(words)
        signs = _SYMBOLS.get(row.kind, "●")
        if places[-1] + 2 + long <= self.width:
            _put(line, places[-1] + 2, (*words, Span(" ")), style)
        elif places[0] - 2 - long >= _GUTTER:
            _put(line, places[0] - 2 - long, (Span(" "), *words, Span(" ")), style)
        else:
            self._above(number, row, words, places[0] + 2, style)
        for at in places:
            line.put(at, signs, style)
        self.add(line, row.bad)

    def band(self, number: int, row: Band) -> None:
        """A line across, with its words in the middle."""
        words = _cut(f" {text_of(row.words)} ", self.width - _GUTTER)
        line = _Line([" "] * self.width, [""] * self.width)
        if row.kind in _ACROSS:
            line.put(_GUTTER, _ACROSS[row.kind] * (self.width - _GUTTER), "dim")
        else:
            line = self.blank(number)
        line.put(_GUTTER + (self.width - _GUTTER - cell_len(words)) // 2, words, "italic")
        self.add(line, row.bad)


# -- labels ---------------------------------------------------------------------------------------------------------


def _label(row: Arrow | Mark) -> Words:
    times = (Span(f" ×{row.times}"),) if row.times > 1 else ()
    note = (Span(f" ({row.note})"),) if row.note else ()
    return (*row.words, *times, *note)


def _style(row: Arrow | Mark) -> str:
    return _BAD if row.bad else _STYLES.get(row.kind, "")


def _length(words: Words) -> int:
    return sum(cell_len(span.text) for span in words)


def _marked(words: Words) -> bool:
    """Whether a part of the words, and not the whole, is wrong."""
    return any(span.bad for span in words) and any(span.text.strip() and not span.bad for span in words)


def _offsets(words: Words) -> Iterable[tuple[int, Span]]:
    at = 0
    for span in words:
        yield at, span
        at += cell_len(span.text)


def _put(line: _Line, at: int, words: Words, style: str) -> None:
    for span in words:
        at = line.put(at, span.text, f"{_BAD} reverse" if span.bad and _marked(words) else style)


# -- names ----------------------------------------------------------------------------------------------------------


def _titles(lanes: tuple[Lane, ...], room: int) -> list[str]:
    """The lanes' names as they fit into `room` columns: whole, or shortened, or their numbers."""
    whole = [safe_text(lane.title) for lane in lanes]
    short = [safe_text(lane.short or lane.title) for lane in lanes]
    if max(map(cell_len, whole)) <= room:
        return whole
    return [name if cell_len(name) <= room else str(number) for number, name in enumerate(short, 1)]


def _who(lane: Lane, title: str) -> str:
    """What the head says of a lane besides its short name: "c1 is child 1, process 4711"; nothing where that is all."""
    named = safe_text(lane.title)
    if title == named:
        return f"{named}: {lane.detail}" if lane.detail else ""
    if not lane.detail:
        return say("{short} is {name}", short=title, name=named)
    return say("{short} is {name}, {detail}", short=title, name=named, detail=lane.detail)


def _filled(words: list[str], width: int) -> list[str]:
    """The words on as few lines as they need."""
    lines: list[str] = []
    for word in words:
        if lines and cell_len(lines[-1]) + 3 + cell_len(word) <= width:
            lines[-1] += f"   {word}"
        else:
            lines.append(_cut(word, width))
    return lines


def _cut(words: str, width: int) -> str:
    """As much of the words as fits into so many columns."""
    while cell_len(words) > width:
        words = words[:-1]
    return words
