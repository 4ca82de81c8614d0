"""`gatecrash init gradescope` writes a folder whose run_autograder really grades: right, wrong, unbuildable, empty."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gatecrash.commands import init
from gatecrash.commands.course import write_gradescope
from gatecrash.config.contract_file import read_contract, read_grading
from gatecrash.errors import UsageError
from gatecrash.paths import tree_root

SERVERS = tree_root() / "servers"
#: What a submission would write to give itself points, and to be another server.
OWN_WORD = "[contract]\nprotocol = 'udp'\n[grading]\ntotal = 9999\n[grading.levels]\nMUST = 0\nSHOULD = 1\n"


def made(folder: Path) -> Path:
    """An autograder as Gradescope lays it out; without the copy of the sources, which only setup.sh needs."""
    write_gradescope(folder / "source", force=False)
    shutil.rmtree(folder / "source" / "gatecrash", ignore_errors=True)
    contract = folder / "source" / "gatecrash.toml"
    told = contract.read_text().replace("# protocol", "protocol").replace("# concurrency", "concurrency")
    contract.write_text(told)
    (folder / "submission").mkdir()
    return folder


def graded(folder: Path, **environment: str) -> tuple[int, Any]:
    """Run the autograder; its exit code, and the results it left, if any."""
    command = folder / "gatecrash-command"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m gatecrash "$@"\n')
    command.chmod(0o755)
    given = {
        **os.environ,
        "GATECRASH": str(command),
        "GATECRASH_AUTOGRADER": str(folder),
        "GATECRASH_ARGUMENTS": "--only ACC-01,FORK-02 --jobs 1",
        "XDG_CACHE_HOME": str(folder / "cache"),
        **environment,
    }
    run = subprocess.run(
        [str(folder / "source" / "run_autograder")], env=given, capture_output=True, text=True, check=False
    )
    results = folder / "results" / "results.json"
    return run.returncode, json.loads(results.read_text()) if results.exists() else None


def test_the_scripts_are_executable_and_are_bash(tmp_path: Path) -> None:
    for path in write_gradescope(tmp_path / "hw3", force=False):
        if path.suffix in ("", ".sh"):
            assert os.access(path, os.X_OK)
            subprocess.run(["bash", "-n", str(path)], check=True)
            if shellcheck := shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"):
                subprocess.run([shellcheck, str(path)], check=True)
    assert (tmp_path / "hw3" / "gatecrash" / "pyproject.toml").is_file() or not (
        tree_root() / "pyproject.toml"
    ).exists()
    assert "@VERSION@" not in (tmp_path / "hw3" / "setup.sh").read_text()


def test_every_line_of_its_contract_is_right_also_those_left_out(tmp_path: Path) -> None:
    write_gradescope(tmp_path, force=False)
    path = tmp_path / "gatecrash.toml"
    scheme = read_grading(path)
    assert scheme is not None
    assert scheme.total == 100
    path.write_text(re.sub(r"^# (?=\[|[\w\"*-]+ = )", "", path.read_text(), flags=re.MULTILINE))
    scheme = read_grading(path)
    assert scheme is not None
    assert scheme.rules["FORK-02"] == 5
    assert scheme.hidden == ("memory", "RESP-2*")
    assert read_contract(path)[0].concurrency == "fork"


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("")
    with pytest.raises(UsageError, match="has files in it already"):
        write_gradescope(tmp_path, force=False)
    with pytest.raises(UsageError, match="is a file; name a folder"):
        write_gradescope(tmp_path / "notes", force=True)
    assert write_gradescope(tmp_path, force=True)


def test_init_takes_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    init.add(parser)
    assert init.run(parser.parse_args(["gradescope", "hw3"])) == 0
    assert "wrote hw3/run_autograder" in capsys.readouterr().out
    with pytest.raises(UsageError, match="one too many"):
        init.run(parser.parse_args(["server.c", "hw3"]))


@pytest.mark.slow
@pytest.mark.parametrize(("server", "score"), [("python/http_fork.py", 100), ("faulty/never_reaps.py", 50)])
def test_a_submission_is_graded_by_the_course_and_not_by_itself(tmp_path: Path, server: str, score: int) -> None:
    folder = made(tmp_path)
    packed = folder / "submission" / "my homework"  # packed with its folder
    packed.mkdir()
    shutil.copy(SERVERS / server, packed / "server.py")
    (packed / "notes.py").write_text("")
    (packed / "gatecrash.toml").write_text(OWN_WORD)
    code, results = graded(folder)
    assert (code, results["score"]) == (0, score)
    assert [test["name"][:7] for test in results["tests"]] == ["ACC-01 ", "FORK-02"]


def test_a_submission_that_does_not_build_gets_zero_and_is_told_why(tmp_path: Path) -> None:
    folder = made(tmp_path)
    (folder / "submission" / "main.py").write_text("def oops :\n")
    code, results = graded(folder)
    assert (code, results["score"]) == (0, 0)
    assert "is not Python" in results["output"]


@pytest.mark.parametrize("kind", ["empty", "two sources", "a link"])
def test_a_submission_without_a_server_is_told_what_to_hand_in(tmp_path: Path, kind: str) -> None:
    folder = made(tmp_path)
    submission = folder / "submission"
    if kind == "two sources":
        for name in ("a.c", "b.c"):
            (submission / name).write_text("")
    if kind == "a link":
        (submission / "server.py").symlink_to(folder / "source" / "gatecrash.toml")
    code, results = graded(folder)
    assert (code, results["score"], results["tests"]) == (0, 0, [])
    assert "There is no server to judge in this submission" in results["output"]


def test_a_failure_of_ours_leaves_no_score_and_not_the_last_one_either(tmp_path: Path) -> None:
    folder = made(tmp_path)
    shutil.copy(SERVERS / "c" / "http_fork.c", folder / "submission" / "server.c")
    (folder / "results").mkdir()
    (folder / "results" / "results.json").write_text('{"score": 0, "tests": []}')
    (folder / "source" / "gatecrash.toml").write_text("[grading]\ntotal = 0\n")
    code, results = graded(folder)
    assert code == 4
    assert results is None


def test_a_run_that_is_cut_short_shows_what_was_judged(tmp_path: Path) -> None:
    folder = made(tmp_path)
    (folder / "submission" / "server.c").write_text("int main(void) { return 0; }\n")
    partial = '{"tests": [{"name": "ACC-01", "score": 3}]}'
    slow = folder / "slow"
    slow.write_text(f"#!/bin/sh\necho '{partial}' > {folder}/results/results.json\nexec sleep 60\n")
    slow.chmod(0o755)
    code, results = graded(folder, GATECRASH=str(slow), GATECRASH_SECONDS="0.2")
    assert code == 0
    assert results == json.loads(partial)
