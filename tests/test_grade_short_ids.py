"""A long id is shown without its middle: apart from all others, and --only takes it so."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from gatecrash.errors import UsageError
from gatecrash.grading.short_ids import meant, shortened
from tests.grade_doubles import Doubles, graded, submissions

_LONG = "a_group_of_four_with_a_name_that_has_no_end_and_goes_on_and_on_and_on_for_ever"


def test_what_fits_is_shown_whole_and_what_is_long_by_its_ends() -> None:
    shown = shortened(["ada", f"{_LONG}_1234567", "김하늘" * 20])
    assert shown["ada"] == "ada"
    assert shown[f"{_LONG}_1234567"] == "a_group_of_four_with_…er_1234567"
    assert [cell_len(text) <= 32 for text in shown.values()] == [True] * 3


def test_ids_that_would_be_alike_are_shown_as_far_as_they_differ() -> None:
    alike = [f"{'x' * 30}{number}{'y' * 40}" for number in range(3)]
    shown = shortened([*alike, "bob"])
    assert len(set(shown.values())) == 4
    assert shown["bob"] == "bob"


@given(st.sets(st.text("ab…", min_size=1, max_size=60), min_size=1, max_size=12))
def test_no_two_are_shown_alike_and_each_is_known_by_what_is_shown(ids: set[str]) -> None:
    shown = shortened(ids, 8)
    assert len(set(shown.values())) == len(ids)
    for id, text in shown.items():
        assert meant(text, ids, 8) == meant(id, ids, 8) == id


def test_only_takes_an_id_as_it_is_shown(tmp_path: Path) -> None:
    ids = (f"1{_LONG}"[:80], f"2{_LONG}"[:80])
    folder = submissions(tmp_path / "class", "ada", *ids)
    judges = Doubles()
    graded(folder, judges, only=(shortened(ids)[ids[1]],))
    assert [work.id for work in judges.asked] == [ids[1]]
    with pytest.raises(UsageError, match="there is no such submission"):
        graded(folder, judges, only=("…for_ever",))
