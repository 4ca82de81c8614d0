"""pytest's side of the reports: gathers the verdicts of `pytest --target` from all workers into one record."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatecrash.engine.events import EngineFailed, RuleJudged, RunEvent, WorkerLost
from gatecrash.engine.properties import properties
from gatecrash.engine.references import build_of
from gatecrash.engine.run import Run, lost
from gatecrash.errors import GatecrashError
from gatecrash.model.verdicts import Verdict
from gatecrash.reports import formats, short
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
        self._written: list[Report] = []
        self._complaints: list[str] = []
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
        self._written = formats.write_all(self.reports, record, self._complaints.append)
        code = exit_codes.of_tests(exitstatus, record, strict=self.run.request.strict)
        if code == pytest.ExitCode.OK and len(self._written) < len(self.reports):
            code = pytest.ExitCode.USAGE_ERROR  # the same number as that of `exit_codes.of_files`
        if code != exitstatus:
            session.exitstatus = code

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Name what holds again, where the reports are, why nothing was judged, and what to mend first."""
        if not self._heard and not config.option.collectonly:
            terminalreporter.write_line(safe_text(_nothing_judged(config)))
        for complaint in self._complaints:
            terminalreporter.write_line(safe_text(complaint))
        for rule in self._fixed():
            terminalreporter.write_line(f"{rule} holds again: remove it from the baseline")
        for report in self._written:
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


#: Settings of a folder (pytest's reference, "Configuration Options") that decide which tests there are, where they are
#: not what pytest has without them.
_DECIDING = {
    "addopts": [],
    "python_files": ["test_*.py", "*_test.py"],
    "python_functions": ["test"],
    "python_classes": ["Test"],
}


def _nothing_judged(config: pytest.Config) -> str:
    """Where it comes from that pytest has run none of the suites."""
    said = f"Nothing was judged: pytest ran none of Gatecrash's suites. It was given {_given(config)}"
    if config.inipath is None:
        return f"{said}."
    settings = {name: config.getini(name) for name in _DECIDING}
    set_here = [
        f"{name} = {' '.join(value)}" for name, value in settings.items() if list(value) != list(_DECIDING[name])
    ]
    return (
        f"{said}; and {config.inipath} says {', '.join(set_here) or 'nothing of which tests there are'}. "
        "`pytest -c /dev/null` leaves that file out, and `gatecrash check` never reads it."
    )


def _given(config: pytest.Config) -> str:
    more = os.environ.get("PYTEST_ADDOPTS", "")
    return " ".join(config.invocation_params.args) + (f", and PYTEST_ADDOPTS {more}" if more else "")


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
