"""What stands in the way of telling costs no verdict, and what the user asked for in vain is the user's affair."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatecrash import cli
from gatecrash.engine.run import Run
from gatecrash.errors import ArenaRefused
from gatecrash.paths import tree_root
from gatecrash.reports import formats
from gatecrash.sandbox.arena import Arena
from tests.test_pytest_side import run_pytest

SERVER = tree_root() / "servers" / "faulty" / "echo_adds_newline.py"
RIGHT = tree_root() / "servers" / "c" / "echo_fork.c"
HOSTILE_SETTINGS = "[pytest]\naddopts = -k nothing\npython_files = x_*.py\ntestpaths = nowhere\n"
REFUSED_HERE = """
from gatecrash.errors import ArenaRefused
from gatecrash.sandbox.arena import Arena
def refuse(self):
    raise ArenaRefused("an arena of kind namespace", "Operation not permitted")
Arena._greet = refuse
"""


def check(
    folder: Path, *arguments: str, stdout: int | str = subprocess.PIPE, of: Path = SERVER
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "gatecrash", "check", str(of), "--only=STREAM-02", *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder), "GATECRASH_LANG": "en"}
    with open(stdout if isinstance(stdout, str) else os.devnull, "w") as file:
        out = file if isinstance(stdout, str) else stdout
        return subprocess.run(
            command, cwd=folder, env=environment, stdout=out, stderr=subprocess.PIPE, text=True, check=False
        )


def test_reports_that_cannot_be_written_cost_a_sentence_each_and_the_others_are_written(tmp_path: Path) -> None:
    places = ["json=/dev/full", "junit=/dev/full", "html=/dev/full"]
    done = check(tmp_path, *(f"--report={place}" for place in places), "--report=sarif=found.sarif")
    assert done.returncode == 1
    told = done.stderr.splitlines()
    assert len(told) == len(places)
    assert told == ["gatecrash: the report /dev/full could not be written: No space left on device."] * len(places)
    assert "STREAM-02" in (tmp_path / "found.sarif").read_text()


@pytest.mark.parametrize("kind", sorted(formats.FORMATS))
def test_a_report_into_a_folder_that_is_not_there_is_a_mistake_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    monkeypatch.setattr(Run, "events", lambda _: pytest.fail("it ran"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place, beside = tmp_path / "none" / "x", tmp_path / "beside.json"
    asked = ["--report", f"{kind}={place}", "--report", f"json={tmp_path}", "--report", f"json={beside}"]
    assert cli.main(["check", str(SERVER), *asked]) == 4
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert f"there is no folder {place.parent}" in told[0]
    assert f"{tmp_path} cannot be written: it is a folder" in told[1]
    assert not beside.exists()


def test_a_report_of_pytest_into_a_folder_that_is_not_there_is_a_mistake_before_anything_runs(tmp_path: Path) -> None:
    place = tmp_path / "none" / "x"
    done = run_pytest(tmp_path, f"--target={SERVER}", "--only=STREAM-02", f"--gatecrash-report=junit={place}")
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"there is no folder {place.parent}" in done.stderr
    assert "STREAM-02" not in done.stdout


@pytest.mark.parametrize("asked", ["--report=junit=/dev/full", "--report=gradescope=/dev/full"])
def test_a_run_that_would_be_a_success_is_none_without_its_report(tmp_path: Path, asked: str) -> None:
    done = check(tmp_path, asked, of=RIGHT)
    assert done.returncode == 4, done.stderr
    assert "/dev/full could not be written" in done.stderr
    assert check(tmp_path, of=RIGHT).returncode == 0


def test_a_run_of_pytest_that_would_be_a_success_is_none_without_its_report(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, f"--target={RIGHT}", "--only=STREAM-02", "--gatecrash-report=junit=/dev/full")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "the report /dev/full could not be written" in done.stdout
    assert "junit report:" not in done.stdout


def test_a_standard_output_that_is_full_costs_a_sentence(tmp_path: Path) -> None:
    done = check(tmp_path, stdout="/dev/full")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "gatecrash: standard output takes no more (No space left on device); the run goes on."
    ]


def test_a_report_that_pytest_cannot_write_costs_a_sentence(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, f"--target={SERVER}", "--only=STREAM-02", "--gatecrash-report=json=/dev/full")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the report /dev/full could not be written" in done.stdout


@pytest.mark.slow
def test_settings_of_a_folder_that_leave_no_test_are_named_and_check_never_reads_them(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text(HOSTILE_SETTINGS)
    done = run_pytest(tmp_path, f"--target={SERVER}", "--only=STREAM-02")
    assert done.returncode == 5
    assert f"{tmp_path / 'pytest.ini'} says addopts = -k nothing, python_files = x_*.py." in done.stdout
    assert "python_functions" not in done.stdout
    done = run_pytest(tmp_path, "-c", "/dev/null", f"--target={SERVER}", "--only=STREAM-02")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Nothing was judged" not in done.stdout
    assert check(tmp_path).returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize("target", ["nothing.c", "./no_program {port}", "127.0.0.1:99999"])
def test_a_target_that_is_not_there_is_one_line_of_pytest(tmp_path: Path, target: str) -> None:
    done = run_pytest(tmp_path, f"--target={target}")
    assert done.returncode == 4
    assert len((done.stdout + done.stderr).strip().splitlines()) == 1
    assert target.split()[0] in done.stderr


def test_an_arena_that_was_asked_for_and_is_refused_is_the_users_affair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "refusing_arena.py").write_text(REFUSED_HERE)
    done = run_pytest(tmp_path, "-p", "refusing_arena", f"--target={SERVER}", "--arena", "namespace", plugins=tmp_path)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "an arena of kind namespace is not available here: Operation not permitted" in done.stderr

    def refuse(arena: Arena) -> None:
        raise ArenaRefused(f"an arena of kind {arena.kind}", "Operation not permitted")

    monkeypatch.setattr(Arena, "_greet", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cli.main(["check", str(SERVER), "--arena", "namespace", "--only", "STREAM-02"]) == 4
    assert "an arena of kind namespace is not available here" in capsys.readouterr().err
