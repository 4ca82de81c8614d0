"""The SARIF report: the OASIS schema, stable rules and fingerprints, and whose fault a failed run is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gatecrash.reports import sarif
from gatecrash.results.baseline import Baseline, KnownFailure
from gatecrash.results.record import RunRecord
from gatecrash.rulebook import load
from tests.ci_records import every_kind, failure, hostile, record_of

SCHEMA = Path(__file__).parent / "schemas" / "sarif-2.1.0.json"


def run_of(record: RunRecord) -> Any:
    return json.loads(sarif.render(record))["runs"][0]


@pytest.mark.parametrize(
    "record",
    [every_kind(), hostile(), record_of(error="cc: error"), record_of(failure(), source=None)],
    ids=["every kind", "hostile", "no build", "no source"],
)
def test_it_is_what_the_schema_asks_for(record: RunRecord) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="the dev dependency check-jsonschema brings it")
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(json.loads(sarif.render(record)))


def test_a_broken_rule_is_a_result_of_its_level() -> None:
    results = run_of(every_kind())["results"]
    assert [(one["ruleId"], one["level"]) for one in results] == [("FORK-02", "error"), ("RESP-27", "warning")]


def test_every_rule_has_its_help_whatever_was_judged() -> None:
    rules = run_of(record_of())["tool"]["driver"]["rules"]
    assert [one["id"] for one in rules] == [rule.id for rule in load().rules]
    assert all(one["help"]["text"] and one["help"]["markdown"] for one in rules)


def test_a_result_points_at_its_rule() -> None:
    run = run_of(every_kind())
    for one in run["results"]:
        assert run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] == one["ruleId"]


def test_the_fingerprint_outlives_a_moved_line_another_client_and_another_count() -> None:
    first = failure("MEM-01", expected="A gets 12 bytes", line="in serve server.c:42")
    later = failure("MEM-01", expected="C gets 13 bytes", line="in serve server.c:57")
    other = failure("MEM-01", expected="no access behind a buffer", line="in serve server.c:42")
    prints = [run_of(record_of(one))["results"][0] for one in (first, later, other)]
    marks = [one["partialFingerprints"]["gatecrash/v1"] for one in prints]
    assert marks[0] == marks[1] != marks[2]
    assert [one["locations"][0]["physicalLocation"]["region"]["startLine"] for one in prints] == [42, 57, 42]


@pytest.mark.parametrize(
    ("record", "successful", "code"),
    [
        (record_of(failure()), True, 1),
        (record_of(fault="bug"), False, 3),
        (record_of(error="cc: error"), False, 6),
        (record_of(interrupted=True), False, 2),
    ],
    ids=["broken", "fault", "build", "interrupted"],
)
def test_the_invocation_says_whether_the_verdicts_can_be_relied_on(
    record: RunRecord, successful: bool, code: int
) -> None:
    (invocation,) = run_of(record)["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (successful, code)


def test_a_known_failure_is_suppressed() -> None:
    known = Baseline((KnownFailure("FORK-02", None, "legacy"),))
    (result,) = run_of(record_of(failure(), baseline=known))["results"]
    assert "legacy" in result["suppressions"][0]["justification"]


def test_a_source_is_told_relative_to_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", "/checkout")
    (result,) = run_of(record_of(failure(), source="/checkout/src/my server.c"))["results"]
    artifact = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact == {"uri": "src/my%20server.c", "uriBaseId": "SRCROOT"}


def test_nothing_hostile_survives_and_it_stays_small() -> None:
    text = sarif.render(hostile())
    assert text.isascii()
    assert "\\u202e" not in text.replace("\\\\u202e", "")
    assert "\\u001b" not in text.replace("\\\\u001b", "")
    assert len(text) < 500_000
