"""Sequence diagrams: what happened while a scenario was played, as a picture any renderer can draw.

`diagram` is pure: the terminal (`gatecrash.reports.sequence_text`) and the HTML report
(`gatecrash.reports.sequence_svg`) draw what it returns.
"""

from __future__ import annotations

from dataclasses import replace

from gatecrash.diagrams.cast import Cast, cast_of, client
from gatecrash.diagrams.fault import Fault, fault_of
from gatecrash.diagrams.model import Arrow, Band, Diagram, Lane, Mark, Period, Row, Span, Words, text_of
from gatecrash.diagrams.rows import Drawing
from gatecrash.diagrams.shortening import folded, keys_of
from gatecrash.diagrams.trace import Trace
from gatecrash.language import terms_alone
from gatecrash.model.transcript import (
    CrashedProcess,
    Ended,
    Event,
    Flooded,
    Got,
    Looked,
    Sent,
    ServerEnded,
    TimePassed,
    Transcript,
    shows_death,
)
from gatecrash.model.verdicts import Finding

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


@terms_alone()
def diagram(transcript: Transcript, finding: Finding | None, rule_id: str) -> Diagram:
    """The sequence diagram of a transcript, with what `finding` blames highlighted; bounded in every direction."""
    cast, fault = cast_of(transcript), fault_of(transcript, finding)
    drawing = Drawing(cast, fault, Trace(transcript))
    drawing.last_look = next((look for look in reversed(transcript.looks()) if _tells(look, fault)), None)
    by_step: dict[int, list[tuple[int, Event]]] = {}
    for index, event in _in_time(transcript.events, cast):
        by_step.setdefault(event.step, []).append((index, event))
    for number, step in enumerate(transcript.scenario.steps):
        drawing.act(number, step)
        for index, event in by_step.get(number, ()):
            drawing.see(index, event)
    return folded(rule_id, cast, fault, _with_a_fault(drawing.rows, fault))


def _with_a_fault(rows: list[Row], fault: Fault) -> list[Row]:
    """Where nothing that was seen is the fault by itself, the last thing that the blamed client saw stands for it."""
    if not fault.found or any(row.bad for row in rows):
        return rows
    blamed = {client(name) for name in fault.clients}
    theirs = [number for number, row in enumerate(rows) if blamed & set(keys_of(row))]
    at = theirs[-1] if theirs else len(rows) - 1
    return [replace(row, bad=True) if number == at else row for number, row in enumerate(rows)]


def _tells(look: Looked, fault: Fault) -> bool:
    """Whether this look found a task that is part of the evidence."""
    return any(task in fault.tasks for task in look.snapshot.where)


def _in_time(events: tuple[Event, ...], cast: Cast) -> list[tuple[int, Event]]:
    """The events with their numbers, causes first.

    Deaths are told last, but came before the first event that shows them. What was sent is told when it is known to
    have been read, but came before all that was got meanwhile.
    """
    ordered = _sent_first(list(enumerate(events)))
    for index, event in enumerate(events):
        if not isinstance(event, ServerEnded | CrashedProcess):
            continue
        witness = next((n for n, (_, other) in enumerate(ordered) if shows_death(other, event)), None)
        while witness and _follows_death(ordered[witness - 1][1], event, cast):
            witness -= 1
        if witness is not None and ordered[witness][0] < index:
            ordered.remove((index, event))
            ordered.insert(witness, (index, replace(event, step=ordered[witness][1].step)))
    return ordered


def _sent_first(events: list[tuple[int, Event]]) -> list[tuple[int, Event]]:
    ordered: list[tuple[int, Event]] = []
    for index, event in events:
        at = len(ordered)
        while isinstance(event, Sent) and at and _came_while_sent(ordered[at - 1][1], event):
            at -= 1
        ordered.insert(at, (index, event))
    return ordered


def _came_while_sent(event: Event, sent: Sent) -> bool:
    return event.step == sent.step and isinstance(event, Got | Ended | Flooded | TimePassed)


def _follows_death(event: Event, death: ServerEnded | CrashedProcess, cast: Cast) -> bool:
    """Whether this end of a connection is the kernel's, for a process that has died."""
    if not isinstance(event, Ended):
        return False
    if isinstance(death, CrashedProcess):
        return cast.serves.get(event.client) == death.pid
    return event.how == "RST"
