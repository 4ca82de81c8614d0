"""A class is judged once, goes on where it was ended, and says what has changed."""

from __future__ import annotations

import csv
import os
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from gatecrash.config.scheme import Scheme
from gatecrash.errors import UsageError
from gatecrash.grading import platform_csv
from gatecrash.grading.class_run import ClassRun, GradeRequest, known_rules
from gatecrash.grading.finding import find
from gatecrash.grading.results_folder import ResultsFolder, grades
from gatecrash.grading.state import State
from gatecrash.grading.submission import Person, Submission
from gatecrash.grading.summary import ClassRecord, Student, Summary
from gatecrash.grading.work import Course, Judged
from tests.grade_doubles import Doubles, graded, record, submissions


def _ids(judges: Doubles) -> list[str]:
    return [work.id for work in judges.asked]


def _points(of: ClassRecord) -> dict[str, Fraction]:
    return {one.submission.id: one.summary.points for one in of.students if one.summary is not None}


def test_each_is_judged_once_and_has_its_files(tmp_path: Path) -> None:
    folder = submissions(tmp_path / "class", "ada", "bob")
    first, again = Doubles({"bob": [Judged("bob", record("FORK-02"), page="<p>bob</p>")]}), Doubles()
    assert graded(folder, first) == graded(folder, again)
    assert (_ids(first), _ids(again)) == (["ada", "bob"], [])
    assert (tmp_path / "results" / "pages" / "bob.html").read_text() == "<p>bob</p>"
    assert '"rule": "FORK-02"' in (tmp_path / "results" / "records" / "bob.json").read_text()
    rows = list(csv.DictReader((tmp_path / "results" / "grades.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert [(row["id"], row["points"] == "100", row["broken"]) for row in rows] == [
        ("ada", True, ""),
        ("bob", False, "FORK-02"),
    ]


def test_names_that_are_no_utf_8_are_escaped(tmp_path: Path) -> None:
    """As an archive's names in EUC-KR are, unpacked by a tool that does not ask."""
    student = os.fsdecode("김하나".encode("euc-kr"))
    folder = submissions(tmp_path / os.fsdecode(b"hw\xff"), "ada", "bob")
    (folder / "ada").rename(folder / student)
    assert len(graded(folder, Doubles()).students) == 2
    rows = csv.DictReader((tmp_path / "results" / "grades.csv").read_text(encoding="utf-8-sig").splitlines())
    assert {row["name"] for row in rows} == {"bob", student.encode("utf-8", "backslashreplace").decode()}
    assert "\\udcb1" in (tmp_path / "results" / "index.html").read_text(encoding="utf-8")
    assert not list((tmp_path / "results").glob(".*"))


def test_a_spreadsheet_knows_the_letters_of_grades_and_a_platform_gets_no_mark(tmp_path: Path) -> None:
    """Excel takes a file without a byte order mark for one of its own code page, where 하늘 is other letters."""
    found = graded(submissions(tmp_path / "class", "김하늘"), Doubles())
    data = (tmp_path / "results" / "grades.csv").read_bytes()
    assert data.startswith("\ufeffid,name,".encode())
    assert "김하늘" in data.decode("utf-8-sig")
    for platform in platform_csv.PLATFORMS:
        platform_csv.write([(platform, tmp_path / "points.csv")], found)
        assert (tmp_path / "points.csv").read_text(encoding="utf-8").startswith(("Student,", "Identifier,"))


def test_what_is_handed_in_again_is_judged_again(tmp_path: Path) -> None:
    folder = submissions(tmp_path / "class", "ada", "bob")
    graded(folder, Doubles())
    (folder / "bob" / "server.c").write_text("int main(void) { return 1; }\n")
    again = Doubles()
    graded(folder, again)
    assert _ids(again) == ["bob"]


def test_who_is_gone_keeps_the_score(tmp_path: Path) -> None:
    folder = submissions(tmp_path / "class", "ada", "bob")
    graded(folder, Doubles())
    (folder / "bob" / "server.c").unlink()
    (folder / "bob").rmdir()
    assert set(_points(graded(folder, Doubles()))) == {"ada", "bob"}


def test_a_fault_of_ours_is_tried_once_more_and_never_a_zero(tmp_path: Path) -> None:
    folder = submissions(tmp_path / "class", "ada", "bob", "eve")
    judges = Doubles(
        {
            "ada": [Judged("ada", why="the process that judged it ended", ours=True)],
            "bob": [Judged("bob", why="it ended", ours=True), Judged("bob", record(fault="a traceback"))],
            "eve": [Judged("eve", why="which file is it?")],
        }
    )
    found = graded(folder, judges)
    assert sorted(_ids(judges)) == ["ada", "ada", "bob", "bob", "eve"]
    assert {one.submission.id: one.why_no_score for one in found.unscored} == {
        "bob": "Gatecrash itself failed, which says nothing of the submission.",
        "eve": "which file is it?",
    }


def test_who_has_no_score_is_tried_by_the_next_command(tmp_path: Path) -> None:
    folder = submissions(tmp_path / "class", "ada", "bob")
    graded(folder, Doubles({"bob": [Judged("bob", why="which file is it?")]}))
    again = Doubles()
    assert graded(folder, again).unscored == ()
    assert _ids(again) == ["bob"]


def test_who_does_not_build_has_no_points_and_the_reason(tmp_path: Path) -> None:
    folder = submissions(tmp_path / "class", "ada")
    found = graded(folder, Doubles({"ada": [Judged("ada", record(error="server.c does not compile."))]}))
    assert _points(found) == {"ada": Fraction()}
    assert "server.c does not compile." in grades(found)


def test_another_contract_is_noticed_and_nothing_is_lost(tmp_path: Path) -> None:
    folder = submissions(tmp_path / "class", "ada")
    graded(folder, Doubles())
    changed = Course(contract='[contract]\nprotocol = "http"\n')
    with pytest.raises(UsageError, match=r"was judged by another contract\. Nothing was changed"):
        graded(folder, Doubles(), course=changed)
    with pytest.raises(UsageError, match="was judged by another contract"):  # the others would stay as they were
        graded(folder, Doubles(), course=changed, regrade=("all",), only=("ada",))
    assert _points(graded(folder, Doubles())) == {"ada": Fraction(100)}
    anew = Doubles()
    graded(folder, anew, course=changed, regrade=("all",))
    assert _ids(anew) == ["ada"]
    graded(folder, Doubles(), course=changed)


def test_another_version_profile_or_folder_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = submissions(tmp_path / "class", "ada")
    output = tmp_path / "results"
    graded(folder, Doubles(), output)
    with pytest.raises(UsageError, match="by the profile quick"):
        graded(folder, Doubles(), output, course=Course(profile="default"))
    with pytest.raises(UsageError, match="by the submissions of another folder"):
        graded(submissions(tmp_path / "other", "bob"), Doubles(), output)
    monkeypatch.setattr("gatecrash.grading.class_run.__version__", "99")
    with pytest.raises(UsageError, match="by Gatecrash 0"):
        graded(folder, Doubles(), output)


def test_a_class_that_was_moved_is_the_same_class(tmp_path: Path) -> None:
    """Submissions are known by their ids and by what is in them."""
    folder, output = submissions(tmp_path / "class", "ada", "bob", "eve"), tmp_path / "results"
    (folder / "ada" / "link.c").symlink_to("server.c")
    graded(folder, Doubles(), output)
    moved = tmp_path / "term" / "homework 1"
    shutil.copytree(folder, moved, symlinks=True)
    shutil.rmtree(folder)
    (moved / "eve" / "server.c").write_text("int main(void) { return 1; }\n")
    request = GradeRequest(moved, output, Course())
    with State(output) as state:
        said = ClassRun(request, find(moved, output), state, ResultsFolder(output)).open().said
        assert said == (
            f"these submissions were in {folder} before: what was judged of them is kept",
            "handed in again, and judged anew: eve",
        )
    judges = Doubles()
    graded(moved, judges, output)
    assert [(work.id, work.sources) for work in judges.asked] == [("eve", (str(moved / "eve"),))]


def test_another_homework_of_the_same_students_is_another_class(tmp_path: Path) -> None:
    folder, output = submissions(tmp_path / "class", "ada", "bob", "eve"), tmp_path / "results"
    graded(folder, Doubles(), output)
    other = submissions(tmp_path / "second", "ada", "bob", "eve")
    for name in ("ada", "bob"):
        (other / name / "server.c").write_text("int main(void) { return 2; }\n")
    with pytest.raises(UsageError, match="by the submissions of another folder"):
        graded(other, Doubles(), output)
    unasked = Doubles()
    graded(folder, unasked, output)
    assert _ids(unasked) == []


def test_what_rules_are_worth_changes_points_without_judging(tmp_path: Path) -> None:
    folder = submissions(tmp_path / "class", "ada")
    graded(folder, Doubles())
    judges = Doubles()
    found = graded(folder, judges, scheme=Scheme(total=Fraction(20)))
    assert (_points(found), _ids(judges)) == ({"ada": Fraction(20)}, [])


def test_one_rule_is_judged_anew_and_the_others_stay(tmp_path: Path) -> None:
    folder = submissions(tmp_path / "class", "ada", "bob", "eve")
    broken = Judged("eve", record(error="it does not build"))
    graded(folder, Doubles({"eve": [broken]}))
    anew = Doubles()
    graded(folder, anew, regrade=("FORK-02",), only=("bob", "eve"))
    assert [(work.id, work.rules) for work in anew.asked] == [("bob", ("FORK-02",)), ("eve", None)]
    assert anew.asked[0].before is not None


def test_a_rule_that_is_judged_anew_does_not_say_how_long_the_whole_took(tmp_path: Path) -> None:
    folder = submissions(tmp_path / "class", "ada", "bob")
    whole = Judged("", record(), seconds=31.0, processor_seconds=20.0, memory_kib=9000)
    graded(folder, Doubles({id: [replace(whole, id=id)] for id in ("ada", "bob")}))
    little = Judged("ada", record("FORK-02"), seconds=2.0, processor_seconds=1.0, memory_kib=9001)
    lost = [replace(little, id="bob", record=None, why="it ended", ours=True)] * 2
    found = graded(folder, Doubles({"ada": [little], "bob": lost}), regrade=("FORK-02",))
    took = [
        (one.summary.seconds, one.summary.processor_seconds, one.summary.memory_kib)
        for one in found.students
        if one.summary
    ]
    assert took == [(31.0, 20.0, 9001), (2.0, 1.0, 9001)]
    rows = csv.DictReader((tmp_path / "results" / "grades.csv").read_text(encoding="utf-8-sig").splitlines())
    assert [row["seconds"] for row in rows] == ["31.0", "2.0"]


def test_judging_anew_goes_on_where_it_was_ended(tmp_path: Path) -> None:
    folder = submissions(tmp_path / "class", "ada", "bob", "eve")
    graded(folder, Doubles())
    request = GradeRequest(folder, tmp_path / "results", Course(), regrade=("all",))
    first = Doubles()
    with State(request.output) as state:
        judged = ClassRun(request, find(folder, request.output), state, ResultsFolder(request.output))
        judged.open()
        events = judged.events(first)
        for _ in range(3):  # ada is begun and done with, bob is begun
            next(events)
        events.close()
    again, third = Doubles(), Doubles()
    graded(folder, again, regrade=("all",))
    assert _ids(again) == ["bob", "eve"]
    graded(folder, third, regrade=("all",))
    assert _ids(third) == ["ada", "bob", "eve"]


def test_only_those_that_are_named_are_judged(tmp_path: Path) -> None:
    folder = submissions(tmp_path / "class", "ada", "bob")
    judges = Doubles()
    found = graded(folder, judges, only=("bob",))
    assert _ids(judges) == ["bob"]
    assert [one.why_no_score for one in found.students] == ["not judged yet", None]
    with pytest.raises(UsageError, match=r"--only bobb: there is no such submission. Did you mean bob\?"):
        graded(folder, Doubles(), only=("bobb",))


def test_a_large_class_has_the_files_of_those_alone_who_are_asked_for(tmp_path: Path) -> None:
    folder = submissions(tmp_path / "class", "ada", "bob")
    course = Course(page=False)
    graded(folder, Doubles({"bob": [Judged("bob", record("FORK-02"))]}), course=course)
    results = tmp_path / "results"
    assert [*results.glob("pages/*"), *results.glob("records/*")] == []
    assert _points(graded(folder, Doubles(), course=course, only=("bob",)))["bob"] < 100
    assert sorted(one.name for one in results.rglob("*") if one.parent != results) == ["bob.html", "bob.json"]
    assert "FORK-02" in (results / "pages" / "bob.html").read_text()
    (folder / "bob" / "server.c").write_text("int main(void) { return 1; }\n")
    graded(folder, Doubles(), course=course)
    assert [*results.glob("pages/*"), *results.glob("records/*")] == [], "they are of what bob handed in before"


def test_two_commands_at_once_do_not_write_to_one_folder(tmp_path: Path) -> None:
    folder = submissions(tmp_path / "class", "ada")
    output = tmp_path / "results"
    output.mkdir()
    with State(output), pytest.raises(UsageError, match="another `gatecrash grade` is writing"):
        graded(folder, Doubles(), output)


def test_a_file_that_is_not_ours_is_not_written_to(tmp_path: Path) -> None:
    folder = submissions(tmp_path / "class", "ada")
    output = tmp_path / "results"
    output.mkdir()
    (output / "grade.sqlite").write_text(
        "this is no database, whatever its name says; it is somebody's own text\n" * 20
    )
    with pytest.raises(UsageError, match="cannot be used"):
        graded(folder, Doubles(), output)
    assert (output / "grade.sqlite").read_text().startswith("this is no database")


def test_results_that_are_not_to_be_written_to_are_named(tmp_path: Path) -> None:
    output = tmp_path / "results"
    (output / "grade.sqlite.lock").mkdir(parents=True)
    with pytest.raises(UsageError, match="cannot be used: Is a directory"):
        graded(submissions(tmp_path / "class", "ada"), Doubles(), output)


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    people = (Person('=HYPERLINK("http://example.org")', "-1", "+a@example.org"),)
    student = Student(Submission("@id", people, ()), Summary(True, Fraction(-1), Fraction(100)))
    row = list(csv.reader(grades(ClassRecord("class", (student,))).splitlines()))[1]
    assert row[:6] == ["'@id", '\'=HYPERLINK("http://example.org")', "-1", "'+a@example.org", "-1", "100"]


def test_a_rule_is_known_however_it_is_written() -> None:
    assert known_rules(["fork-02", "FORK-02", "all"]) == ("FORK-02", "all")
