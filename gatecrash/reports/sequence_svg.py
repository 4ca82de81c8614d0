"""A sequence diagram as one <svg> element, to be put into a page that brings the colours.

The page includes `STYLE` once and the elements of `svg` where they belong, each in a container with
`overflow-x: auto` (a wide diagram keeps its size and scrolls). Colours are the custom properties of `STYLE`
(--seq-fg, --seq-dim, --seq-line, --seq-bg, --seq-panel, --seq-bad, --seq-bad-bg, --seq-client, --seq-kernel,
--seq-server, --seq-cold, --seq-held), which a page may set on any element above.

Classes: `seq` on the <svg>.
`seq-lane` and `seq-lane-client|clients|kernel|server|child|children`, with `data-lane` (the lane's key, as in
gatecrash.diagrams.Lane), on each lane; inside `seq-head`, `seq-title`, `seq-detail`, `seq-life`.
`seq-period-frozen|held|dead` with `data-lane` on stretches of a lane.
`seq-row` with `data-row` (from 0) and `data-step` (of the scenario, from 0) on each row, which is one of
- `seq-arrow` with `seq-connect|accept|segment|datagram|fin|rst|answer`, perhaps `seq-unread` or `seq-lost`, with
  `data-from` and `data-to`;
- `seq-mark` with `seq-mark-blocked|held|frozen|zombie|died|silence|...` and `data-lanes` (keys, a blank between);
- `seq-band` with `seq-look`, `seq-time` or `seq-folded`.
Inside rows: `seq-label`, `seq-note`, `seq-wire`, `seq-tip`, `seq-cross`, `seq-dot`; `seq-plate` lies under a fault.
`seq-bad` is on a row, a lane or a piece of a label that is the fault.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from xml.sax.saxutils import escape, quoteattr

from rich.cells import cell_len

from gatecrash.diagrams import Arrow, Band, Diagram, Lane, Mark, Period, Row
from gatecrash.diagrams.labels import wrapped
from gatecrash.errors import EngineFault
from gatecrash.language import say

STYLE = """
.seq { color: var(--seq-fg, #1f2328); font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.seq text { fill: var(--seq-fg, #1f2328); white-space: pre; }
.seq .seq-label, .seq .seq-note { paint-order: stroke; stroke: var(--seq-bg, #ffffff); stroke-width: 4px;
  stroke-linejoin: round; }
.seq .seq-note, .seq .seq-detail { fill: var(--seq-dim, #59636e); font-size: 11px; }
.seq tspan.seq-note { font-weight: 400; }
.seq .seq-title { font-weight: 600; }
.seq .seq-head { fill: var(--seq-panel, #f6f8fa); stroke: var(--seq-line, #b7bfc8); }
.seq .seq-lane-client .seq-head, .seq .seq-lane-clients .seq-head { stroke: var(--seq-client, #0969da); }
.seq .seq-lane-kernel .seq-head { stroke: var(--seq-kernel, #8250df); }
.seq .seq-lane-server .seq-head, .seq .seq-lane-child .seq-head,
.seq .seq-lane-children .seq-head { stroke: var(--seq-server, #1a7f37); }
.seq .seq-lane.seq-bad .seq-head { stroke: var(--seq-bad, #c4232c); stroke-width: 2; }
.seq .seq-life { stroke: var(--seq-line, #b7bfc8); }
.seq .seq-period-frozen { fill: var(--seq-cold, #54aeff); opacity: .45; }
.seq .seq-period-held { fill: var(--seq-held, #d4a72c); opacity: .5; }
.seq .seq-period-dead { stroke: var(--seq-line, #b7bfc8); stroke-dasharray: 1 5; }
.seq .seq-wire { stroke: var(--seq-fg, #1f2328); stroke-width: 1.5; fill: none; }
.seq .seq-tip { fill: var(--seq-fg, #1f2328); }
.seq .seq-accept .seq-wire, .seq .seq-connect .seq-wire { stroke: var(--seq-kernel, #8250df); }
.seq .seq-accept .seq-tip, .seq .seq-connect .seq-tip { fill: var(--seq-kernel, #8250df); }
.seq .seq-connect .seq-wire, .seq .seq-accept .seq-wire { stroke-dasharray: 5 3; }
.seq .seq-fin .seq-wire { stroke-width: 3; }
.seq .seq-fin .seq-label, .seq .seq-rst .seq-label { font-weight: 600; }
.seq .seq-rst .seq-wire, .seq .seq-rst .seq-cross { stroke: var(--seq-bad, #c4232c); stroke-width: 2; }
.seq .seq-rst .seq-tip { fill: var(--seq-bad, #c4232c); }
.seq .seq-unread .seq-wire { stroke-dasharray: 2 3; }
.seq .seq-cross { stroke: var(--seq-fg, #1f2328); stroke-width: 2; fill: none; }
.seq .seq-dot { fill: var(--seq-panel, #f6f8fa); stroke: var(--seq-fg, #1f2328); stroke-width: 1.5; }
.seq .seq-mark-plan .seq-dot, .seq .seq-mark-plan .seq-label { fill: var(--seq-dim, #59636e); }
.seq .seq-mark-frozen .seq-dot, .seq .seq-mark-thawed .seq-dot { fill: var(--seq-cold, #54aeff); }
.seq .seq-mark-held .seq-dot, .seq .seq-mark-released .seq-dot, .seq .seq-mark-failed .seq-dot,
.seq .seq-mark-shortened .seq-dot, .seq .seq-mark-signalled .seq-dot { fill: var(--seq-held, #d4a72c); }
.seq .seq-mark-zombie .seq-dot, .seq .seq-mark-died .seq-dot { fill: var(--seq-fg, #1f2328); }
.seq .seq-look line { stroke: var(--seq-line, #b7bfc8); stroke-dasharray: 1 3; }
.seq .seq-time line { stroke: var(--seq-line, #b7bfc8); stroke-dasharray: 6 6; }
.seq .seq-band .seq-label { fill: var(--seq-dim, #59636e); font-style: italic; }
.seq .seq-plate { fill: var(--seq-bad-bg, #ffebe9); }
.seq .seq-row.seq-bad .seq-label, .seq .seq-row.seq-bad .seq-note { stroke: var(--seq-bad-bg, #ffebe9); }
.seq .seq-row.seq-bad .seq-wire, .seq .seq-row.seq-bad .seq-cross { stroke: var(--seq-bad, #c4232c); }
.seq .seq-row.seq-bad .seq-tip, .seq .seq-row.seq-bad .seq-dot { fill: var(--seq-bad, #c4232c); }
.seq .seq-row.seq-bad .seq-dot { stroke: var(--seq-bad, #c4232c); }
.seq .seq-row.seq-bad .seq-label { font-weight: 600; }
.seq tspan.seq-bad { fill: var(--seq-bad, #c4232c); font-weight: 700; text-decoration: underline; }
@media (prefers-color-scheme: dark) {
  :root { --seq-fg: #e6edf3; --seq-dim: #9198a1; --seq-line: #4b535d; --seq-bg: #0d1117; --seq-panel: #161b22;
    --seq-bad: #ff7b72; --seq-bad-bg: #3c1618; --seq-client: #58a6ff; --seq-kernel: #bc8cff; --seq-server: #3fb950;
    --seq-cold: #388bfd; --seq-held: #bb8009; }
}
""".strip()

#: Pixels of a letter, at most: of a Latin one of whatever typewriter face there is, and of a Korean one, a square.
_LETTER, _SQUARE = 7.3, 12.2
_LINE = 15
_HEAD = 44
_MARGIN = 16
_COLUMN = {"client": 104, "clients": 150, "kernel": 176, "server": 150, "child": 130, "children": 130}
#: Pixels that a page has for a picture: lanes move together until it fits, or stand as close as their heads allow.
_ROOM = 939
_NUMBER = re.compile(r"[0-9]+")
_LABEL = 72
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def svg(diagram: Diagram, *, id_prefix: str) -> str:
    """The diagram as one <svg> element with ids that begin with `id_prefix` (a letter, then letters, digits, -, _)."""
    if not _PREFIX.fullmatch(id_prefix):
        raise EngineFault(f"the prefix {id_prefix!r} is no beginning of an id in a page")
    diagram = replace(diagram, lanes=_terse(diagram.lanes))
    layout = _laid_out(diagram)
    title, desc = f"{id_prefix}-title", f"{id_prefix}-desc"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="seq" role="img" viewBox="0 0 {layout.width} {layout.height}" '
        f'width="{layout.width}" height="{layout.height}" aria-labelledby="{title} {desc}">',
        f'<title id="{title}">{escape(say("What happened: {rule}", rule=diagram.rule))}</title>',
        f'<desc id="{desc}">{escape(diagram.summary)}</desc>',
        *(_plate(number, layout) for number, row in enumerate(diagram.rows) if row.bad),
        *(_lane(lane, diagram, layout) for lane in diagram.lanes),
        *(_period(period, layout) for period in diagram.periods),
        *(_row(row, number, layout) for number, row in enumerate(diagram.rows)),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


# -- where everything is --------------------------------------------------------------------------------------------

_Line = tuple[tuple[str, str], ...]  # pieces of text, each with its class


@dataclass(frozen=True)
class _Layout:
    """Pixels: the middle of each lane, its box (left, width), each row's top and lines, the whole."""

    middles: dict[str, float]
    boxes: dict[str, tuple[float, float]]
    lines: tuple[tuple[_Line, ...], ...]
    tops: tuple[float, ...]
    width: int
    height: int

    def bottom(self, row: int) -> float:
        """Where a row ends."""
        return self.tops[row + 1] if row + 1 < len(self.tops) else float(self.height - 12)


def _columns_of(lanes: Sequence[Lane], squeezed: float) -> list[tuple[float, float]]:
    """The width of each lane's box, and of its column: from 0 as its kind has it to 1, as close as its box allows."""
    found = []
    for lane in lanes:
        box = max(_width(lane.title), _width(lane.detail)) + 20
        usual, least = max(float(_COLUMN[lane.kind]), box + 8), box + 8
        found.append((box, usual - squeezed * (usual - least)))
    return found


def _squeezed(lanes: Sequence[Lane]) -> list[tuple[float, float]]:
    """The columns of these lanes, squeezed by as much as their picture needs to fit."""
    usual, least = (sum(wide for _, wide in _columns_of(lanes, squeezed)) for squeezed in (0.0, 1.0))
    over = usual + 2 * _MARGIN - _ROOM
    return _columns_of(lanes, 0.0 if over <= 0 else min(1.0, over / max(usual - least, 1.0)))


def _terse(lanes: tuple[Lane, ...]) -> tuple[Lane, ...]:
    """The children with the number of their process alone, where the picture would not fit otherwise."""
    if sum(wide for _, wide in _squeezed(lanes)) + 2 * _MARGIN <= _ROOM:
        return lanes
    numbers = {lane.key: _NUMBER.findall(lane.detail) for lane in lanes if lane.kind == "child"}
    return tuple(replace(lane, detail=numbers[lane.key][0]) if numbers.get(lane.key) else lane for lane in lanes)


def _laid_out(diagram: Diagram) -> _Layout:
    left = float(_MARGIN)
    middles: dict[str, float] = {}
    boxes: dict[str, tuple[float, float]] = {}
    for lane, (box, wide) in zip(diagram.lanes, _squeezed(diagram.lanes), strict=True):
        middles[lane.key], boxes[lane.key] = left + wide / 2, (left + (wide - box) / 2, box)
        left += wide
    lines = tuple(_lines(row) for row in diagram.rows)
    longest = max((_length(line) for of_row in lines for line in of_row), default=0.0)
    width = max(left, longest + 24)
    for row, of_row in zip(diagram.rows, lines, strict=True):
        if isinstance(row, Mark):  # its words stand at its left, or at its right
            wide, places = max(map(_length, of_row)), [middles[key] for key in row.lanes]
            width = max(width, 0.0 if min(places) - 12 - wide >= 0 else max(places) + 12 + wide)
    tops: list[float] = []
    top = _HEAD + 18.0
    for row, of_row in zip(diagram.rows, lines, strict=True):
        tops.append(top)
        top += len(of_row) * _LINE + (20 if isinstance(row, Arrow) else 13)
    return _Layout(middles, boxes, lines, tuple(tops), round(width + _MARGIN), round(top + 12))


def _lines(row: Row) -> tuple[_Line, ...]:
    """The lines of a row's label; its note stands behind them, where there is room on the last."""
    lines = [tuple((span.text, "seq-bad" if span.bad else "") for span in line) for line in wrapped(row.words, _LABEL)]
    if isinstance(row, Band):
        return tuple(lines)
    if row.times > 1:
        lines[-1] += ((f"  ×{row.times}", ""),)
    if row.note and _columns(lines[-1]) + cell_len(row.note) + 2 <= _LABEL:
        lines[-1] += ((f"  {row.note}", "seq-note"),)
    elif row.note:
        lines.append(((row.note, "seq-note"),))
    return tuple(lines)


def _columns(line: _Line) -> int:
    return sum(cell_len(text) for text, _ in line)


def _length(line: _Line) -> float:
    return sum(_width(text) for text, _ in line)


def _width(text: str) -> float:
    squares = sum(cell_len(letter) == 2 for letter in text)
    return squares * _SQUARE + (cell_len(text) - 2 * squares) * _LETTER


# -- what is drawn --------------------------------------------------------------------------------------------------


def _classes(*names: str, bad: bool) -> str:
    return quoteattr(" ".join([*names, *(["seq-bad"] if bad else [])]))


def _plate(number: int, layout: _Layout) -> str:
    """The ground under a row that is the fault."""
    top = layout.tops[number]
    return (
        f'<rect class="seq-plate" x="0" y="{top - 2:g}" width="{layout.width}" '
        f'height="{layout.bottom(number) - top:g}" rx="4"/>'
    )


def _lane(lane: Lane, diagram: Diagram, layout: _Layout) -> str:
    x, (left, wide) = layout.middles[lane.key], layout.boxes[lane.key]
    kind = _classes("seq-lane", f"seq-lane-{lane.kind}", bad=lane.bad)
    first = 18 if lane.detail else 26
    detail = f'<text class="seq-detail" x="{x:g}" y="35" text-anchor="middle">{escape(lane.detail)}</text>'
    return (
        f"<g class={kind} data-lane={quoteattr(lane.key)}>{_life(lane, diagram, layout)}"
        f'<rect class="seq-head" x="{left:g}" y="4" width="{wide:g}" height="{_HEAD - 4}" rx="5"/>'
        f'<text class="seq-title" x="{x:g}" y="{first}" text-anchor="middle">{escape(lane.title)}</text>'
        f"{detail if lane.detail else ''}</g>"
    )


def _life(lane: Lane, diagram: Diagram, layout: _Layout) -> str:
    """The line below a lane's head, where it is there and alive."""
    x, y = layout.middles[lane.key], float(_HEAD)
    drawn = []
    for period in (p for p in diagram.periods if p.lane == lane.key and p.kind in ("absent", "dead")):
        top, bottom = _reach(period, layout)
        drawn += [_line("seq-life", x, y, top)] if period.kind == "dead" else []
        y = bottom
    return "".join([*drawn, _line("seq-life", x, y, layout.height - 4.0)])


def _line(kind: str, x: float, top: float, bottom: float) -> str:
    return f'<line class="{kind}" x1="{x:g}" y1="{top:g}" x2="{x:g}" y2="{bottom:g}"/>' if bottom > top else ""


def _reach(period: Period, layout: _Layout) -> tuple[float, float]:
    """Where a period begins and ends, from the mark that begins it to the mark that ends it."""
    if period.kind == "absent":
        return float(_HEAD), layout.tops[period.last + 1]
    whole = period.last + 1 == len(layout.tops)
    return layout.tops[period.first] + 8, layout.height - 4.0 if whole else layout.tops[period.last] + 8


def _period(period: Period, layout: _Layout) -> str:
    x = layout.middles.get(period.lane)
    if x is None or period.kind == "absent":
        return ""
    top, bottom = _reach(period, layout)
    if period.kind == "dead":
        drawn = _line("seq-period-dead", x, top, bottom)
        return drawn.replace("<line", f"<line data-lane={quoteattr(period.lane)}", 1)
    return (
        f'<rect class="seq-period-{period.kind}" data-lane={quoteattr(period.lane)} x="{x - 4.5:g}" y="{top:g}" '
        f'width="9" height="{max(bottom - top, 1):g}"/>'
    )


def _row(row: Row, number: int, layout: _Layout) -> str:
    match row:
        case Arrow():
            return _arrow(row, number, layout)
        case Mark():
            return _mark(row, number, layout)
    return _band(row, number, layout)


def _place(row: Row, number: int) -> str:
    return f'data-row="{number}" data-step="{row.step}"'


def _text(lines: tuple[_Line, ...], x: float, top: float, anchor: str) -> str:
    """A label of one line or several; `anchor` is start, middle or end."""
    drawn = []
    for number, line in enumerate(lines):
        pieces = "".join(f"<tspan{_class(name)}>{escape(text)}</tspan>" for text, name in line)
        y = top + 11 + number * _LINE
        drawn.append(f'<text class="seq-label" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{pieces}</text>')
    return "".join(drawn)


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _arrow(row: Arrow, number: int, layout: _Layout) -> str:
    x1, x2 = layout.middles[row.start], layout.middles[row.end]
    lines, top = layout.lines[number], layout.tops[number]
    y = top + len(lines) * _LINE + 6
    half = max(map(_length, lines)) / 2
    middle = min(max((x1 + x2) / 2, half + 8), layout.width - half - 8)
    towards = 1 if x2 > x1 else -1
    end = x2 - towards * (22 if row.fate == "lost" else 8)
    fate = [] if row.fate == "arrives" else [f"seq-{row.fate}"]
    return (
        f"<g class={_classes('seq-row', 'seq-arrow', f'seq-{row.kind}', *fate, bad=row.bad)} {_place(row, number)} "
        f"data-from={quoteattr(row.start)} data-to={quoteattr(row.end)}>"
        f'<line class="seq-wire" x1="{x1:g}" y1="{y:g}" x2="{end:g}" y2="{y:g}"/>'
        f"{_tip(row, x2, y, towards)}{_text(lines, middle, top, 'middle')}</g>"
    )


def _tip(row: Arrow, x: float, y: float, towards: int) -> str:
    """The arrow's head, or a cross where it was lost."""
    if row.fate == "lost":
        at = x - towards * 16
        cross = f"M{at - 6:g} {y - 6:g}l12 12M{at - 6:g} {y + 6:g}l12 -12"
        return f'<path class="seq-cross" d="{cross}"/>'
    return f'<path class="seq-tip" d="M{x:g} {y:g}l{-towards * 10} -5v10z"/>'


def _mark(row: Mark, number: int, layout: _Layout) -> str:
    lines, top = layout.lines[number], layout.tops[number]
    middles = sorted(layout.middles[key] for key in row.lanes)
    y = top + len(lines) * _LINE / 2
    wide = max(map(_length, lines))
    if middles[-1] + 12 + wide <= layout.width:
        label = _text(lines, middles[-1] + 12, top, "start")
    else:
        label = _text(lines, middles[0] - 12, top, "end")
    dots = "".join(f'<circle class="seq-dot" cx="{x:g}" cy="{y:g}" r="6"/>' for x in middles)
    return (
        f"<g class={_classes('seq-row', 'seq-mark', f'seq-mark-{row.kind}', bad=row.bad)} {_place(row, number)} "
        f"data-lanes={quoteattr(' '.join(row.lanes))}>{dots}{label}</g>"
    )


def _band(row: Band, number: int, layout: _Layout) -> str:
    lines, top = layout.lines[number], layout.tops[number]
    y = top + len(lines) * _LINE / 2
    return (
        f"<g class={_classes('seq-row', 'seq-band', f'seq-{row.kind}', bad=row.bad)} {_place(row, number)}>"
        f'<line x1="4" y1="{y:g}" x2="{layout.width - 4}" y2="{y:g}"/>'
        f"{_text(lines, layout.width / 2, top, 'middle')}</g>"
    )
