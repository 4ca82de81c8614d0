"""The class to try: what is written, that every part of it is what its table says, and one of it graded."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from gatecrash.config.contract_file import read_contract, read_grading
from gatecrash.errors import UsageError
from gatecrash.grading import example
from gatecrash.grading.finding import find
from gatecrash.paths import tree_root

_SERVERS = tree_root() / "servers"


def test_it_is_twelve_submissions_that_moodle_exported_and_a_contract(tmp_path: Path) -> None:
    assert example.write(tmp_path / "new")
    found = find(tmp_path / "new" / example.SUBMISSIONS, tmp_path / "results")
    assert len(found.submissions) == len(example.CLASS) == 12
    assert not found.left_out
    assert {one.people[0].name for one in found.submissions} == {sample.name for sample in example.CLASS}
    assert {one.people[0].number for one in found.submissions} == {str(one.number) for one in example.CLASS}
    contract = tmp_path / "new" / example.CONTRACT
    assert "protocol" in read_contract(contract)[0].written
    assert read_grading(contract) is not None


def test_its_servers_are_those_that_gatecrash_comes_with_and_nothing_is_there_twice(tmp_path: Path) -> None:
    for sample in example.CLASS:
        text = (_SERVERS / sample.server).read_text(encoding="utf-8")
        assert sample.instead is None or text.count(sample.instead[0]) == 1
    assert len({sample.server for sample in example.CLASS}) == 12
    assert {sample.handed_in for sample in example.CLASS} == {"file", "zip", "tar", "make"}
    example.write(tmp_path / "new")
    (packed,) = tmp_path.rglob("*.zip")
    with zipfile.ZipFile(packed) as archive:
        assert archive.namelist() == ["homework/server.c"]
    (packed,) = tmp_path.rglob("*.tar.gz")
    with tarfile.open(packed) as archive:
        assert archive.getnames() == ["homework/server.c"]


def test_what_is_there_already_is_left_as_it_is(tmp_path: Path) -> None:
    example.write(tmp_path / "new")
    (tmp_path / "new" / example.CONTRACT).write_text('[contract]\nprotocol = "echo"\n')
    assert not example.write(tmp_path / "new")
    assert "echo" in (tmp_path / "new" / example.CONTRACT).read_text()


def test_a_folder_of_something_else_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match="holds something else"):
        example.write(tmp_path)
    with pytest.raises(UsageError, match="holds something else"):
        example.write(tmp_path / "thesis.tex")
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.tex"]


def test_whatever_lies_in_the_folder_it_is_typed_in_is_not_imported(tmp_path: Path) -> None:
    for name in ("gatecrash", "suites", "strategies"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text('raise RuntimeError("a stranger was imported")\n')
    command = [sys.executable, "-P", "-m", "gatecrash", "grade", "--example", "--only", "Donald_Knuth_7112"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert "does not compile" in done.stdout, done.stderr
    assert "1 of 12 submissions have a score" in done.stdout


def grade(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command as it is typed, at its quickest."""
    return subprocess.run(
        [sys.executable, "-m", "gatecrash", "grade", *words],
        cwd=folder,
        env={**os.environ, "GATECRASH_PROFILE": "glance", "PYTHONPATH": str(tree_root())},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.slow
def test_the_example_is_graded_where_it_was_written_with_points_for_moodle(tmp_path: Path) -> None:
    only = ("Donald_Knuth_7112", "Grace_Hopper_7104")  # neither takes long: one does not compile, one serves one client
    words = [word for id in only for word in ("--only", id)]
    done = grade(tmp_path, "--example", *words, "--csv", "moodle=points.csv", "--jobs", "2")
    assert done.returncode == 3, done.stderr  # the other ten have no score yet
    assert "gatecrash grade example-class/submissions --contract example-class/course.toml" in done.stdout
    results = tmp_path / "example-class" / "results"
    with (tmp_path / "points.csv").open(encoding="utf-8", newline="") as file:
        points = {row["Identifier"]: row for row in csv.DictReader(file)}
    assert set(points) == {"Participant 7104", "Participant 7112"}
    assert points["Participant 7112"]["Grade"] == "0"
    assert "does not compile" in points["Participant 7112"]["Feedback comments"]
    assert "ACC-01" in points["Participant 7104"]["Feedback comments"]
    page = (results / "index.html").read_text(encoding="utf-8")
    assert "pages/Grace_Hopper_7104.html" in page
    assert "2 of 12 submissions have a score" in page
    assert (results / "pages" / "Grace_Hopper_7104.html").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "gatecrash grade --example"),
        (("class", "--example"), "leave class out"),
        (("--example", "new", "--csv", "excel=a.csv"), "expected PLATFORM=FILE"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = grade(tmp_path, *words)
    assert done.returncode == 4, done.stdout
    assert said in done.stderr
    assert "Traceback" not in done.stderr
