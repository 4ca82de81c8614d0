"""Sequence diagrams: what happened while a scenario was played, as a picture any renderer can draw.

`diagram` is pure: the terminal (`gatecrash.reports.sequence_text`) and the HTML report
(`gatecrash.reports.sequence_svg`) draw what it returns.
"""

from __future__ import annotations

from gatecrash.sequence.cast import cast_of
from gatecrash.sequence.fault import fault_of
from gatecrash.sequence.folding import folded
from gatecrash.sequence.model import Arrow, Band, Diagram, Lane, Mark, Period, Row, Span, Words, text_of
from gatecrash.sequence.rows import Drawing
from gatecrash.sequence.trace import Trace
from gatecrash.transcript import Event, Looked, NotConnected, ServerEnded, Transcript
from gatecrash.verdicts import Finding

__all__ = [
    "Arrow",
    "Band",
    "Diagram",
    "Lane",
    "Mark",
    "Period",
    "Row",
    "Span",
    "Words",
    "diagram",
    "text_of",
]


def diagram(transcript: Transcript, finding: Finding | None, rule_id: str) -> Diagram:
    """The sequence diagram of a transcript, with what `finding` blames highlighted; bounded in every direction."""
    cast, fault = cast_of(transcript), fault_of(transcript, finding)
    drawing = Drawing(cast, fault, Trace(transcript))
    by_step: dict[int, list[tuple[int, Event]]] = {}
    for index, event in _in_time(transcript.events):
        by_step.setdefault(event.step, []).append((index, event))
    for number, step in enumerate(transcript.scenario.steps):
        drawing.act(number, step)
        for index, event in by_step.get(number, ()):
            drawing.see(index, event)
    return folded(rule_id, cast, fault, drawing.rows)


def _in_time(events: tuple[Event, ...]) -> list[tuple[int, Event]]:
    """The events with their numbers. The server's end is told last, but came before the first that shows it."""
    numbered = list(enumerate(events))
    end = next(((index, event) for index, event in numbered if isinstance(event, ServerEnded)), None)
    witness = next((index for index, event in numbered if _shows_no_server(event)), None)
    if end is None or witness is None or witness > end[0]:
        return numbered
    moved = ServerEnded(events[witness].step, end[1].status, end[1].output)
    return [*numbered[:witness], (end[0], moved), *(row for row in numbered[witness:] if row[0] != end[0])]


def _shows_no_server(event: Event) -> bool:
    if isinstance(event, NotConnected):
        return event.why == "refused"
    return isinstance(event, Looked) and event.snapshot.main is not None and not event.snapshot.running
