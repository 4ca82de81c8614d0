"""What a terminal shows while a class is judged: it fits, it counts, and columns stay columns for any name."""

from __future__ import annotations

from fractions import Fraction

import pytest
from rich.cells import cell_len

from gatecrash.grading.board import Board, line
from gatecrash.grading.class_run import Graded, Opened, Started
from gatecrash.grading.summary import Summary
from gatecrash.language import speak
from gatecrash.rulebook import load
from tests.grading_classes import student, summary
from tests.grading_records import HOSTILE


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_bar_and_what_is_told_beside_it_fit_into_80_columns(language: str) -> None:
    speak(language)
    try:
        board = Board()
        board.hear(Opened(3000, 3000), 0)
        for number in range(1234):
            board.hear(Graded(student(str(number), summary(points=number % 101))), 0)
        shown = board.lines(54321.0).plain.splitlines()
    finally:
        speak("en")
    assert max(cell_len(one) for one in shown) <= 80
    assert "1234" in shown[0]
    assert "21:35:" in shown[0]


def test_it_counts_what_is_done_and_not_what_is_tried_again() -> None:
    board = Board()
    board.hear(Opened(12, 10), 0)
    assert "0 of 10 judged" in board.lines(1).plain
    assert "?" not in board.lines(1).plain
    board.hear(Started(student("a", None).submission), 1)
    assert "a (4 s)" in board.lines(5).plain
    board.hear(Graded(student("a", Summary(False, why="ours")), again=True), 6)
    assert board.counted == " 0/10"
    board.hear(Graded(student("a", summary())), 9)
    assert board.counted == " 1/10"
    assert "a (" not in board.lines(10).plain


def test_lines_stay_in_columns_for_names_in_wide_letters() -> None:
    students = [student("김하늘", summary("FORK-02", points=9)), student("Ada", summary())]
    longest = max(cell_len(one.submission.id) for one in students)
    told = [line(one, longest=longest) for one in students]
    assert cell_len(told[0].partition(" / ")[0]) == cell_len(told[1].partition(" / ")[0])
    assert told[0].endswith("9 / 100  broken: FORK-02")


def test_a_line_names_some_of_very_many_rules_and_counts_the_rest() -> None:
    broken = [rule.id for rule in load().rules][:20]
    told = line(student("a", summary(*broken)), longest=1)
    assert told.endswith(f"{broken[7]} and 12 more")


def test_a_line_says_why_there_is_no_score_or_no_point_and_obeys_no_terminal_escape() -> None:
    error = Summary(True, Fraction(), Fraction(100), error="server.c does not compile:\nmore")
    assert line(student("a", error), longest=1) == "a       0 / 100  server.c does not compile:"
    assert line(student("a", Summary(False, why=HOSTILE)), longest=1).startswith("a  no score: \\u001b[2J")


def test_a_line_ends_before_the_sentence_that_announces_the_next_line() -> None:
    said = "server.c does not compile. cc -o server submission/server.c says:\nserver.c:1:1: error"
    assert line(student("a", summary(error=said)), longest=1).endswith("does not compile.")
    assert line(student("a", summary(error="It says:\nno")), longest=1).endswith("It says:")
