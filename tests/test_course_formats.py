"""What course platforms are told, held against what their documentation says; no score is ever made of our failure.

No platform runs here: each test below is written from the page that the format's module names.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import pytest

from gatecrash.config.scheme import Scheme
from gatecrash.reports import (
    autolab,
    check50_report,
    classroom,
    classroom50,
    codegrade,
    codio,
    formats,
    gradescope,
    prairielearn,
)
from gatecrash.reports.marking import bounded
from gatecrash.results.record import RunRecord
from gatecrash.rulebook import load
from tests.grading_records import HOSTILE, every, record

ALL: Mapping[str, Callable[[RunRecord], str | None]] = {
    "gradescope": gradescope.render,
    "classroom50": classroom50.render,
    "classroom": classroom.render,
    "prairielearn": prairielearn.render,
    "autolab": autolab.render,
    "codegrade": codegrade.render,
    "codio": codio.render,
    "check50": check50_report.render,
}

#: Two rules of 30 and 70 points, one of them hidden when asked.
SCHEME = Scheme(levels={"MUST": Fraction(0)}, rules={"ACC-01": Fraction(3), "ACC-02": Fraction(7)})
HALF = record(every("pass", ACC_02="fail"), grading=SCHEME)
PASSED = record(every("pass"), grading=SCHEME)
FAILED = record(every("fail"), grading=SCHEME)
UNBUILT = record({}, grading=SCHEME, error="cc: server.c:3: expected ;")
FAULT = record(every("pass"), grading=SCHEME, fault="a worker died")
CUT = record({"ACC-01": "pass"}, grading=SCHEME, interrupted=True)
STARTED = record({}, grading=SCHEME, interrupted=True)
UNSEEN = record(every("inconclusive"), grading=SCHEME)

ENVIRONMENT = {
    "CLASSROOM": "networks",
    "ASSIGNMENT": "server",
    "ASSIGNMENT_TYPE": "group",
    "OWNER": "alice",
    "SUBMISSION_TAG": "submit/2026-06-01T14-32-05Z-a1b2c3d",
    "COMMIT_URL": "https://github.com/o/r/commit/a1",
    "RELEASE_URL": "https://github.com/o/r/releases/tag/x",
    "REVIEW_URL": "https://github.com/o/r/compare/a...b",
}


def given(text: str | None) -> str:
    assert text is not None
    return text


def decoded(text: str | None) -> Any:
    return json.loads(given(text))


def from_classroom(run: RunRecord) -> Any:
    text = classroom.render(run)
    assert text.count("\n") == 1
    return json.loads(base64.b64decode(text, validate=False))


def test_these_are_the_course_formats() -> None:
    assert all(formats.Report(name, Path("x")).graded for name in ALL)
    assert not formats.Report("json", Path("x")).graded


# -- a failure of ours ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [FAULT, STARTED, UNSEEN], ids=["fault", "interrupted", "machine"])
@pytest.mark.parametrize("name", sorted(set(ALL) - {"classroom", "check50"}))
def test_a_run_without_a_score_leaves_no_file(name: str, run: RunRecord, tmp_path: Path) -> None:
    path = tmp_path / "result"
    path.write_text("of an earlier run")
    formats.requested(f"{name}={path}").write(run)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", sorted(set(ALL) - {"classroom", "check50", "gradescope"}))
def test_what_is_known_of_half_a_run_is_no_score(name: str) -> None:
    assert ALL[name](CUT) is None


@pytest.mark.parametrize("run", [FAULT, CUT, STARTED, UNSEEN])
def test_classroom_is_told_of_an_error_and_posts_no_points(run: RunRecord) -> None:
    result = from_classroom(run)
    assert result["status"] == "error"
    assert not result["max_score"]  # with none the reporter does not notify Classroom
    assert [test["score"] for test in result["tests"]] == [0]


@pytest.mark.parametrize("run", [FAULT, CUT, STARTED, UNSEEN])
def test_check50_has_an_error_and_no_results(run: RunRecord) -> None:
    report = decoded(check50_report.render(run))
    assert set(report) == {"slug", "error", "version"}
    assert set(report["error"]) == {"type", "value", "traceback", "actions", "data"}


def test_nothing_is_written_to_a_pipe_either() -> None:
    reading, writing = os.pipe()
    formats.Report("codegrade", Path(f"/dev/fd/{writing}")).write(FAULT)
    formats.Report("codegrade", Path(f"/dev/fd/{writing}")).write(HALF)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert json.loads(pipe.read()) == {"tag": "points", "points": "3/10"}


def test_a_pipe_gets_no_partial_results() -> None:
    assert not formats.Report("gradescope", Path("/dev/stdout")).live or Path("/dev/stdout").is_file()
    assert formats.Report("gradescope", Path("results.json")).live


# -- each platform ----------------------------------------------------------------------------------------------------


def check_gradescope(results: Any) -> None:
    """Autograder Specifications: the keys, their types, the allowed words; a score somewhere."""
    known = {
        "score": (int, float),
        "output": str,
        "output_format": str,
        "test_output_format": str,
        "test_name_format": str,
        "execution_time": int,
        "stdout_visibility": str,
        "extra_data": dict,
        "tests": list,
    }
    tests = {
        "score": (int, float),
        "max_score": (int, float),
        "status": str,
        "name": str,
        "number": str,
        "output": str,
        "visibility": str,
        "tags": list,
    }
    assert all(isinstance(value, known[key]) for key, value in results.items())  # type: ignore[arg-type]
    for test in results["tests"]:
        assert all(isinstance(value, tests[key]) for key, value in test.items())  # type: ignore[arg-type]
        assert test["status"] in ("passed", "failed")
        assert test["visibility"] in ("visible", "hidden", "after_due_date", "after_published")
    assert results["output_format"] in ("text", "simple_format", "html", "md", "ansi")
    assert "score" in results or any("score" in test for test in results["tests"])


@pytest.mark.parametrize(("run", "score"), [(HALF, 30), (PASSED, 100), (FAILED, 0), (UNBUILT, 0)])
def test_gradescope_gets_a_score_and_its_tests(run: RunRecord, score: int) -> None:
    results = decoded(gradescope.render(run))
    check_gradescope(results)
    assert results["score"] == score
    assert sum(test.get("score", 0) for test in results["tests"]) == score
    assert results["extra_data"]["gatecrash"]["complete"] is True


def test_gradescope_gets_what_is_known_of_a_run_that_was_cut_short() -> None:
    results = decoded(gradescope.render(CUT))
    check_gradescope(results)
    assert "score" not in results
    assert "cut short after 1 rule." in results["output"]
    assert "not the final score" in results["output"]
    assert [test["name"][:6] for test in results["tests"]] == ["ACC-01"]
    assert results["extra_data"]["gatecrash"]["complete"] is False


@pytest.mark.parametrize(
    ("until", "word"), [("published", "after_published"), ("due", "after_due_date"), ("never", "hidden")]
)
def test_gradescope_hides_hidden_rules(until: str, word: str) -> None:
    scheme = Scheme.from_json(SCHEME.to_json() | {"hidden": ["ACC-02"], "hidden_until": until})
    tests = decoded(gradescope.render(record(every("pass"), grading=scheme)))["tests"]
    assert {test["name"][:6]: test["visibility"] for test in tests} == {"ACC-01": "visible", "ACC-02": word}


def test_gradescope_shows_a_compilers_words() -> None:
    results = decoded(gradescope.render(UNBUILT))
    assert "expected ;" in results["output"]
    assert results["tests"][0]["name"] == "The server builds and starts"


def check_classroom50(result: Any) -> None:
    """schemas/result-v1.schema.json of Classroom 50, and the two rules across fields that it names."""
    texts = ("schema", "classroom", "assignment", "owner", "submission", "commit", "release", "review")
    assert set(result) == {*texts, "assignment_type", "datetime", "graded_at", "score", "max-score", "tests"}
    assert all(isinstance(result[key], str) and result[key] for key in texts)
    assert result["schema"] == "classroom50/result/v1"
    assert result["assignment_type"] in ("individual", "group")
    assert result["submission"].startswith("submit/")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ", result["datetime"])
    for row in (result, *result["tests"]):
        assert type(row["score"]) is int
        assert type(row["max-score"]) is int
        assert 0 <= row["score"] <= row["max-score"]
    assert all(test["test-name"] and type(test["passed"]) is bool for test in result["tests"])


@pytest.mark.parametrize(("run", "score"), [(HALF, 30), (PASSED, 100), (FAILED, 0), (UNBUILT, 0)])
def test_classroom50_gets_whole_points_that_add_up(run: RunRecord, score: int) -> None:
    result = decoded(classroom50.render(run, ENVIRONMENT))
    check_classroom50(result)
    assert (result["score"], result["max-score"]) == (score, 100)
    assert sum(test["score"] for test in result["tests"]) == score
    assert sum(test["max-score"] for test in result["tests"]) == 100


def test_classroom50_is_told_who_submitted_what() -> None:
    result = decoded(classroom50.render(HALF, ENVIRONMENT))
    assert (result["classroom"], result["owner"], result["assignment_type"]) == ("networks", "alice", "group")
    check_classroom50(decoded(classroom50.render(HALF, {})))


def test_classroom50_never_gets_more_than_the_maximum() -> None:
    scheme = Scheme(extra_credit=("SHOULD",))
    result = decoded(classroom50.render(record(every("pass"), grading=scheme), {}))
    check_classroom50(result)
    assert (result["score"], result["max-score"]) == (100, 100)


@pytest.mark.parametrize(
    ("run", "score", "status"), [(HALF, 30, "fail"), (PASSED, 100, "pass"), (FAILED, 0, "fail"), (UNBUILT, 0, "fail")]
)
def test_classroom_gets_points_that_its_reporter_adds_up(run: RunRecord, score: int, status: str) -> None:
    result = from_classroom(run)
    assert (result["status"], result["max_score"]) == (status, 100)
    assert sum(test["score"] for test in result["tests"]) == score
    assert all(test["name"] and test["status"] in ("pass", "fail") for test in result["tests"])
    assert all(test.get("message") for test in result["tests"] if test["status"] == "fail")


@pytest.mark.parametrize(("run", "score"), [(HALF, 0.3), (PASSED, 1), (FAILED, 0)])
def test_prairielearn_gets_a_part_of_one(run: RunRecord, score: float) -> None:
    results = decoded(prairielearn.render(run))
    assert results["gradable"] is True
    assert type(results["score"]) is float
    assert results["score"] == score
    counting = [test for test in results["tests"] if test["max_points"]]
    assert sum(test["max_points"] for test in counting) == 100


def test_prairielearn_takes_no_attempt_from_a_server_that_does_not_build() -> None:
    results = decoded(prairielearn.render(UNBUILT))
    assert results["gradable"] is False
    assert results["format_errors"] == ["cc: server.c:3: expected ;"]
    assert "score" not in results


@pytest.mark.parametrize(("run", "score"), [(HALF, 30), (PASSED, 100), (FAILED, 0), (UNBUILT, 0)])
def test_autolab_gets_its_scores_on_the_last_line(run: RunRecord, score: int) -> None:
    *_, presentation, last = given(autolab.render(run)).splitlines()
    assert json.loads(last) == {"scores": {"Gatecrash": score}}
    semantic = json.loads(presentation)
    assert semantic.pop("_presentation") == "semantic"
    stages = semantic.pop("stages")
    assert sorted(stages) == sorted(semantic)
    tests = [test for stage in semantic.values() for test in stage.values()]
    assert tests
    assert all(type(test["passed"]) is bool for test in tests)
    assert all(test["hint"] for test in tests if not test["passed"])


def test_autolab_names_the_problem_as_the_course_does() -> None:
    scheme = Scheme.from_json(SCHEME.to_json() | {"problem": "Server"})
    text = given(autolab.render(record(every("pass"), grading=scheme)))
    assert json.loads(text.splitlines()[-1]) == {"scores": {"Server": 100}}


@pytest.mark.parametrize(("run", "part"), [(HALF, "3/10"), (PASSED, "1/1"), (FAILED, "0/1"), (UNBUILT, "0/1")])
def test_codegrade_gets_an_exact_fraction(run: RunRecord, part: str) -> None:
    assert codegrade.render(run) == f'{{"tag": "points", "points": "{part}"}}\n'


@pytest.mark.parametrize(("run", "percent"), [(HALF, "30"), (PASSED, "100"), (FAILED, "0"), (UNBUILT, "0")])
def test_codio_gets_percent_and_plain_text(run: RunRecord, percent: str) -> None:
    form = parse_qs(given(codio.render(run, {"CODIO_PARTIAL_POINTS_V2_URL": "x"})).strip(), strict_parsing=True)
    assert set(form) == {"points", "format", "feedback"}
    assert form["points"] == [percent]
    assert form["format"] == ["txt"]
    assert form["feedback"][0].startswith(f"Points: {percent} of 100")
    form = parse_qs(given(codio.render(run, {"CODIO_AUTOGRADE_V2_URL": "x"})).strip())
    assert form["grade"] == [percent]


@pytest.mark.parametrize("run", [HALF, PASSED, FAILED, UNBUILT])
def test_check50_has_the_keys_of_its_specification(run: RunRecord) -> None:
    report = decoded(check50_report.render(run))
    assert set(report) == {"slug", "results", "version"}
    names = {result["name"] for result in report["results"]}
    for result in report["results"]:
        assert set(result) == {"name", "description", "passed", "log", "cause", "data", "dependency"}
        assert result["passed"] in (True, False, None)
        assert (result["cause"] is None) == (result["passed"] is True)
        assert result["cause"] is None or result["cause"]["rationale"]
        assert result["dependency"] is None or result["dependency"] in names


def test_check50_says_what_could_not_be_judged() -> None:
    run = record(every("pass", ACC_02="inconclusive"), grading=Scheme())
    results = {one["name"]: one for one in decoded(check50_report.render(run))["results"]}
    assert results["ACC-02"]["passed"] is None
    assert results["ACC-02"]["cause"]["rationale"].startswith("Inconclusive: not counted.")


# -- everywhere -------------------------------------------------------------------------------------------------------


def shown_by(name: str, run: RunRecord) -> str:
    """What a reader of this format may see, unpacked as far as its platform does."""
    text = given(ALL[name](run))
    if name == "classroom":
        return base64.b64decode(text).decode()
    if name == "codio":
        return parse_qs(text.strip())["feedback"][0]
    return text


@pytest.mark.parametrize("name", sorted(set(ALL) - {"gradescope", "codegrade"}))
def test_hidden_names_stay_hidden_where_a_test_cannot_be(name: str) -> None:
    rule = next(rule for rule in load().rules if rule.after and rule.level == "MUST")
    hidden = rule.after[0]
    outcomes = every("pass") | {hidden: "fail", rule.id: "not_observable"}
    text = shown_by(name, record(outcomes, grading=Scheme(hidden=(hidden,))))
    assert hidden not in text
    assert "idden" in text
    area = Scheme(hidden=(hidden,), scheme="by-area")
    assert hidden not in shown_by(name, record(outcomes, grading=area))


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_hostile_server_is_escaped_and_bounded(name: str) -> None:
    flood = HOSTILE * 3000
    for run in (record(every("fail"), grading=Scheme(), said=flood), record({}, grading=Scheme(), error=flood)):
        text = shown_by(name, run)
        assert len(text.encode()) < 1_000_000
        parts = [text] if name in ("autolab", "codio", "codegrade") else list(_texts(json.loads(text)))
        for part in parts:
            assert all(c == "\n" or c.isprintable() for c in part)
    if name == "classroom":
        assert len(given(ALL[name](run))) < 128 * 1024


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for key, one in value.items() for text in (key, *_texts(one))]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []


def test_the_middle_of_a_long_text_is_left_out() -> None:
    text = bounded("a" * 5_000_000 + "\x1b" + "z" * 5_000_000, 200)
    assert text.startswith("aaa")
    assert text.endswith("zzz")
    assert "left out" in text
    assert len(text) < 220


@pytest.mark.parametrize("render", [autolab.render, lambda run: codio.render(run, {})], ids=["autolab", "codio"])
def test_what_could_not_be_seen_is_not_called_broken(render: Callable[[RunRecord], str | None]) -> None:
    scheme = Scheme(not_observable="lose")
    lines = unquote_plus(given(render(record(every("pass", ACC_02="not_observable"), grading=scheme)))).splitlines()
    told = [line for line in lines if "ACC-02" in line and line.startswith(("holds", "broken", "not "))]
    assert told
    assert all(line.startswith("not observable here") for line in told)
