"""`gatecrash points` explains a score; `check` prints it, and no submission gives points to itself."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from gatecrash.commands import check, points
from gatecrash.config.scheme import Scheme
from gatecrash.errors import UsageError
from gatecrash.model.verdicts import Outcome
from gatecrash.paths import tree_root
from gatecrash.results import last_run
from gatecrash.results.exit_codes import ExitCode
from tests.grading_records import HOSTILE, every, record

SCHEME = Scheme(
    levels={"MUST": Fraction(0)},
    rules={"ACC-01": Fraction(1), "ACC-02": Fraction(2), "FORK-01": Fraction(1)},
    hidden=("ACC-01",),
    extra_credit=("FORK-01",),
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    return points.run(parsed(points.add, *arguments)), capsys.readouterr().out


def parsed(add: Callable[[argparse.ArgumentParser], None], *arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add(parser)
    return parser.parse_args(arguments)


def remembered(outcomes: dict[str, Outcome], **changes: object) -> None:
    run = record(outcomes, **{"grading": SCHEME, **changes})  # type: ignore[arg-type]
    last_run.save(run, "server.c", None)


def test_a_score_is_explained_rule_by_rule(capsys: pytest.CaptureFixture[str]) -> None:
    remembered(every("pass", ACC_02="fail"))
    code, text = explained(capsys)
    assert code == 0
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line}
    assert rows["ACC-01"] == ["ACC-01", "holds", "1", "33.33", "33.33", "holds;", "hidden"]
    assert rows["ACC-02"] == ["ACC-02", "broken", "2", "0", "66.67", "broken"]
    assert rows["FORK-01"] == ["FORK-01", "holds", "1", "33.33", "+", "holds;", "extra", "credit"]
    assert text.splitlines()[-1] == "Points: 66.67 of 100 (with 33.33 of extra credit)"


def test_what_was_left_out_is_named_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    remembered(every("pass", ACC_02="inconclusive"))
    assert "inconclusive: not counted: ACC-02" in explained(capsys, "--grading", str(scheme_file("total = 10")))[1]


def scheme_file(text: str) -> Path:
    path = Path(os.environ["XDG_CACHE_HOME"]).parent / "points.toml"
    path.write_text(f"[grading]\n{text}\n")
    return path


def test_another_scheme_can_be_tried_on_the_same_run(capsys: pytest.CaptureFixture[str]) -> None:
    remembered(every("pass", ACC_02="fail"))
    code, text = explained(capsys, "--grading", str(scheme_file('total = 20\nscheme = "all-or-nothing"')))
    assert (code, text.splitlines()[-1]) == (0, "Points: 0 of 20")


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"fault": "a worker died"}, "Gatecrash itself failed"), ({"interrupted": True}, "cut short")],
)
def test_a_run_without_a_score_says_why(
    capsys: pytest.CaptureFixture[str], changes: dict[str, object], words: str
) -> None:
    remembered(every("pass"), **changes)
    code, text = explained(capsys)
    assert code == 3
    assert text.splitlines()[-1].startswith("Points: none.")
    assert words in text


def test_a_hostile_server_reaches_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    remembered(every("fail"), said=HOSTILE)
    assert all(c == "\n" or c.isprintable() for c in explained(capsys)[1])
    remembered({}, error=HOSTILE)
    assert all(c == "\n" or c.isprintable() for c in explained(capsys)[1])


def test_a_file_without_the_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "course.toml"
    path.write_text("[contract]\n")
    with pytest.raises(UsageError, match=r"the file has no \[grading\] table"):
        points.grading_asked(str(path), None)
    assert points.grading_asked(None, str(path)) is None


def test_grading_is_the_command_lines_and_never_that_beside_a_target(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text("")
    own, course = tmp_path / "gatecrash.toml", scheme_file("total = 8")
    assert points.unused_grading(str(tmp_path)) is None
    own.write_text("[grading]\ntotal = 9999\n")
    assert points.grading_asked(None, None) is None
    for named in ((str(course), None), (None, str(course)), (str(course), str(own))):
        scheme = points.grading_asked(*named)
        assert scheme is not None
        assert scheme.total == 8
    for target in (tmp_path, tmp_path / "server.py"):
        assert points.unused_grading(str(target)) == str(own)
    assert points.unused_grading("127.0.0.1:80") is None


@pytest.mark.parametrize("option", ["--fail-fast", "--only-failed"])
def test_points_are_for_all_rules(option: str) -> None:
    target = str(tree_root() / "servers" / "c" / "http_fork.c")
    last_run.save(record(every("fail")), target, None)
    with pytest.raises(UsageError, match="leaves rules out, and points are for all of them"):
        check.run(parsed(check.add, target, option, "--grading", str(scheme_file("total = 5"))))


def test_a_mistake_in_the_grading_is_found_before_anything_runs() -> None:
    path = scheme_file("[grading.rules]\nFORK-99 = 3")
    with pytest.raises(UsageError) as refused:
        check.run(parsed(check.add, "no-such-server.c", "--grading", str(path)))
    assert str(refused.value).startswith(f"{path}, line 3: rules.FORK-99 = 3; there is no such rule. Did you mean")


def checked(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "gatecrash", "check", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_check_prints_the_points_of_the_course_and_not_of_the_submission(tmp_path: Path) -> None:
    shutil.copy(tree_root() / "servers" / "python" / "http_iterative.py", tmp_path / "server.py")
    (tmp_path / "gatecrash.toml").write_text("[grading]\ntotal = 9999\n")
    asked = ("--grading", str(scheme_file("total = 8")), f"--report=classroom50={tmp_path / 'result.json'}")
    run = checked(tmp_path, "server.py", *asked, "--only=ACC-01", "--jobs=1")
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1] == "Points: 8 of 8"
    assert json.loads((tmp_path / "result.json").read_text())["max-score"] == 8


@pytest.mark.parametrize(
    ("outcomes", "code", "graded", "plain"),
    [
        (every("fail"), 1, 0, 1),
        (every("pass"), 0, 0, 0),
        (every("inconclusive", ACC_01="pass"), 0, 3, 0),
        (every("not_applicable"), 5, 5, 5),
    ],
)
def test_without_a_score_a_graded_run_never_exits_with_zero(
    outcomes: dict[str, Outcome], code: int, graded: int, plain: int
) -> None:
    run = record(outcomes)
    assert check._Grader(asked=True, graded=True, ignored=None).code(run, ExitCode(code)) == graded
    assert check._Grader(asked=True, graded=False, ignored=None).code(run, ExitCode(code)) == plain


def test_a_graded_server_that_does_not_build_exits_with_zero(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "server.py").write_text("def :\n")
    assert check.run(parsed(check.add, str(tmp_path / "server.py"), "--graded")) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "Points: 0 of 100"
    assert "is not Python" in said.err
