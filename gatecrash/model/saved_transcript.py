"""A transcript as JSON and back, so that a diagram can be drawn of it in another process, or another day."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gatecrash.errors import UsageError
from gatecrash.language import say
from gatecrash.model import events as events_of
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.scenario import Scenario
from gatecrash.model.transcript import Event, Transcript

#: Bytes of peers above which a transcript is not kept: a flood is played again, not stored.
MOST_KEPT = 4 * 1024 * 1024
_TASK = TypeAdapter(BlockedTask)


def to_json(transcript: Transcript) -> dict[str, Any] | None:
    """Plain values, bytes in base64; None for a transcript that holds more than MOST_KEPT bytes."""
    if sum(len(getattr(event, "data", b"")) for event in transcript.events) > MOST_KEPT:
        return None
    events = [
        {"kind": type(event).__name__, **_finite(_adapter(type(event).__name__).dump_python(event, mode="json"))}
        for event in transcript.events
    ]
    return {"scenario": transcript.scenario.to_json(), "events": events, "output": transcript.output}


def from_json(row: dict[str, Any]) -> Transcript:
    """What `to_json` wrote. Raises UsageError for anything else."""
    try:
        events = tuple(_event(dict(event)) for event in row["events"])
        return Transcript(Scenario.from_json(row["scenario"]), events, str(row["output"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            say("a saved transcript cannot be read: {error}. Judge the target again.", error=error)
        ) from None


def task_to_json(task: BlockedTask) -> dict[str, Any]:
    """Plain values."""
    values: dict[str, Any] = _finite(_TASK.dump_python(task, mode="json"))
    return values


def task_from_json(row: dict[str, Any]) -> BlockedTask:
    """What `task_to_json` wrote. Raises ValueError for anything else."""
    return _TASK.validate_json(json.dumps(row))


def _event(row: dict[str, Any]) -> Event:
    kind = str(row.pop("kind"))
    try:
        return _adapter(kind).validate_json(json.dumps(row))
    except ValidationError as error:
        raise ValueError(f"{kind}: {error.errors()[0]['msg']}") from None


@cache
def _adapter(kind: str) -> TypeAdapter[Event]:
    made = getattr(events_of, kind, None)
    if not isinstance(made, type) or not issubclass(made, Event):
        raise KeyError(f"there is no event {kind!r}")
    return TypeAdapter(made)


def _finite(value: Any) -> Any:
    """JSON has no infinity, the time limit of a wait whose limit nobody can read."""
    match value:
        case dict():
            return {key: _finite(inner) for key, inner in value.items()}
        case list():
            return [_finite(inner) for inner in value]
        case float() if math.isinf(value):
            return "inf"
    return value
