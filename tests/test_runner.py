"""Workers: who tries what, what a lost worker costs, and what an interrupted run still says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gatecrash.engine import worker_pool as runner
from gatecrash.engine.preparation import OpenTarget, SessionPool
from gatecrash.engine.profiles import Profile, profile
from gatecrash.engine.properties import Property, properties
from gatecrash.engine.run import lost
from gatecrash.engine.worker_pool import Result, WorkerPool, work_items
from gatecrash.model.verdicts import Verdict
from gatecrash.paths import tree_root

FORKING = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
ECHO = str(tree_root() / "servers" / "python" / "echo_fork.py")
RULES = ("ACC-01", "STREAM-01", "STREAM-02")


def test_every_property_of_the_rules_is_ordered_once_a_build() -> None:
    made = work_items(RULES, ("plain", "sanitized"))
    named = [one.rule for one in properties() if one.rule in RULES]
    assert [(item.rule, item.build) for item in made] == [(rule, b) for b in ("plain", "sanitized") for rule in named]


def test_the_rules_named_first_come_first() -> None:
    made = work_items(RULES, ("plain",), first=("STREAM-02",))
    assert made[0].rule == "STREAM-02"
    assert {item.rule for item in made} == set(RULES)


def results_of(folder: Path, jobs: int) -> list[Result]:
    with WorkerPool(folder, lambda: SessionPool(folder), ECHO, profile("glance"), jobs=jobs) as workers:
        return [one for one in workers.results(work_items(RULES, ("plain",))) if isinstance(one, Result)]


@FORKING
@pytest.mark.parametrize("jobs", [1, 2])
def test_each_order_has_one_result(tmp_path: Path, jobs: int) -> None:
    found = results_of(tmp_path, jobs)
    assert [result.fault for result in found] == [None] * len(found)
    assert sorted(v.rule for result in found for v in result.verdicts if v.outcome == "pass") == sorted(RULES)


@FORKING
def test_a_worker_that_dies_costs_its_order_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(one: Property, opened: OpenTarget, build: str, tried: Profile) -> tuple[Verdict, ...]:
        if one.rule == "STREAM-01":
            print("last words", flush=True)
            os._exit(7)
        return (Verdict(one.rule, "pass"),)

    monkeypatch.setattr(runner, "try_property", dies)
    found = {result.item.rule: result for result in results_of(tmp_path, 2)}
    assert set(found) == set(RULES)
    lost = found["STREAM-01"].lost
    assert "status 7" in lost
    assert "STREAM-01" in lost
    assert not any(result.fault for result in found.values())
    assert not any(found[rule].lost for rule in RULES if rule != "STREAM-01")


@FORKING
def test_another_worker_takes_the_place_of_one_that_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(one: Property, opened: OpenTarget, build: str, tried: Profile) -> tuple[Verdict, ...]:
        os._exit(7)

    monkeypatch.setattr(runner, "try_property", dies)
    found = results_of(tmp_path, 1)
    assert {result.item.rule for result in found} == set(RULES)
    assert all(result.lost for result in found)


@FORKING
def test_when_all_workers_have_died_the_rest_is_said_to_be_untried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(one: Property, opened: OpenTarget, build: str, tried: Profile) -> tuple[Verdict, ...]:
        os._exit(7)

    monkeypatch.setattr(runner, "try_property", dies)
    monkeypatch.setattr(runner, "_MOST_REPLACED", 0)
    found = results_of(tmp_path, 1)
    assert {result.item.rule for result in found} == set(RULES)
    assert all(result.fault or result.lost for result in found)
    assert any(result.fault for result in found)


@FORKING
def test_an_exception_of_ours_is_told_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(one: Property, opened: OpenTarget, build: str, tried: Profile) -> tuple[Verdict, ...]:
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr(runner, "try_property", fails)
    for result in results_of(tmp_path, 1):
        assert result.fault is not None
        assert "ZeroDivisionError: a bug of ours" in result.fault


@pytest.mark.slow
def test_an_interrupted_run_says_what_is_known(tmp_path: Path) -> None:
    target = tree_root() / "servers" / "faulty" / "lecture_fork_hello.c"
    report = tmp_path / "report.json"
    command = [sys.executable, "-P", "-m", "gatecrash", "check", str(target), "--profile=default", "--jobs=1"]
    run = subprocess.Popen(
        [*command, f"--report=json={report}"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    heard = ""
    for line in run.stdout:
        heard += line
        if "broken:" in line:
            run.send_signal(signal.SIGINT)
            break
    rest, errors = run.communicate(timeout=60)
    assert run.returncode == 2, heard + rest + errors
    assert "was not judged to the end: interrupted" in rest
    assert "The smallest client that shows it:" in rest
    assert "Traceback" not in rest + errors
    saved = json.loads(report.read_text())
    assert saved["interrupted"] is True
    assert saved["summary"]["fail"] >= 1


def test_a_worker_lost_on_a_second_build_costs_only_a_rule_that_is_judged_there() -> None:
    assert lost("ACC-02", "sanitized", "a worker ended") == ()
    assert [one.outcome for one in lost("MEM-01", "sanitized", "a worker ended")] == ["inconclusive"]
    assert [one.outcome for one in lost("ACC-02", "plain", "a worker ended")] == ["inconclusive"]
