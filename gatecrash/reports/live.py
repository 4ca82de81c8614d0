"""Reports that are written while the run goes on, for those who look at them meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gatecrash.engine.events import RuleJudged, RunEvent, TargetPrepared
from gatecrash.reports import formats
from gatecrash.reports.formats import Report
from gatecrash.results.record import RunRecord


class LiveReports:
    """Hears a run, and writes those of its reports anew that are live; `known` is its record as it stands."""

    def __init__(self, reports: Iterable[Report], known: Callable[[], RunRecord]) -> None:
        self._reports = tuple(report for report in reports if report.live)
        self._known = known

    def hear(self, event: RunEvent) -> None:
        """Write them when the target is known, and after every rule."""
        if self._reports and isinstance(event, TargetPrepared | RuleJudged):
            formats.write_all(self._reports, self._known(), lambda _: None)  # the last time it is told
