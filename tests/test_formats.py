"""Reports: refused before anything runs, written whole or not at all, and written also when nothing was judged."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gatecrash import __version__
from gatecrash.errors import UsageError
from gatecrash.model.contract import Contract
from gatecrash.model.prepared import Prepared
from gatecrash.paths import tree_root
from gatecrash.reports import formats
from gatecrash.results import last_run
from gatecrash.results.record import RunRecord

EMPTY = RunRecord("server.c", Prepared("server.c", Contract(), {}), {}, (), 1.0, "quick")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("yaml=x", ["yaml", "json"]),
        ("jsn=x", ["Did you mean json?"]),
        ("json", ["FORMAT=FILE"]),
        ("json=", ["FORMAT=FILE"]),
        ("json=no/such/folder/x", ["there is no folder no/such/folder"]),
        ("json=.", ["it is a folder"]),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(text: str, words: list[str]) -> None:
    with pytest.raises(UsageError) as refused:
        formats.requested(text)
    assert all(word in str(refused.value) for word in words)


def test_every_format_has_a_module_that_renders() -> None:
    for name in formats.FORMATS:
        assert callable(formats.Report(name, Path("x")).module.render)


def test_a_report_replaces_the_file_at_once_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")
    path.chmod(0o640)
    formats.requested(f"json={path}").write(EMPTY)
    assert json.loads(path.read_text())["target"] == "server.c"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["result.json"]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    formats.Report("json", Path(f"/dev/fd/{writing}")).write(EMPTY)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert json.loads(pipe.read())["gatecrash"]


def test_a_target_that_does_not_build_still_has_a_report(tmp_path: Path) -> None:
    source, report = tmp_path / "broken.py", tmp_path / "result.json"
    source.write_text("def :\n")
    command = [sys.executable, "-P", "-m", "gatecrash", "check", str(source), f"--report=json={report}"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 6
    saved = json.loads(report.read_text())
    assert "is not Python" in saved["error"]
    assert saved["verdicts"] == []


@pytest.mark.slow
def test_a_run_is_remembered_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tree_root() / "servers" / "faulty" / "echo_once.c"
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-P", "-m", "gatecrash", "check", str(target), "--only=STREAM"]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    remembered = last_run.load(str(target))
    assert remembered.record.named == str(target)
    assert remembered.record.broken
    scenario, verdict = remembered.broken(remembered.record.broken[0].rule.id)
    assert verdict.transcript is not None
    assert verdict.transcript.scenario == scenario
    monkeypatch.chdir(tmp_path)
    assert last_run.load(None) == remembered
    with pytest.raises(UsageError, match=r"did not break LIFE-01; it broke"):
        remembered.broken("LIFE-01")


@pytest.mark.parametrize("saved", ['{"gatecrash": "0.0.0"}', f'{{"gatecrash": "{__version__}"}}', "{", "[]"])
def test_a_run_that_cannot_be_read_is_not_remembered(
    saved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "gatecrash").mkdir()
    (tmp_path / "gatecrash" / "last.json").write_text(saved)
    with pytest.raises(UsageError, match="no run of any target is remembered"):
        last_run.load(None)
