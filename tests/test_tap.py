"""The TAP report, read by a consumer of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gatecrash.reports import tap
from gatecrash.results.baseline import Baseline, KnownFailure
from gatecrash.results.record import RunRecord
from tests.ci_records import every_kind, failure, hostile, record_of


def parsed(record: RunRecord) -> list[Any]:
    parser = pytest.importorskip("tap.parser", reason="the dev dependency tap.py reads TAP")
    return list(parser.Parser().parse_text(tap.render(record)))


def points(record: RunRecord) -> dict[str, str]:
    """What a consumer makes of each test point."""
    found = {}
    for line in parsed(record):
        if line.category == "test":
            said = "skip" if line.skip else "todo" if line.todo else "ok" if line.ok else "not ok"
            found[line.description.split()[1]] = said
    return found


def test_a_consumer_reads_each_verdict() -> None:
    assert points(every_kind()) == {
        "ACC-01": "ok",
        "ACC-02": "skip",
        "ACC-07": "skip",
        "FORK-02": "not ok",
        "FORK-13": "skip",
        "RESP-27": "todo",
    }


def test_a_known_failure_is_a_todo() -> None:
    assert points(record_of(failure(), baseline=Baseline((KnownFailure("FORK-02"),)))) == {"FORK-02": "todo"}


def test_the_block_of_a_broken_rule_is_yaml_that_says_where_and_why() -> None:
    lines = tap.render(record_of(failure())).splitlines()
    block = lines[lines.index("  ---") + 1 : lines.index("  ...")]
    facts = {key.strip(): json.loads(value) for key, _, value in (line.partition(": ") for line in block)}
    assert facts["severity"] == "MUST"
    assert (facts["file"], facts["line"]) == ("server.c", 1)
    assert "2 zombies" in facts["message"]


def test_the_first_lines_are_the_version_and_the_plan() -> None:
    assert tap.render(every_kind()).splitlines()[:2] == ["TAP version 14", "1..6"]


@pytest.mark.parametrize(
    "record", [record_of(error="cc: error"), record_of(fault="bug"), record_of(interrupted=True)], ids=["6", "3", "2"]
)
def test_what_is_no_verdict_bails_out(record: RunRecord) -> None:
    assert [line.category for line in parsed(record)].count("bail") == 1


def test_a_stranger_adds_no_test_point_no_plan_and_no_bail_out() -> None:
    record = hostile()
    categories = [line.category for line in parsed(record)]
    assert (categories.count("test"), categories.count("plan"), categories.count("bail")) == (3, 1, 1)
    text = tap.render(record)
    assert not {"\x1b", "\x00", "\u202e", "\ud800", "\r"} & set(text)
    assert all(line.startswith(("TAP", "1..3", "ok", "not ok", "  ", "Bail out!")) for line in text.splitlines())
    assert len(text) < 100_000
