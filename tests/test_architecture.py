"""The house is as its page draws it: the rooms of docs/architecture.md are those that import-linter holds."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.rooms import PAGE, layers, renewed

_ROOT = Path(__file__).parents[1]
_PAGES = (PAGE, PAGE.with_name("a-scenario.md"))
#: Paths of the engine, the suites and the strategies that a page names.
_PATH = re.compile(r"`((?:gatecrash|suites|strategies|servers|tests)/[\w/.-]+)`")


def test_the_page_draws_the_rooms_that_are_held() -> None:
    page = PAGE.read_text()
    assert renewed(page) == page, "run `python -m tests.rooms --write`"


def test_every_room_is_there() -> None:
    for name in (one for names in layers() for one in names):
        assert find_spec(f"gatecrash.{name}") is not None, name


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = _PATH.findall(page.read_text())
    assert named
    assert [path for path in named if not (_ROOT / path).exists()] == []
