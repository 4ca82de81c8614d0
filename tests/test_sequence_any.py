"""Whatever a transcript holds, even one that was tampered with, is drawn: bounded, escaped, with its fault marked."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args
from xml.etree import ElementTree

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from gatecrash.diagrams import diagram
from gatecrash.diagrams.shortening import MOST_ROWS
from gatecrash.language import stated
from gatecrash.model import scenario as steps
from gatecrash.model import transcript as seen
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.facts import NO_FACTS, About, Facts
from gatecrash.model.scenario import Scenario
from gatecrash.model.transcript import Event, Transcript
from gatecrash.model.verdicts import Finding
from gatecrash.reports.sequence_svg import svg
from gatecrash.reports.sequence_text import text
from tests.sequences import CHILD, PARENT

NAMES = st.sampled_from(["A", "B", "C", "D", "E", "F", "G", "C12", ""])
TASKS = st.lists(
    st.sampled_from(
        [PARENT, CHILD, BlockedTask(8, 8, "x", "running"), BlockedTask(8, 9, "\x00\u202e", "blocked", "\x00")]
    ),
    max_size=3,
).map(tuple)
EVIDENCE = TASKS | st.just(("zombies: 8", "\x00\u202e"))
GOT = st.sampled_from([*(stated("{client} got not a byte", client=name) for name in "AB"), "", "\x1b[2J"])
FACTS = st.sampled_from([NO_FACTS, *map(Facts, get_args(About)), Facts(None, (8,), "", b"", 0)])


def made(kind: type[object]) -> st.SearchStrategy[object]:
    """Any value of a kind of step or event, with names and sentences that mean something."""
    fields = getattr(kind, "__dataclass_fields__", {})
    chosen = {"client": NAMES, "where": TASKS, "name": st.sampled_from(["SIGTERM", "SIGCHLD"])}
    return st.builds(kind, **{name: strategy for name, strategy in chosen.items() if name in fields})


KINDS = [kind for kind in vars(seen).values() if isinstance(kind, type) and issubclass(kind, Event)]
STEPS = st.lists(st.one_of([made(kind) for kind in steps.STEPS]), min_size=1, max_size=20)
EVENTS = st.lists(st.one_of([made(kind) for kind in KINDS if kind is not Event]), max_size=30)
FINDINGS = st.none() | st.builds(Finding, evidence=EVIDENCE, got=GOT, facts=FACTS)


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(STEPS, EVENTS, FINDINGS)
def test_any_transcript_is_drawn(played: list[steps.Step], came: list[Event], finding: Finding | None) -> None:
    placed = sorted((replace(e, step=e.step % len(played)) for e in came), key=lambda event: event.step)
    picture = diagram(Transcript(Scenario(tuple(played)), tuple(placed)), finding, "ACC-01")
    assert len(picture.rows) <= MOST_ROWS + 8
    assert any(row.bad for row in picture.rows) == (finding is not None and bool(picture.rows))
    ElementTree.fromstring(svg(picture, id_prefix="any"))
    assert all(cell_len(line.plain) <= 80 and line.plain.isprintable() for line in text(picture))
