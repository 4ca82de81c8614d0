"""Submissions are found as platforms export them, and everything else is taken as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gatecrash.errors import UsageError
from gatecrash.grading.finding import Found, find
from gatecrash.grading.platforms import file_name


def _found(folder: Path) -> Found:
    return find(folder, folder / "results")


def _files(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("int main(void) { return 0; }\n")


def _ids(found: Found) -> dict[str, str]:
    return {one.id: one.name for one in found.submissions}


def test_a_folder_an_archive_and_a_source_file_are_a_submission_each(tmp_path: Path) -> None:
    _files(tmp_path, "ada/server.c", "bob.zip", "carol.tar.gz", "dan.c", "eve.py")
    assert _ids(_found(tmp_path)) == {"ada": "ada", "bob": "bob", "carol": "carol", "dan": "dan", "eve": "eve"}


def test_gradescope_says_whose_each_folder_is(tmp_path: Path) -> None:
    _files(tmp_path, "submission_111/server.c", "submission_222/server.c")
    (tmp_path / "submission_metadata.yml").write_text(
        "submission_111:\n  :submitters:\n  - :name: Ada Lovelace\n    :sid: '0042'\n    :email: ada@example.org\n"
        "  - :name: Alan Turing\n    :sid:\n    :email: alan@example.org\n  :score: 0.0\n"
    )
    first, second = _found(tmp_path).submissions
    assert (first.id, first.name) == ("submission_111", "Ada Lovelace, Alan Turing")
    assert [(one.number, one.email) for one in first.people] == [("0042", "ada@example.org"), ("", "alan@example.org")]
    assert second.name == "submission_222"


@pytest.mark.parametrize("text", ["- [", "just words", "submission_1: 5", "submission_1:\n  :submitters: none\n"])
def test_metadata_that_gradescope_did_not_write_is_not_believed(tmp_path: Path, text: str) -> None:
    _files(tmp_path, "submission_1/server.c")
    (tmp_path / "submission_metadata.yml").write_text(text)
    assert _ids(_found(tmp_path)) == {"submission_1": "submission_1"}


def test_moodle_names_a_folder_or_each_file_after_the_student(tmp_path: Path) -> None:
    _files(tmp_path, "Ada Lovelace_1234_assignsubmission_file_/server.c")
    _files(tmp_path, "김하나_77_assignsubmission_file_server.c", "김하나_77_assignsubmission_file_util.c")
    found = _found(tmp_path)
    assert _ids(found) == {"Ada_Lovelace_1234": "Ada Lovelace", "김하나_77": "김하나"}
    assert [len(one.sources) for one in found.submissions] == [1, 2]
    assert found.submissions[0].people[0].number == "1234"


def test_canvas_puts_all_files_into_one_folder(tmp_path: Path) -> None:
    _files(tmp_path, "lovelaceada_LATE_12_345_server-1.c", "lovelaceada_LATE_12_346_Makefile.c", "turing_13_347_s.zip")
    found = _found(tmp_path)
    assert _ids(found) == {"lovelaceada_12": "lovelaceada", "turing_13": "turing"}
    assert [file_name(path) for path in found.submissions[0].sources] == ["server.c", "Makefile.c"]


def test_what_has_a_students_name_before_it_is_theirs_whatever_it_is(tmp_path: Path) -> None:
    _files(tmp_path, "lovelaceada_12_345_Makefile", "lovelaceada_12_346_server.c", "lovelaceada_12_347_util.h")
    _files(tmp_path, "김하나_77_assignsubmission_file_essay.pdf", "notes.pdf")
    found = _found(tmp_path)
    assert [(one.id, len(one.sources)) for one in found.submissions] == [("lovelaceada_12", 3), ("김하나_77", 1)]
    assert [name for name, _ in found.left_out] == ["notes.pdf"]


def test_an_archive_that_is_not_opened_is_a_submission_all_the_same(tmp_path: Path) -> None:
    _files(tmp_path, "ada.rar", "bob.7z", "carol.c.gz")
    assert [one.name for one in _found(tmp_path).submissions] == ["ada", "bob", "carol.c"]


def test_repositories_of_a_classroom_lose_the_name_of_the_assignment(tmp_path: Path) -> None:
    _files(tmp_path, "hw3-ada/.git/HEAD", "hw3-ada/s.c", "hw3-bob-2/.git/HEAD", "hw3-bob-2/s.c")
    assert _ids(_found(tmp_path)) == {"hw3-ada": "ada", "hw3-bob-2": "bob-2"}


def test_folders_that_are_no_repositories_keep_their_names(tmp_path: Path) -> None:
    _files(tmp_path, "hw3-ada/s.c", "hw3-bob/s.c")
    assert set(_ids(_found(tmp_path)).values()) == {"hw3-ada", "hw3-bob"}


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ('a b\'s "server"', "a_b_s_server"),
        ("line\nend", "line_end"),
        ("김 하나", "김_하나"),
        ("---", "submission"),
        ("-rf", "rf"),
        ("$(reboot)", "reboot"),
        ("x" * 200, "x" * 80),
    ],
)
def test_an_id_is_the_name_of_a_file_whatever_the_student_is_called(tmp_path: Path, name: str, id: str) -> None:
    folder = tmp_path / "class"
    _files(folder, f"{name}/server.c")
    assert [one.id for one in _found(folder).submissions] == [id]


def test_ids_differ_even_where_case_does_not_count(tmp_path: Path) -> None:
    _files(tmp_path, "ada lovelace/s.c", "Ada_Lovelace/s.c", "ada_lovelace/s.c")
    assert sorted(one.id.lower() for one in _found(tmp_path).submissions) == [
        "ada_lovelace",
        "ada_lovelace-2",
        "ada_lovelace-3",
    ]


def test_what_is_no_submission_is_left_out_with_the_reason(tmp_path: Path) -> None:
    _files(tmp_path, "ada/s.c", "notes.docx", ".hidden/s.c", "__MACOSX/s.c", "results/grades.csv")
    (tmp_path / "link").symlink_to(tmp_path / "ada")
    os.mkfifo(tmp_path / "pipe")
    found = _found(tmp_path)
    assert _ids(found) == {"ada": "ada"}
    assert [name for name, _ in found.left_out] == ["link", "notes.docx", "pipe"]


def test_where_there_is_nothing_to_grade_one_sentence_says_so(tmp_path: Path) -> None:
    for folder, said in ((tmp_path, "is empty"), (tmp_path / "none", "is not a folder")):
        with pytest.raises(UsageError, match=said):
            _found(folder)
    _files(tmp_path, "letter.docx")
    with pytest.raises(UsageError, match=r"holds no submission: 'letter\.docx' is neither a folder"):
        _found(tmp_path)
