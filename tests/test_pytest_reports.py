"""`pytest --target` writes the reports that `gatecrash check` writes, from every worker, and takes its baseline."""

from __future__ import annotations

import json
from pathlib import Path

from gatecrash.paths import tree_root
from tests.test_pytest_side import COLLECT, SERVER, run_pytest

FAULTY = tree_root() / "servers" / "faulty" / "never_reaps.py"
QUICKLY = ("--only=FORK-02,FORK-01", "--profile=glance", "-q", "-p", "no:cacheprovider")


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


def test_a_target_that_does_not_build_is_an_error_in_the_report(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def :\n")
    report = "--gatecrash-report=json=run.json"
    done = run_pytest(tmp_path, f"--target={tmp_path / 'broken.py'}", *QUICKLY, report)
    assert done.returncode == 1, done.stdout + done.stderr
    saved = json.loads((tmp_path / "run.json").read_text())
    assert "is not Python" in saved["error"]
    assert saved["fault"] is None


def test_a_baseline_that_cannot_be_is_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "known.toml").write_text("[[known]]\nrule = 'FORK-2'\n")
    done = run_pytest(tmp_path, f"--target={SERVER}", "--baseline=known.toml", *COLLECT)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "known.toml, line 2: There is no rule 'FORK-2'" in done.stderr
    assert "Traceback" not in done.stderr
