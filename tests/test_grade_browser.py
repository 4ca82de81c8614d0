"""The page of a class in a browser: it runs without a complaint, sorts, filters and searches, and fits a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gatecrash.grading import class_page
from gatecrash.grading.summary import Summary
from tests.grading_classes import class_of, made_up, student, summary
from tests.test_html_browser import BROWSER, DRIVER, click, opened, screen, visible

pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs Debian's packages chromium and chromium-driver")

_WHY = "It is not clear which file is the server: a.c, b.c."
_CLASS = class_of(
    student("Ada", summary(seconds=9.0)),
    student("Bob", summary("FORK-02", "RESP-02", points=60, seconds=3.0)),
    student("김하늘", summary("FORK-02", points=80, seconds=6.0)),
    student("Zoe", Summary(False, why=_WHY)),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page is."""
    return tmp_path_factory.mktemp("class")


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Any]:
    """One browser, with nothing in it."""
    with opened(folder / "profile") as started:
        yield started


@pytest.fixture
def page(browser: Any, folder: Path) -> Any:
    """The browser with the class of four, as it is when it is opened."""
    (folder / "index.html").write_text(class_page.render(_CLASS, {"Ada"}), encoding="utf-8")
    browser.get((folder / "index.html").as_uri())
    return browser


def names(browser: Any) -> list[str]:
    """Who is shown, in the order of the table."""
    shown: list[str] = browser.execute_script(
        "return [...document.querySelectorAll('#matrix tbody tr')].filter(row => !row.hidden)"
        ".map(row => row.querySelector('bdi').textContent)"
    )
    return shown


def test_it_loads_without_a_complaint_and_asks_nobody_for_anything(page: Any) -> None:
    assert [entry["message"] for entry in page.get_log("browser")] == []
    assert page.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)") == []


@pytest.mark.parametrize(
    ("head", "first"), [("rank", "Ada"), ("seconds", "Ada"), ("broken", "Bob"), ("name", "김하늘")]
)
def test_a_head_sorts_from_the_largest_and_again_from_the_smallest(page: Any, head: str, first: str) -> None:
    click(page, f'[data-sort="{head}"] button')
    once = names(page)
    click(page, f'[data-sort="{head}"] button')
    again = names(page)
    assert once[0] == again[-1] == first
    assert sorted(once) == sorted(again) == sorted(["Ada", "Bob", "김하늘", "Zoe"])


def test_the_filters_leave_whom_they_name(page: Any) -> None:
    for by, left in (("whole", ["Ada"]), ("broken", ["Bob", "김하늘"]), ("unscored", ["Zoe"]), ("zero", [])):
        click(page, f'[data-by="{by}"]')
        assert names(page) == left
        click(page, f'[data-by="{by}"]')
    assert len(names(page)) == 4


@pytest.mark.slow
def test_a_rule_leaves_those_who_break_it_and_marks_its_column(page: Any) -> None:
    click(page, '.pick[data-rule="RESP-02"]')
    assert names(page) == ["Bob"]
    assert page.execute_script("return document.querySelector('.chosen').dataset.column") == "RESP-02"
    click(page, '[data-column="RESP-02"]')
    assert len(names(page)) == 4


def test_the_search_finds_a_name(page: Any) -> None:
    page.execute_script(
        "const field = document.querySelector('#search'); field.value = '하늘';"
        "field.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    assert names(page) == ["김하늘"]


def test_the_crosses_stand_below_their_rules(page: Any) -> None:
    off = page.execute_script(
        "return Math.max(...[...document.querySelectorAll('td.letters b')].map(cross => {"
        'const head = document.querySelector(`[data-column="${cross.title}"]`).getBoundingClientRect();'
        "const box = cross.getBoundingClientRect();"
        "return Math.abs((head.left + head.right) / 2 - (box.left + box.right) / 2)}))"
    )
    assert off < 2


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_screen(page: Any, width: int) -> None:
    with screen(page, width):
        assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_what_paper_cannot_do_is_not_on_it(page: Any) -> None:
    with screen(page, 1000, "print"):
        for selector in ("#filters", "#theme", ".pick"):
            assert not visible(page, selector), selector
        assert visible(page, ".breaks .uncontrolled")


@pytest.mark.slow
def test_three_thousand_are_loaded_and_sorted(browser: Any, folder: Path) -> None:
    (folder / "large.html").write_text(class_page.render(made_up(3000), ()), encoding="utf-8")
    browser.get((folder / "large.html").as_uri())
    click(browser, '[data-sort="rank"] button')
    assert len(names(browser)) == 3000
    assert browser.execute_script("return document.querySelectorAll('*').length") < 60_000
