"""`pytest --target` writes the reports that `gatecrash check` writes, from every worker, and takes its baseline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatecrash.paths import tree_root
from gatecrash.results.exit_codes import ExitCode
from tests.test_pytest_side import COLLECT, SERVER, run_pytest

FORKS = tree_root() / "servers" / "python" / "echo_fork.py"
FAULTY = tree_root() / "servers" / "faulty" / "never_reaps.py"
QUICKLY = ("--only=FORK-02,FORK-01", "--profile=glance", "-q", "-p", "no:cacheprovider")


@pytest.mark.slow
def test_workers_verdicts_are_gathered_and_a_strict_run_wants_the_baseline_to_shrink(tmp_path: Path) -> None:
    (tmp_path / "known.toml").write_text(
        "[[known]]\nrule = 'FORK-02'\nreason = 'legacy'\n[[known]]\nrule = 'FORK-01'\n"
    )
    wanted = ("--gatecrash-report=json=run.json", "--gatecrash-report", "junit=run.xml", "--baseline", "known.toml")
    done = run_pytest(tmp_path, f"--target={FAULTY}", *QUICKLY, "-n2", "--strict-rules", *wanted)
    assert "1 passed, 1 xfailed" in done.stdout, done.stdout + done.stderr
    assert "FORK-01 holds again: remove it from the baseline" in done.stdout
    assert done.returncode == 1
    saved = json.loads((tmp_path / "run.json").read_text())
    assert {row["rule"]: row["verdict"] for row in saved["verdicts"]} == {"FORK-01": "pass", "FORK-02": "fail"}
    assert [one["reason"] for one in saved["baseline"]["known"]] == ["legacy"]
    assert (saved["fault"], saved["error"], saved["interrupted"]) == (None, None, False)
    assert saved["contract"]["concurrency"] == "fork"
    assert "known failure (baseline): legacy" in (tmp_path / "run.xml").read_text()


@pytest.mark.slow
def test_the_last_lines_name_what_to_mend_first(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, f"--target={FAULTY}", *QUICKLY, "-n2")
    said = done.stdout[done.stdout.index("Mend first: FORK-02  Finished children are reaped") :].splitlines()
    assert said[1].startswith("  ")
    assert said[2] == f"  gatecrash check {FAULTY} --only FORK-02"


@pytest.mark.slow
def test_a_target_that_does_not_build_is_an_error_in_the_report(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def :\n")
    report = "--gatecrash-report=json=run.json"
    done = run_pytest(tmp_path, f"--target={tmp_path / 'broken.py'}", *QUICKLY, report)
    assert done.returncode == ExitCode.NOT_STARTED, done.stdout + done.stderr
    saved = json.loads((tmp_path / "run.json").read_text())
    assert "is not Python" in saved["error"]
    assert saved["fault"] is None


KILLED = """
import os, signal
def pytest_runtest_call(item):
    if "PYTEST_XDIST_WORKER" in os.environ and "finished_children" in item.name:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_the_rule_it_tried_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "killed.py").write_text(KILLED)
    report = "--gatecrash-report=json=run.json"
    done = run_pytest(tmp_path, f"--target={FORKS}", *QUICKLY, "-n2", "-rs", report, "-p", "killed", plugins=tmp_path)
    saved = json.loads((tmp_path / "run.json").read_text())
    told = {row["rule"]: (row["verdict"], row["evidence"]) for row in saved["verdicts"]}
    reason = "nothing is known of it: a worker of pytest ended while it tried FORK-02"
    assert told == {"FORK-01": ("pass", None), "FORK-02": ("inconclusive", {"reason": reason})}
    assert (saved["fault"], saved["interrupted"]) == (None, False)
    assert "FORK-02 inconclusive: a worker of pytest ended while it tried FORK-02" in done.stdout
    assert done.returncode == ExitCode.CONFORMS, done.stdout + done.stderr


@pytest.mark.slow
def test_where_too_little_was_seen_pytest_says_so_too(tmp_path: Path) -> None:
    (tmp_path / "killed.py").write_text(KILLED)
    done = run_pytest(
        tmp_path, f"--target={FORKS}", "--only=FORK-02", *QUICKLY[1:], "-n2", "-p", "killed", plugins=tmp_path
    )
    assert done.returncode == ExitCode.TOO_LITTLE_SEEN, done.stdout + done.stderr


@pytest.mark.slow
def test_a_baseline_that_cannot_be_is_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "known.toml").write_text("[[known]]\nrule = 'FORK-2'\n")
    done = run_pytest(tmp_path, f"--target={SERVER}", "--baseline=known.toml", *COLLECT)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "known.toml, line 2: There is no rule 'FORK-2'" in done.stderr
    assert "Traceback" not in done.stderr
