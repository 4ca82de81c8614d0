"""How far a class is, to be looked at while it is judged. No console, no clock of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction

from rich.cells import cell_len
from rich.text import Text

from gatecrash.grading.class_run import ClassEvent, Graded, Opened, Started
from gatecrash.grading.summary import TENTHS, Student, Summary
from gatecrash.language import say
from gatecrash.results.grading import shown
from gatecrash.text import safe_text

_WIDTH = 24  # cells of the bar: with what is told beside it a line fits into 80
_MOST_BROKEN = 8  # rules that a line names
_SHADES = " ▁▂▃▄▅▆▇█"


class Board:
    """Hears a class being judged, with the seconds since that began."""

    def __init__(self, ids: Mapping[str, str] | None = None) -> None:
        """`ids`: what is shown of an id, if not all of it."""
        self._ids = ids or {}
        self._total = self._before = 0
        self._done = 0
        self._scored: Counter[int] = Counter()  # by the tenth of the points
        self._points_of_all = self._maximum = Fraction()
        self._under_way: dict[str, float] = {}

    def hear(self, event: ClassEvent, now: float) -> None:
        """Take one event in."""
        match event:
            case Opened():
                self._total, self._before = event.waiting, event.total - event.waiting
            case Started():
                self._under_way[event.submission.id] = now
            case Graded():
                self._under_way.pop(event.student.submission.id, None)
                if not event.again:
                    self._count(event.student.summary)

    def _count(self, summary: Summary | None) -> None:
        self._done += 1
        if summary is not None and summary.scored:
            self._scored[summary.tenth] += 1
            self._points_of_all += summary.points
            self._maximum = summary.maximum

    @property
    def counted(self) -> str:
        """How many are done, of how many."""
        total = str(self._total)
        return f"{self._done:>{len(total)}}/{total}"

    def lines(self, now: float) -> Text:
        """The bar, the rate and the time left; what is under way; how the points fall so far."""
        done = self._done
        filled = _WIDTH * done // self._total if self._total else _WIDTH
        bar = Text.assemble(("█" * filled, "green"), ("░" * (_WIDTH - filled), "dim"))
        text = Text.assemble("  ", bar, f"  {self._told(now)}\n")
        busy = ", ".join(
            f"{safe_text(self._ids.get(id, id))} ({now - since:.0f} s)" for id, since in self._under_way.items()
        )
        text.append(f"  {busy}\n", "dim")
        text.append(f"  {self._points()}", "dim")
        text.no_wrap, text.overflow = True, "ellipsis"
        return text

    def _told(self, now: float) -> str:
        done = self._done
        if not done:
            return say("{done} of {total} judged", done=done, total=self._total)
        return say(
            "{done} of {total} judged, {rate} s each, {left} left",
            done=done,
            total=self._total,
            rate=f"{now / done:.1f}",
            left=_time(now / done * (self._total - done)),
        )

    def _points(self) -> str:
        scored = self._scored.total()
        if not scored:
            return ""
        most = max(self._scored.values())
        drawn = "".join(_SHADES[-(-8 * self._scored[step] // most)] for step in range(TENTHS + 1))
        mean = self._points_of_all / scored
        return say("points 0 {drawn} {most}, mean {mean}", drawn=drawn, most=shown(self._maximum), mean=shown(mean))


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def line(student: Student, *, longest: int, id: str | None = None) -> str:
    """One line for a submission that is done with.

    `longest`: the cells of a terminal that the longest id takes; `id`: what is shown of its own, if not all of it.
    """
    summary = student.summary
    id = safe_text(student.submission.id if id is None else id)
    id += " " * (longest - cell_len(id))
    if summary is None or not summary.scored:
        return say("{id}  no score: {why}", id=id, why=_first(str(student.why_no_score)))
    points = f"{shown(summary.points):>6} / {shown(summary.maximum)}"
    if summary.error:
        return f"{id}  {points}  {_first(summary.error)}"
    return f"{id}  {points}  {_broken(summary.broken)}"


def _broken(rules: tuple[str, ...]) -> str:
    if not rules:
        return say("nothing is broken")
    more = [say("and {count} more", count=len(rules) - _MOST_BROKEN)] if len(rules) > _MOST_BROKEN else []
    return say("broken: {rules}", rules=" ".join((*rules[:_MOST_BROKEN], *more)))


def _first(text: str) -> str:
    """The first line; where that announces the next one ("It says:"), without the sentence that does."""
    line = safe_text(text.strip().partition("\n")[0])
    before, stop, _ = line.rpartition(". ") if line.endswith(":") else ("", "", "")
    return before + stop.strip() or line
