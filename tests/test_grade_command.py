"""`gatecrash grade` as an instructor meets it: what it prints, writes and ends with."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gatecrash.cli import main
from gatecrash.errors import Unavailable
from gatecrash.grading.judge import Judge
from gatecrash.grading.work import Course, Work, packed
from gatecrash.paths import tree_root

_SERVERS = tree_root() / "servers"


def _grade(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, with its results beside the class; judging one submission at a time."""
    command = [sys.executable, "-m", "gatecrash", "grade", *words, "--jobs", "1"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, **environment}
    )


def _class(folder: Path) -> Path:
    """Submissions that are done with before a server is started."""
    for name in ("ada", "two servers", "김하나"):
        (folder / "class" / name).mkdir(parents=True)
    (folder / "class" / "ada" / "server.c").write_text("int main(void) { return\n")
    for name in ("a.c", "b.c"):
        (folder / "class" / "two servers" / name).write_text("int main(void) { listen(0, 5); }\n")
    (folder / "class" / "김하나" / "essay.txt").write_text("sorry\n")
    with zipfile.ZipFile(folder / "class" / "slip.zip", "w") as archive:
        archive.writestr("../evil.c", "int main(void) { return 0; }\n")
    return folder


@pytest.mark.slow
def test_each_has_a_line_and_who_has_no_score_is_named(tmp_path: Path) -> None:
    ended = _grade(_class(tmp_path), "class")
    assert ended.returncode == 3, ended.stderr
    lines = [line.strip() for line in ended.stdout.splitlines()]
    assert lines[0] == "4 submissions, 4 to be judged"
    assert any("/4  ada " in line and "0 / 100" in line and "does not compile" in line for line in lines)
    assert any("/4  slip " in line and "0 / 100" in line and "leads out of its folder" in line for line in lines)
    assert any(line.startswith("two_servers ") and "no score: It is not clear which file" in line for line in lines)
    assert lines[-3] == "3 of 4 submissions have a score"
    assert [line.split()[0] for line in lines[-2:]] == ["results/index.html", "results/grades.csv"]
    rows = {
        row["id"]: row
        for row in csv.DictReader((tmp_path / "results" / "grades.csv").read_text(encoding="utf-8-sig").splitlines())
    }
    assert {id: row["points"] for id, row in rows.items()} == {
        "ada": "0",
        "slip": "0",
        "two_servers": "",
        "김하나": "0",
    }
    assert "No source of a server was handed in" in rows["김하나"]["said"]
    assert not list(tmp_path.rglob("evil.c"))


@pytest.mark.slow
def test_a_file_whose_name_is_no_utf_8_is_judged(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / os.fsdecode("김.c".encode("euc-kr"))).write_text("int main(void) { return\n")
    ended = _grade(tmp_path, "class")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "does not compile" in ended.stdout


@pytest.mark.slow
def test_a_file_that_is_named_later_is_judged_then_and_nothing_else(tmp_path: Path) -> None:
    folder = _class(tmp_path)
    _grade(folder, "class")
    (folder / "course.toml").write_text('[submission]\nserver = "a.c"\n')
    ended = _grade(folder, "class", "--contract", "course.toml")
    assert "4 submissions, 1 to be judged" in ended.stdout
    assert ended.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere",), "nowhere is not a folder"),
        (("class", "--contract", "none.toml"), "none.toml cannot be read"),
        (("class", "--regrade", "FORK-99"), "FORK-99"),
        (("class", "--only", "adda"), "Did you mean ada?"),
        (("class", "--output", "class/ada/server.c"), "cannot be made"),
        (("class", "--grading", "plain.toml"), "has no [grading] table"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    folder = _class(tmp_path)
    (folder / "plain.toml").write_text("[contract]\n")
    ended = _grade(folder, *words)
    assert ended.returncode == 4
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_class_without_anything_to_grade_says_so(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    ended = _grade(tmp_path, "class")
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "class is empty: there is nothing to grade" in ended.stderr


@pytest.mark.slow
def test_where_results_cannot_be_written_one_sentence_says_so(tmp_path: Path) -> None:
    folder = _class(tmp_path)
    (folder / "results" / "grades.csv").mkdir(parents=True)
    ended = _grade(folder, "class")
    assert ended.returncode == 4
    assert "results/grades.csv cannot be written" in ended.stderr
    (folder / "results" / "grades.csv").rmdir()
    assert "4 submissions, 1 to be judged" in _grade(folder, "class").stdout


def _judged(tmp_path: Path, work: Work) -> dict[str, str]:
    judge = Judge(tmp_path)
    try:
        judge.send(work)
        judged = judge.receive()
    finally:
        judge.close()
    assert judged.record is not None, judged.why
    assert judged.page.startswith("<!DOCTYPE html>")
    assert judged.memory_kib < 300 << 10
    return {row["rule"]: row["outcome"] for row in judged.record["verdicts"]}


@pytest.mark.slow
def test_a_submission_is_judged_alike_where_it_lies_and_as_bytes(tmp_path: Path) -> None:
    source = _SERVERS / "faulty" / "never_reaps.c"
    rules = ("ACC-01", "RESP-01", "FORK-01", "FORK-02")
    here = Work("ada", (str(source),), Course(), rules)
    sent = Work("ada", (), Course(), rules, packed((source,)))
    assert _judged(tmp_path, here) == _judged(tmp_path, sent) == {**dict.fromkeys(rules, "pass"), "FORK-02": "fail"}
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith("work-")] == []


@pytest.mark.slow
def test_a_rule_that_is_judged_anew_is_put_among_those_that_were_known(tmp_path: Path) -> None:
    source = _SERVERS / "faulty" / "never_reaps.c"
    judge = Judge(tmp_path)
    try:
        judge.send(Work("ada", (str(source),), Course(), ("ACC-01", "FORK-01")))
        before = judge.receive().record
        judge.send(Work("ada", (str(source),), Course(), ("FORK-02",), before=before))
        after = judge.receive().record
    finally:
        judge.close()
    assert before is not None
    assert after is not None
    assert after["seconds"] == before["seconds"]
    assert [(row["rule"], row["outcome"]) for row in after["verdicts"]] == [
        ("ACC-01", "pass"),
        ("FORK-01", "pass"),
        ("FORK-02", "fail"),
    ]


@pytest.mark.slow
def test_a_compiler_names_files_as_they_were_handed_in(tmp_path: Path) -> None:
    (tmp_path / "class" / "ada").mkdir(parents=True)
    (tmp_path / "class" / "ada" / "server.c").write_text("int main(void) { return\n")
    _grade(tmp_path, "class")
    (row,) = csv.DictReader(io.StringIO((tmp_path / "results" / "grades.csv").read_text(encoding="utf-8-sig")))
    assert re.search(r"^server\.c:1:", row["said"], re.MULTILINE)
    assert "/tmp" not in row["said"]


def test_a_contract_that_names_a_folder_to_run_in_is_refused(tmp_path: Path) -> None:
    folder = _class(tmp_path)
    (folder / "course.toml").write_text('[target]\ncwd = "run"\n')
    ended = _grade(folder, "class", "--contract", "course.toml")
    assert (ended.returncode, "says cwd, and each submission has a folder of its own" in ended.stderr) == (4, True)


def test_jobs_are_of_this_machine_and_not_of_a_cluster(tmp_path: Path) -> None:
    ended = _grade(_class(tmp_path), "class", "--cluster", "local:2")
    assert (ended.returncode, "--jobs is of this machine alone" in ended.stderr) == (4, True)


def test_a_machine_that_cannot_keep_submissions_apart_is_refused_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_: object) -> None:
        raise Unavailable("an arena of kind namespace", "unshare: not permitted")

    monkeypatch.setattr("gatecrash.commands.grade.Arena.open", refuse)
    monkeypatch.delenv("GATECRASH_UNCONTAINED", raising=False)
    monkeypatch.chdir(_class(tmp_path))
    assert main(["grade", "class", "--jobs", "1"]) == 4
    assert "refuses what keeps submissions apart (unshare: not permitted)" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()
