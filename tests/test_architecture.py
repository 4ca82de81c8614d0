"""The house is as its page draws it: the rooms of docs/architecture.md are those that import-linter holds."""

from __future__ import annotations

import ast
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


#: Rooms that may know a rule by its id: its oracle, and what a protocol's contract stands or falls with.
_KNOW_RULES = {"oracles", "protocols", "reproduction", "commands"}
_ID = re.compile(r"[A-Z]{2,6}-\d\d")


@pytest.mark.parametrize("room", sorted({name for names in layers() for name in names} - _KNOW_RULES))
def test_nobody_but_its_oracle_knows_a_rule_by_its_id(room: str) -> None:
    """What else has to be known of one rule is a field of its entry."""
    place = _ROOT / "gatecrash" / room
    files = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
    named = [
        f"{path.relative_to(_ROOT)}: {node.value}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ID.fullmatch(node.value)
    ]
    assert named == []
