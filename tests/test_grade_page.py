"""The page of a class: what it shows of whom, that no name is markup in it, and that a large class stays small."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from fractions import Fraction
from pathlib import Path

import pytest

from gatecrash.grading import class_page
from gatecrash.grading.class_view import SIGNS
from gatecrash.grading.class_view import class_page as viewed
from gatecrash.grading.results_folder import ResultsFolder
from gatecrash.grading.summary import Summary
from gatecrash.language import speak
from gatecrash.reports.page_files import ours, policy
from tests.grading_classes import class_of, made_up, student, summary
from tests.grading_records import HOSTILE

_WHY = "It is not clear which file is the server: a.c, b.c."


def test_the_rules_that_break_most_come_first_with_the_mistakes_behind_them() -> None:
    one, two = summary("FORK-02", "ACC-14"), summary("FORK-02")
    view = viewed(class_of(student("a", one), student("b", two), student("c", summary())), ())
    assert [(line.id, line.count) for line in view.rules] == [("FORK-02", 2), ("ACC-14", 1)]
    assert view.rules[0].mistakes == ((one.mistakes["FORK-02"], 2),)
    assert round(view.rules[0].percent) == 67


def test_a_rule_that_nobody_breaks_has_no_column_and_is_named_below() -> None:
    view = viewed(class_of(student("a", summary("FORK-02"))), ())
    assert [column.id for column in view.columns] == ["FORK-02"]
    assert any(" ACC-01 " in line and "FORK-02" not in line for line in view.whole)


def test_the_letters_of_a_row_stand_below_their_rules() -> None:
    both = summary("ACC-14", "FORK-02")
    other = summary("RESP-02")
    view = viewed(class_of(student("a", both), student("b", other)), ())
    assert [column.id for column in view.columns] == ["ACC-14", "FORK-02", "RESP-02"]
    letters = [re.sub("<[^>]*>", "", str(row.cells)) for row in view.rows]
    assert letters == [f"{SIGNS['fail']}{SIGNS['fail']}{SIGNS['pass']}", f"{SIGNS['pass'] * 2}{SIGNS['fail']}"]
    assert all(ord(sign) < 256 for sign in SIGNS.values()), "a typewriter face may lack it, and rows would shift"


def test_points_fall_into_tenths_and_all_of_them_into_the_last() -> None:
    students = [student(str(points), summary(points=points)) for points in (0, 9, 10, 99, 100, 100)]
    bars = viewed(class_of(*students), ()).bars
    assert [bar.count for bar in bars] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2]
    assert (bars[0].label, bars[-1].label) == ("0", "100")
    assert max(bar.height for bar in bars) == 100


def test_the_median_of_an_even_number_lies_between_two() -> None:
    view = viewed(class_of(*(student(str(points), summary(points=points)) for points in (0, 50, 60, 100))), ())
    assert view.spread == "mean 52.5, median 55, from 0 to 100 of 100 points"


def test_who_has_no_score_is_said_with_the_reason_and_does_not_count() -> None:
    record = class_of(student("a", Summary(False, why=_WHY)), student("b", None), student("c", summary()))
    view = viewed(record, ())
    assert [(row.scored, row.said) for row in view.rows] == [(False, _WHY), (False, "not judged yet"), (True, "")]
    assert (view.count, view.complete, view.unscored) == ("1 of 3 submissions have a score", False, 2)
    assert view.rows[0].rank < view.rows[2].rank
    assert sum(bar.count for bar in view.bars) == 1


def test_a_server_that_does_not_build_has_0_points_and_the_compilers_first_line_beside_it() -> None:
    broken = Summary(True, Fraction(), Fraction(100), error="it does not compile:\nserver.c:1: error")
    page = class_page.render(class_of(student("a", broken)), ())
    assert '<td class="told">it does not compile:</td>' in page
    assert "<td>0</td><td>–</td>" in page


def test_only_who_has_a_page_is_linked_and_the_link_is_one_for_any_name() -> None:
    students = [student("a", summary()), student("b", summary()), student("김 하늘", summary(), id="김_하늘")]
    page = class_page.render(class_of(*students), {"a", "김_하늘"})
    assert re.findall(r'href="(pages/[^"]*)"', page) == ["pages/a.html", "pages/%EA%B9%80_%ED%95%98%EB%8A%98.html"]


def test_no_name_title_or_reason_of_a_stranger_is_markup() -> None:
    record = class_of(
        student(HOSTILE, summary("FORK-02"), id="a"),
        student("b", Summary(False, why=HOSTILE), number=HOSTILE),
        title=HOSTILE,
    )
    page = class_page.render(record, {"a"})
    assert "<img" not in page
    assert page.count("</script>") == 1
    assert "\x1b" not in page
    assert "\u202e" not in page
    page.encode("utf-8")


def test_the_policy_names_the_one_style_sheet_and_the_one_script() -> None:
    page = class_page.render(class_of(student("a", summary())), ())
    style, script = (re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL) for tag in ("style", "script"))
    assert (len(style), len(script)) == (1, 1)
    assert policy(style[0], script[0]).replace("'", "&#39;") in page
    assert not re.findall(r'(?:src|href)="(?!pages/)', page)
    assert " style=" not in page, "the policy would refuse it"


def test_a_class_of_three_thousand_is_a_page_of_two_megabytes() -> None:
    page = class_page.render(made_up(3000), ())
    assert page.count("<tr data-rank") == 3000
    assert len(page.encode()) < 2 << 20


def test_of_a_hundred_thousand_those_who_need_a_look_are_shown_and_the_rest_is_counted() -> None:
    best, worst, unclear = summary(), summary("FORK-02", points=7), Summary(False, why=_WHY)
    many = [student(f"{number:06}", best) for number in range(6000)]
    record = class_of(*many, student("worst", worst), student("unclear", unclear))
    view = viewed(record, ())
    assert (len(view.rows), view.rows_left_out) == (5000, 1002)
    assert {"worst", "unclear"} <= {row.id for row in view.rows}
    assert sum(bar.count for bar in view.bars) == 6001
    assert "1002 more are in grades.csv" in class_page.render(record, ())


def test_an_empty_class_has_a_page() -> None:
    assert "0 of 0 submissions" in class_page.render(class_of(), ())


@pytest.mark.parametrize("count", [12])
def test_it_is_told_in_korean(count: int) -> None:
    speak("ko")
    try:
        page = class_page.render(made_up(count), ())
    finally:
        speak("en")
    assert '<html lang="ko">' in page
    shown = re.sub(r"<(style|script)>.*?</\1>|<title>.*?</title>|<[^>]*>", " ", page, flags=re.DOTALL)
    assert not re.findall(r"\b(?:submissions|points|nothing|broken|holds|without)\b", shown)


def test_the_folder_of_results_has_it_and_links_the_pages_that_are_there(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path / "results")
    (tmp_path / "results" / "pages" / "a.html").write_text("")
    results.write_class(class_of(student("a", summary()), student("b", summary())))
    page = (tmp_path / "results" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'href="(pages/[^"]*)"', page) == ["pages/a.html"]


@pytest.mark.parametrize(("one", "other"), [("class.html", "page.html"), ("class.js", "script.js")])
def test_what_the_pages_share_is_written_once(one: str, other: str) -> None:
    first, second = (str(ours(name)).splitlines() for name in (one, other))
    alike = SequenceMatcher(None, first, second, autojunk=False).find_longest_match()
    assert alike.size < 8, first[alike.a : alike.a + alike.size]
