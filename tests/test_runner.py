"""Workers: who tries what, what a lost worker costs, and what an interrupted run still says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from gatecrash.engine import worker_pool as runner
from gatecrash.engine.events import RuleStarted
from gatecrash.engine.preparation import OpenTarget, SessionPool
from gatecrash.engine.profiles import Profile, profile
from gatecrash.engine.properties import Property, properties
from gatecrash.engine.run import lost
from gatecrash.engine.worker_pool import Result, WorkerPool, _batches, work_items
from gatecrash.model.verdicts import Verdict
from gatecrash.paths import tree_root
from gatecrash.rulebook import load

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
    def dies(one: Property, opened: OpenTarget, build: str, tried: Profile, **_: bool) -> tuple[Verdict, ...]:
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
    def dies(one: Property, opened: OpenTarget, build: str, tried: Profile, **_: bool) -> tuple[Verdict, ...]:
        os._exit(7)

    monkeypatch.setattr(runner, "try_property", dies)
    found = results_of(tmp_path, 1)
    assert {result.item.rule for result in found} == set(RULES)
    assert all(result.lost for result in found)


@FORKING
def test_when_all_workers_have_died_the_rest_is_said_to_be_untried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(one: Property, opened: OpenTarget, build: str, tried: Profile, **_: bool) -> tuple[Verdict, ...]:
        os._exit(7)

    monkeypatch.setattr(runner, "try_property", dies)
    monkeypatch.setattr(runner, "_MOST_REPLACED", 0)
    found = results_of(tmp_path, 1)
    assert {result.item.rule for result in found} == set(RULES)
    assert all(result.fault or result.lost for result in found)
    assert any(result.fault for result in found)


@FORKING
def test_an_exception_of_ours_is_told_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(one: Property, opened: OpenTarget, build: str, tried: Profile, **_: bool) -> tuple[Verdict, ...]:
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr(runner, "try_property", fails)
    for result in results_of(tmp_path, 1):
        assert result.fault is not None
        assert "ZeroDivisionError: a bug of ours" in result.fault


def served_to(monkeypatch: pytest.MonkeyPatch, log: Path, dies_at: str = "") -> None:
    """Each rule that is tried writes a line: it, its build, its worker, and whether it has a server of its own."""

    def notes(
        one: Property, opened: OpenTarget, build: str, tried: Profile, *, own_server: bool
    ) -> tuple[Verdict, ...]:
        with log.open("a") as file:
            file.write(f"{one.rule} {build} {os.getpid()} {own_server}\n")
        if (one.rule, build) == (dies_at, "sanitized"):
            os._exit(7)
        return (Verdict(one.rule, "pass", build=build),)

    monkeypatch.setattr(runner, "try_property", notes)
    monkeypatch.setattr(SessionPool, "open", lambda pool, target, build: FakeTarget())


class FakeTarget:
    """Where nothing is tried in earnest."""

    class prerequisites:
        learn = staticmethod(lambda hidden: None)


def tried_in(folder: Path, rules: Iterable[str]) -> tuple[list[str], list[list[str]]]:
    """What a run of both builds says of each rule as it comes, and what the workers have noted."""
    with WorkerPool(folder, lambda: SessionPool(folder), ECHO, profile("glance"), jobs=2) as workers:
        said = [
            f"{one.rule} {one.build} starts" if isinstance(one, RuleStarted) else f"{one.item.rule} {one.item.build}"
            for one in workers.results(work_items(rules, ("plain", "sanitized")))
        ]
    return said, [line.split() for line in (folder / "log").read_text().splitlines()]


@FORKING
def test_where_only_the_sanitizers_speak_several_rules_share_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served_to(monkeypatch, tmp_path / "log")
    rules = [one.rule for one in properties()]
    said, noted = tried_in(tmp_path, rules)
    wanted = [f"{rule} {build}" for build in ("plain", "sanitized") for rule in rules]
    assert sorted(line for line in said if not line.endswith("starts")) == sorted(wanted)
    assert sorted(line for line in said if line.endswith("starts")) == sorted(f"{line} starts" for line in wanted)
    owners = {rule for rule, build, _, own in noted if build == "sanitized" and own == "True"}
    assert {rule for rule in rules if load().get(rule).area == "memory"} < owners
    assert len(owners) < len(rules) / 3
    assert all(own == "True" for _, build, _, own in noted if build == "plain")
    batches = _batches(work_items(reversed(rules), ("plain", "sanitized"), first=("STREAM-02",)))
    assert {batch[0].rule for batch in batches if batch[0].build == "sanitized"} == owners  # whoever is tried first


@FORKING
def test_who_dies_in_the_middle_costs_its_own_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_stretch = next(b for b in _batches(work_items([p.rule for p in properties()], ["sanitized"])) if len(b) > 3)
    rules = [item.rule for item in at_a_stretch]
    served_to(monkeypatch, tmp_path / "log", dies_at=rules[1])
    said, noted = tried_in(tmp_path, rules)
    assert sorted(said) == sorted(
        f"{rule} {build}{end}" for rule in rules for build in ("plain", "sanitized") for end in ("", " starts")
    )
    of_sanitized = [(rule, worker, own) for rule, build, worker, own in noted if build == "sanitized"]
    first, second = of_sanitized[0][1], of_sanitized[-1][1]
    assert first != second
    assert of_sanitized == [
        (rules[0], first, "True"),
        (rules[1], first, "False"),
        (rules[2], second, "True"),
        *((rule, second, "False") for rule in rules[3:]),
    ]


@pytest.mark.slow
def test_an_interrupted_run_says_what_is_known(tmp_path: Path) -> None:
    target = tree_root() / "servers" / "faulty" / "answers_before_reading.c"
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
