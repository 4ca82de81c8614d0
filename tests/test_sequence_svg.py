"""The sequence diagram as SVG: valid XML, self-contained, and the same lanes and rows as the diagram."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from gatecrash.diagrams import Arrow, Mark, diagram
from gatecrash.errors import EngineFault
from gatecrash.model.scenario import Settle
from gatecrash.model.transcript import Looked, Transcript
from gatecrash.model.verdicts import Difference, Finding
from gatecrash.reports.sequence_svg import STYLE, svg
from tests.sequences import (
    UNSERVED,
    UNSERVED_FOUND,
    ZOMBIES,
    ZOMBIES_FOUND,
    asked,
    flood,
    hostile,
    look,
    nothing,
    transcript,
)

PICTURES: list[tuple[Transcript, Finding | None]] = [
    (ZOMBIES, ZOMBIES_FOUND),
    (UNSERVED, UNSERVED_FOUND),
    (flood(200), UNSERVED_FOUND),
    (nothing(), None),
    hostile(),
]


def parsed(played: Transcript, finding: Finding | None) -> ElementTree.Element:
    """The element; this fails when it is not well-formed XML."""
    return ElementTree.fromstring(svg(diagram(played, finding, "ACC-01"), id_prefix="d1"))


def having(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in root.iter() if name in element.get("class", "").split()]


@pytest.mark.parametrize(("played", "finding"), PICTURES)
def test_lanes_and_rows_are_those_of_the_diagram(played: Transcript, finding: Finding | None) -> None:
    picture, root = diagram(played, finding, "ACC-01"), parsed(played, finding)
    assert [lane.get("data-lane") for lane in having(root, "seq-lane")] == [lane.key for lane in picture.lanes]
    rows = having(root, "seq-row")
    assert [int(row.get("data-row", "")) for row in rows] == list(range(len(picture.rows)))
    for element, row in zip(rows, picture.rows, strict=True):
        assert int(element.get("data-step", "")) == row.step
        assert ("seq-bad" in element.get("class", "").split()) == row.bad
        if isinstance(row, Arrow):
            assert (element.get("data-from"), element.get("data-to")) == (row.start, row.end)
        elif isinstance(row, Mark):
            assert element.get("data-lanes") == " ".join(row.lanes)


@pytest.mark.parametrize(("played", "finding"), PICTURES)
def test_it_is_self_contained_and_its_ids_are_its_own(played: Transcript, finding: Finding | None) -> None:
    root = parsed(played, finding)
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names <= {"svg", "title", "desc", "g", "line", "rect", "circle", "path", "text", "tspan"}
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not {name for name in attributes if name.startswith("on") or "href" in name or name == "style"}
    assert {element.get("id") for element in root.iter() if element.get("id")} == {"d1-title", "d1-desc"}


@pytest.mark.parametrize(("played", "finding"), PICTURES)
def test_everything_is_within_the_picture(played: Transcript, finding: Finding | None) -> None:
    root = parsed(played, finding)
    _, _, width, height = map(float, root.get("viewBox", "").split())
    for element in root.iter():
        for name, most in (("x", width), ("x1", width), ("x2", width), ("cx", width), ("y", height), ("cy", height)):
            assert 0 <= float(element.get(name, "0")) <= most


def test_who_cannot_see_it_is_told_what_is_in_it() -> None:
    root = parsed(ZOMBIES, ZOMBIES_FOUND)
    title, description = root[0], root[1]
    assert root.get("role") == "img"
    assert title.text == "What happened: ACC-01"
    assert description.text is not None
    assert "2 zombies: ended, not waited for" in description.text


def test_the_wrong_byte_alone_is_marked() -> None:
    finding = Finding("STREAM-02", "", "A: wrong", difference=Difference(b"0123X5", b"012345", 4))
    root = parsed(transcript(*asked("A", b"012345")), finding)
    assert [element.text for element in having(root, "seq-bad") if element.tag.endswith("tspan")] == ["4"]


def test_nothing_of_a_stranger_becomes_markup_or_a_control_character() -> None:
    drawn = svg(diagram(*hostile(), "</title><script>"), id_prefix="d1")
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert all(letter.isprintable() or letter == "\n" for letter in drawn)


@pytest.mark.parametrize("prefix", ["", "1d", "a b", 'a"><script>'])
def test_a_prefix_that_makes_no_id_is_refused(prefix: str) -> None:
    with pytest.raises(EngineFault, match="beginning of an id"):
        svg(diagram(nothing(), None, "ACC-01"), id_prefix=prefix)


def test_the_style_has_a_rule_for_every_class_that_shows_a_fault_and_fetches_nothing() -> None:
    assert not re.search(r"url\(|@import|https?:", STYLE)
    assert {"seq-bad", "seq-plate", "seq-life", "seq-wire"} <= set(re.findall(r"\.(seq-[a-z]+)", STYLE))


def test_a_picture_of_several_clients_and_children_fits_into_a_page() -> None:
    """Four clients and four children, of whom each is named, beside the kernel and the parent."""
    children = look(zombies=(1704, 1706, 1707, 1711))
    parts = [part for name in "ABCD" for part in asked(name, b"an answer")]
    played = transcript(*parts, (Settle("end"), [Looked(0, "end", children)]))
    root = parsed(played, ZOMBIES_FOUND)
    assert len(having(root, "seq-lane-child")) == 4
    assert float(root.get("width", "0")) <= 939
