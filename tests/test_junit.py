"""The JUnit report: pytest's own schema, `file` and `line`, a case a rule, and nothing that XML cannot hold."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from gatecrash.model.verdicts import Verdict
from gatecrash.reports import junit
from gatecrash.results.baseline import Baseline, KnownFailure
from gatecrash.results.record import RunRecord
from tests.ci_records import every_kind, failure, hostile, record_of

SCHEMA = Path(__file__).parent / "schemas" / "junit-10.xsd"


def read(record: RunRecord) -> ElementTree.Element:
    text = junit.render(record)
    validate(text)
    return ElementTree.fromstring(text.encode())


def validate(text: str) -> None:
    """Against the Jenkins schema, which lacks the two attributes that the xunit1 family has besides."""
    etree = pytest.importorskip("lxml.etree", reason="the dev dependency lxml validates XML")
    document = etree.fromstring(text.encode())
    for case in document.iter("testcase"):
        case.attrib.pop("file", None)
        case.attrib.pop("line", None)
    etree.XMLSchema(etree.parse(str(SCHEMA))).assertValid(document)


def kinds(top: ElementTree.Element) -> dict[str, str]:
    """What each case holds: failure, skipped, error, or nothing."""
    return {case.attrib["name"].split()[0]: next((c.tag for c in case), "") for case in top.iter("testcase")}


def test_each_verdict_has_its_element() -> None:
    assert kinds(read(every_kind())) == {
        "ACC-01": "",
        "ACC-02": "skipped",
        "ACC-07": "skipped",
        "FORK-02": "failure",
        "FORK-13": "skipped",
        "RESP-27": "skipped",  # a broken SHOULD is advice
    }


def test_a_broken_should_is_a_failure_when_it_fails_the_run() -> None:
    assert kinds(read(every_kind(strict=True)))["RESP-27"] == "failure"


def test_the_counts_are_those_of_the_cases() -> None:
    suite = read(every_kind(fault="a worker ended"))[0]
    assert {name: suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "7",
        "failures": "1",
        "errors": "1",
        "skipped": "4",
    }


def test_a_case_names_the_source_and_the_line_that_the_finding_names() -> None:
    top = read(record_of(failure("MEM-01", line="#1 0x55 in serve /src/server.c:42:7"), Verdict("ACC-01", "pass")))
    places = {
        case.attrib["name"].split()[0]: (case.attrib["file"], case.attrib["line"]) for case in top.iter("testcase")
    }
    assert places == {"MEM-01": ("server.c", "42"), "ACC-01": ("server.c", "1")}


def test_without_a_source_a_case_names_its_rule() -> None:
    case = next(read(record_of(failure(), source=None)).iter("testcase"))
    book = Path(__file__).parents[1] / case.attrib["file"]
    assert book.read_text().splitlines()[int(case.attrib["line"]) - 1] == 'id = "FORK-02"'


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (record_of(error="cc: error"), "build"),
        (record_of(fault="bug"), "gatecrash"),
        (record_of(interrupted=True), "gatecrash"),
    ],
    ids=["build", "fault", "interrupted"],
)
def test_what_is_no_verdict_is_an_error_and_no_failure(record: RunRecord, kind: str) -> None:
    errors = list(read(record).iter("error"))
    assert [error.attrib["type"] for error in errors] == [kind]


def test_a_known_failure_is_skipped_with_its_reason() -> None:
    known = Baseline((KnownFailure("FORK-02", None, "until the next release"),))
    skipped = next(read(record_of(failure(), baseline=known)).iter("skipped"))
    assert skipped.attrib["message"].startswith("known failure (baseline): until the next release")


def test_nothing_hostile_survives_and_it_stays_small() -> None:
    text = junit.render(hostile())
    validate(text)
    assert not {"\x1b", "\x00", "\u202e", "\u2066", "\ud800", "\ufffe", "\x85"} & set(text)
    assert "<script" not in text
    assert len(text) < 200_000
