"""pytest's side of the reports: gathers the verdicts of `pytest --target` from all workers into one record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatecrash.engine.events import EngineFailed, RuleJudged, RunEvent, WorkerLost
from gatecrash.engine.properties import properties
from gatecrash.engine.references import build_of
from gatecrash.engine.run import Run, lost
from gatecrash.errors import GatecrashError
from gatecrash.model.verdicts import Verdict
from gatecrash.reports import short
from gatecrash.reports.formats import Report
from gatecrash.results import exit_codes
from gatecrash.results.baseline import Baseline
from gatecrash.results.mending import ToMend, to_mend
from gatecrash.results.record import RunRecord, judgements
from gatecrash.text import safe_text

#: Under this name a test keeps its verdicts, as JSON, among its report's user_properties.
PROPERTY = "gatecrash"
#: A report has this attribute when its failure is a broken rule, and not a fault of ours.
TOLD = "gatecrash_told"


class Gatherer:
    """Turns every test's report into the events of a run, and writes the reports at the end of the session.

    pytest decides which test runs where; what is told of a target, and made of it, is what `gatecrash check` tells.
    """

    def __init__(self, run: Run, reports: tuple[Report, ...]) -> None:
        self.run = run
        self.reports = reports
        self._verdicts: list[Verdict] = []
        self._heard = False
        self._to_mend: tuple[ToMend, ...] = ()

    def hear(self, event: RunEvent) -> None:
        """Take one event in."""
        self._heard = True
        if isinstance(event, RuleJudged):
            self._verdicts += event.verdicts
        self.run.recorder.hear(event)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hear what one test's report says."""
        for event in events_of(report):
            self.hear(event)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """A worker of pytest-xdist that died costs the rule it was trying its verdict, and nobody broke that rule."""
        tried = _rule_tried_in(crashitem)
        if tried is None:
            return
        build, how = build_of(crashitem), f"a worker of pytest ended while it tried {tried}"
        self.hear(WorkerLost(tried, build, how))
        verdicts = lost(tried, build, how)
        self.hear(RuleJudged(tried, build, verdicts))
        report.outcome = "skipped"
        report.longrepr = (crashitem.partition("::")[0], 0, f"Skipped: {tried} inconclusive: {how}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the reports, and end as `gatecrash check` does."""
        if not self._heard:
            return
        record = self.record(interrupted=exitstatus == pytest.ExitCode.INTERRUPTED)
        self._to_mend = to_mend(record)
        for report in self.reports:
            report.write(record)
        code = exit_codes.of_tests(exitstatus, record, strict=self.run.request.strict)
        if code != exitstatus:
            session.exitstatus = code

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name what holds again, where the reports are, and what to mend first."""
        for rule in self._fixed():
            terminalreporter.write_line(f"{rule} holds again: remove it from the baseline")
        for report in self.reports:
            terminalreporter.write_line(safe_text(f"{report.format} report: {report.path}"))
        for line in short.first_lines(self._to_mend, self.run.request.named, "check"):
            terminalreporter.write_line(line)

    def record(self, *, interrupted: bool) -> RunRecord:
        """The record of what was heard, as `gatecrash check` makes it."""
        try:
            self.hear(self.run.prepare())  # what a worker has built and discovered is read
        except GatecrashError as error:  # every test has failed for this one reason
            return self.run.failed(error)
        return self.run.record(interrupted=interrupted)

    def _fixed(self) -> list[str]:
        judged = judgements(self._verdicts, self.run.request.rules)
        return [one.rule for one in (self.run.request.baseline or Baseline()).fixed(j.verdict for j in judged)]


def _rule_tried_in(test: str) -> str | None:
    """The rule of a suite's test, by its node id; None for a test that is none of the suites'."""
    file, _, name = test.partition("::")
    place = "/".join(Path(file).with_suffix("").parts[-2:])
    name = name.partition("[")[0]
    return next((one.rule for one in properties() if (one.place, one.name) == (place, name)), None)


def events_of(report: pytest.TestReport) -> Iterator[EngineFailed | RuleJudged]:
    """What a report says of a run: the verdicts of a test are complete when its fixtures have ended."""
    if report.failed and not getattr(report, TOLD, False):
        yield EngineFailed(report.longreprtext)
    if report.when == "teardown":
        rows = [row for name, row in report.user_properties if name == PROPERTY]
        for verdict in (Verdict.from_json(json.loads(str(row))) for row in rows):
            yield RuleJudged(verdict.rule, verdict.build, (verdict,))
