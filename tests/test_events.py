"""The one stream of events of a run: what comes in which order, and who may end it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatecrash.engine import worker_pool
from gatecrash.engine.events import (
    EngineFailed,
    Events,
    Finished,
    Interrupted,
    RuleJudged,
    RuleStarted,
    RunEvent,
    TargetPrepared,
    WorkerLost,
    listen,
)
from gatecrash.engine.recorder import Recorder
from gatecrash.engine.run import Run
from gatecrash.engine.run_request import RunRequest
from gatecrash.engine.worker_pool import Result, WorkItem, work_items
from gatecrash.model.contract import Contract
from gatecrash.model.launch import Launch
from gatecrash.model.prepared import Prepared
from gatecrash.model.verdicts import Finding, Verdict
from gatecrash.pytest_plugin.reports import PROPERTY, TOLD, events_of
from gatecrash.reports.formats import Report
from gatecrash.reports.live import LiveReports
from gatecrash.results.record import RunRecord
from gatecrash.rulebook import load
from tests.ci_records import failure, record_of

RULES = ("STREAM-01", "STREAM-02")
PREPARED = TargetPrepared(Prepared("echo", Contract(protocol="echo"), {"plain": Launch((), Path())}), {"gates": "no"})
REQUEST = RunRequest("echo.py", tuple(load().get(rule) for rule in RULES))


def item(rule: str) -> WorkItem:
    return next(one for one in work_items([rule], ["plain"]) if one.rule == rule)


def a_run(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *told: RuleStarted | Result, request: RunRequest = REQUEST
) -> Run:
    """A run whose target is an echo, and whose workers say this."""
    monkeypatch.setattr(worker_pool.WorkerPool, "__enter__", lambda workers: workers)
    monkeypatch.setattr(worker_pool.WorkerPool, "results", lambda workers, work, **_: (one for one in told))
    monkeypatch.setattr(Run, "prepare", lambda run: PREPARED)
    return Run(request, folder)


def passed(rule: str) -> Result:
    return Result(item(rule), (Verdict(rule, "pass"),))


def kinds(events: list[RunEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_a_run_prepares_tries_each_rule_and_finishes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = (RuleStarted("STREAM-01", "plain"), passed("STREAM-01"))
    second = (RuleStarted("STREAM-02", "plain"), passed("STREAM-02"))
    heard: list[RunEvent] = []
    record = listen(a_run(monkeypatch, tmp_path, *first, *second).events(), heard.append)
    judged = ["RuleStarted", "RuleJudged"]
    assert kinds(heard) == ["TargetPrepared", *judged, *judged, "Finished"]
    assert heard[-1] == Finished(record)
    assert record.summary["pass"] == 2
    assert record.missing == {"gates": "no"}
    assert not record.interrupted


def test_a_lost_worker_is_told_before_its_rule_and_costs_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    how = "a worker ended (SIGKILL) while it tried STREAM-01"
    heard: list[RunEvent] = []
    run = a_run(monkeypatch, tmp_path, Result(item("STREAM-01"), lost=how), passed("STREAM-02"))
    record = listen(run.events(), heard.append)
    assert heard[1] == WorkerLost("STREAM-01", "plain", how)
    assert kinds(heard[2:]) == ["RuleJudged", "RuleJudged", "Finished"]
    assert {one.rule.id: one.verdict.outcome for one in record.judgements} == {
        "STREAM-01": "inconclusive",
        "STREAM-02": "pass",
    }
    assert record.fault is None


def test_a_fault_of_ours_is_told_and_is_the_records(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    heard: list[RunEvent] = []
    run = a_run(monkeypatch, tmp_path, Result(item("STREAM-01"), fault="Traceback: a bug"), passed("STREAM-02"))
    record = listen(run.events(), heard.append)
    assert EngineFailed("Traceback: a bug") in heard
    assert record.fault == "Traceback: a bug"


def test_a_rule_that_nobody_spoke_of_is_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    record = listen(a_run(monkeypatch, tmp_path, passed("STREAM-01")).events())
    assert record.fault == "no verdict for STREAM-02"


def test_the_first_broken_rule_ends_a_run_that_wants_no_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = Result(item("STREAM-01"), (Verdict("STREAM-01", "fail", finding=Finding("STREAM-01", "a", "b")),))
    request = RunRequest("echo.py", REQUEST.rules, fail_fast=True)
    record = listen(a_run(monkeypatch, tmp_path, broken, passed("STREAM-02"), request=request).events())
    assert [one.rule.id for one in record.judgements] == ["STREAM-01"]
    assert (record.interrupted, record.fault) == (False, None)


@pytest.mark.parametrize("met", [TargetPrepared, RuleJudged])
def test_an_interrupt_that_meets_a_listener_ends_the_run_with_what_is_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, met: type[RunEvent]
) -> None:
    heard: list[RunEvent] = []

    def interrupted(event: RunEvent) -> None:
        heard.append(event)
        if isinstance(event, met):
            raise KeyboardInterrupt

    run = a_run(monkeypatch, tmp_path, passed("STREAM-01"), passed("STREAM-02"))
    record = listen(run.events(), interrupted)
    assert kinds(heard[-2:]) == ["Interrupted", "Finished"]
    assert record.interrupted
    assert record.summary["pass"] == (1 if met is RuleJudged else 0)


def test_an_interrupt_that_meets_the_run_itself_is_told_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def results(*_: object, **__: object) -> Iterator[Result]:
        yield passed("STREAM-01")
        raise KeyboardInterrupt

    run = a_run(monkeypatch, tmp_path)
    monkeypatch.setattr(worker_pool.WorkerPool, "results", results)
    heard: list[RunEvent] = []
    assert listen(run.events(), heard.append).summary["pass"] == 1
    assert Interrupted() in heard


def test_a_listener_that_fails_ends_the_stream() -> None:
    ended: list[str] = []

    def events() -> Events:
        try:
            yield PREPARED
        finally:
            ended.append("workers")

    def fails(event: RunEvent) -> None:
        raise OSError("the report cannot be written")

    with pytest.raises(OSError, match="cannot be written"):
        listen(events(), fails)
    assert ended == ["workers"]


def test_while_a_run_goes_on_its_record_is_unfinished() -> None:
    recorder = Recorder(REQUEST)
    for event in (PREPARED, RuleJudged("STREAM-01", "plain", (Verdict("STREAM-01", "pass"),))):
        recorder.hear(event)
    assert recorder.record(interrupted=True).interrupted
    assert recorder.forgotten() == ["STREAM-02"]


def test_a_live_report_is_written_when_the_target_is_known_and_after_each_rule(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written: list[tuple[str, RunRecord]] = []
    monkeypatch.setattr(Report, "write", lambda report, record: written.append((report.format, record)))
    record = record_of(failure())
    live = LiveReports([Report("json", tmp_path / "a"), Report("gradescope", tmp_path / "b")], lambda: record)
    for event in (PREPARED, RuleStarted("STREAM-01", "plain"), RuleJudged("STREAM-01", "plain", ()), Finished(record)):
        live.hear(event)
    assert written == [("gradescope", record), ("gradescope", record)]


def report_of(outcome: str, when: str, *, verdict: Verdict | None = None) -> pytest.TestReport:
    rows = [] if verdict is None else [(PROPERTY, json.dumps(verdict.to_json()))]
    return pytest.TestReport(
        nodeid="suites/test_x.py::test_x",
        location=("suites/test_x.py", 1, "test_x"),
        keywords={},
        outcome=outcome,  # type: ignore[arg-type]
        longrepr="Traceback: a bug" if outcome == "failed" else None,
        when=when,  # type: ignore[arg-type]
        user_properties=rows,
    )


def test_a_tests_report_becomes_the_events_of_a_run() -> None:
    verdict = failure()
    assert list(events_of(report_of("passed", "call", verdict=verdict))) == []
    told = list(events_of(report_of("passed", "teardown", verdict=verdict)))
    assert [(type(one), one.rule, one.build) for one in told if isinstance(one, RuleJudged)] == [
        (RuleJudged, verdict.rule, verdict.build)
    ]
    assert list(events_of(report_of("failed", "call"))) == [EngineFailed("Traceback: a bug")]


def test_a_test_that_a_broken_rule_failed_is_no_fault_of_ours() -> None:
    report = report_of("failed", "call")
    setattr(report, TOLD, True)
    assert list(events_of(report)) == []
