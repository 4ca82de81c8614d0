"""During which rows a lane is frozen, held, not there yet, or dead."""

from __future__ import annotations

from collections.abc import Sequence

from gatecrash.diagrams.model import Arrow, Mark, MarkKind, Period, PeriodKind, Row

_BEGINS: dict[MarkKind, PeriodKind] = {
    "frozen": "frozen",
    "held": "held",
    "died": "dead",
    "zombie": "dead",
    "gone": "dead",
}
_ENDS: dict[MarkKind, PeriodKind] = {"thawed": "frozen", "released": "held", "started": "dead"}


def periods_of(rows: Sequence[Row]) -> tuple[Period, ...]:
    """The periods of all lanes, in the order in which they begin."""
    last = len(rows) - 1
    running: dict[tuple[str, PeriodKind], int] = {}
    found: list[Period] = []
    for number, row in enumerate(rows):
        if not isinstance(row, Mark):
            continue
        for lane in row.lanes:
            ends, begins = _ENDS.get(row.kind), _BEGINS.get(row.kind)
            if ends is not None and (first := running.pop((lane, ends), None)) is not None:
                found.append(Period(lane, ends, first, number))
            if begins is not None and lane != "children":
                running.setdefault((lane, begins), number)
    found.extend(Period(lane, kind, first, last) for (lane, kind), first in running.items())
    found.extend(_absences(rows))
    return tuple(sorted(found, key=lambda period: (period.first, period.lane, period.kind)))


def _absences(rows: Sequence[Row]) -> list[Period]:
    """A child is not there before the first row that shows it."""
    first: dict[str, int] = {}
    for number, row in enumerate(rows):
        keys = (row.start, row.end) if isinstance(row, Arrow) else row.lanes if isinstance(row, Mark) else ()
        for key in keys:
            first.setdefault(key, number)
    return [Period(key, "absent", 0, at - 1) for key, at in first.items() if key.startswith("child:") and at > 0]
