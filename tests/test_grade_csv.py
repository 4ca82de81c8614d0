"""Points for course platforms: what their importers look for is there, and nothing they must not be told."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from gatecrash.config.scheme import Scheme
from gatecrash.errors import UsageError
from gatecrash.grading.platform_csv import canvas, missing, moodle, wanted
from gatecrash.grading.platforms import submissions
from gatecrash.grading.submission import Person, Submission
from gatecrash.grading.summary import ClassRecord, Student, Summary
from tests.grading_classes import class_of, student, summary


def exported(*names: str, metadata: str = "") -> tuple[Student, ...]:
    """Who handed in what a platform exported under these names."""
    return tuple(Student(one, summary("FORK-02", points=88)) for one in submissions([Path(n) for n in names], metadata))


def table(text: str) -> list[dict[str, str]]:
    """The lines of a file by its columns."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_canvas_finds_a_student_by_the_number_it_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    record = class_of(*exported("lovelaceada_LATE_4321_98765_server-1.c"), scheme=Scheme(problem="Homework 1 (77)"))
    head, possible, line = csv.reader(io.StringIO(canvas(record), newline=""))
    assert head == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Homework 1 (77)"]
    assert "Points Possible" in possible[0]
    assert possible[-1] == "100"
    assert line == ["lovelaceada", "4321", "", "", "", "88"]
    assert missing("canvas", record) == ""


def test_moodle_finds_a_student_by_its_identifier_and_has_the_columns_that_it_asks_for() -> None:
    record = class_of(*exported("Ada Lovelace_7101_assignsubmission_file_"))
    (line,) = table(moodle(record))
    assert {"Identifier", "Grade", "Last modified (grade)"} <= set(line)
    assert (line["Identifier"], line["Full name"]) == ("Participant 7101", "Ada Lovelace")
    assert (line["Grade"], line["Maximum Grade"]) == ("88", "100")
    assert line["Last modified (grade)"] == "-"
    assert line["Feedback comments"] == "broken: FORK-02 Finished children are reaped"
    assert missing("moodle", record) == ""


def test_a_number_of_one_platform_is_no_number_of_another() -> None:
    record = class_of(*exported("Ada Lovelace_7101_assignsubmission_file_"))
    assert table(canvas(record))[1]["ID"] == ""
    assert missing("canvas", record).startswith("Canvas's number is missing for 1 of 1")


def test_gradescopes_ids_and_addresses_are_those_of_the_institution() -> None:
    people = (Person("Ada", "900", "ada@example.org"), Person("김하늘", "901", "sky@example.org"))
    both = Student(Submission("submission_12", people, (Path("submission_12"),)), summary())
    lines = table(canvas(class_of(both)))[1:]
    assert [(line["Student"], line["SIS User ID"], line["SIS Login ID"]) for line in lines] == [
        ("Ada", "900", "ada@example.org"),
        ("김하늘", "901", "sky@example.org"),
    ]
    assert all(line["ID"] == "" for line in lines)


def test_a_plain_folder_is_called_by_its_name_and_what_is_missing_is_said() -> None:
    record = class_of(student("alovelace", summary()))
    assert table(canvas(record))[1]["SIS Login ID"] == "alovelace"
    assert table(moodle(record))[0]["Identifier"] == ""
    assert "Moodle's Identifier is missing" in missing("moodle", record)


def test_who_has_no_score_has_no_line() -> None:
    record = class_of(student("a", Summary(False, why="unclear")), student("b", None), student("c", summary()))
    assert [line["Student"].strip() for line in table(canvas(record))] == ["Points Possible", "c"]
    assert [line["Full name"] for line in table(moodle(record))] == ["c"]


def test_a_comment_tells_nothing_of_a_hidden_rule() -> None:
    record = class_of(student("a", summary("FORK-02", "RESP-02")), scheme=Scheme(hidden=("fork",)))
    (line,) = table(moodle(record))
    assert "RESP-02" in line["Feedback comments"]
    assert "FORK-02" not in line["Feedback comments"]


def test_a_comment_is_no_markup_and_a_name_no_formula() -> None:
    error = Summary(True, Fraction(), Fraction(100), error="server.c:1: <img src=x>\x1b[2J")
    record = class_of(student("=HYPERLINK(1)", error, id="a"))
    (line,) = table(moodle(record))
    assert line["Feedback comments"] == "server.c:1: &lt;img src=x&gt;\\u001b[2J"
    assert line["Full name"] == "'=HYPERLINK(1)"
    assert table(canvas(record))[1]["Student"] == "'=HYPERLINK(1)"


def test_commas_quotes_and_line_ends_of_names_stay_in_their_cell() -> None:
    name = 'O\'Neill, "Fi"\nonn'
    record = class_of(student(name, summary(), id="a"))
    assert [line["Full name"] for line in table(moodle(record))] == [name]


def test_points_above_the_maximum_are_named_as_what_moodle_skips() -> None:
    (ada,) = exported("Ada Lovelace_7101_assignsubmission_file_")
    assert ada.summary is not None
    record = class_of(replace(ada, summary=replace(ada.summary, points=Fraction(110))))
    assert missing("moodle", record).startswith("extra credit is above the maximum for 1 of 1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("canvs=a.csv", "Did you mean canvas?"),
        ("canvas", "expected PLATFORM=FILE"),
        ("moodle=nowhere/a.csv", "there is no folder nowhere"),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_anything_is_judged(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        wanted([text])


def test_an_empty_class_has_a_head_alone() -> None:
    record = ClassRecord("submissions", ())
    assert len(moodle(record).splitlines()) == 1
    assert len(canvas(record).splitlines()) == 2
