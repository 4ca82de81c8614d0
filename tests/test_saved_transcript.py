"""A transcript that was saved is the transcript that was seen."""

from __future__ import annotations

import json
import math

import pytest

from gatecrash.errors import UsageError
from gatecrash.model import calls as fates
from gatecrash.model import saved_transcript
from gatecrash.model.blocked import BlockedTask, Descriptor
from gatecrash.model.processes import ProcessEntry, Task
from gatecrash.model.scenario import Connect, Receive, Send, Settle, scenario
from gatecrash.model.transcript import (
    CallTrace,
    ClientSide,
    Connected,
    Ended,
    Event,
    Got,
    Looked,
    Sent,
    Silent,
    Snapshot,
    TracedCall,
    Transcript,
)

SNAPSHOT = Snapshot(
    still="quiet",
    running=True,
    main=7,
    processes=(ProcessEntry(7, 1, "S", "server", 1, 0, 0, 0), ProcessEntry(8, 7, "Z", "server", 1, 0, 0, 0)),
    tasks=(Task(7, 7, "S", "accept", (3, 0, 0, 0, 0, 0), 4, 100, 5, pending=False, timed=math.inf),),
    listener=None,
    listener_holders=(7,),
    descriptors=((7, 4),),
    connections=(ClientSide("A", "ESTAB", True, 0, 0, 5, ((7, 4),)),),
    where=(BlockedTask(7, 7, "server", "blocked", "accept", Descriptor(3, "socket")),),
    opened=((7, ((3, "socket:[1]"),)),),
)
EVENTS: tuple[Event, ...] = (
    Connected(0, "A"),
    Sent(1, "A", bytes(range(256)), read=True, consumed=256),
    Got(2, "A", b"\x00\xff\r\n"),
    Silent(
        2,
        "A",
        proven=True,
        still="quiet",
        where=(BlockedTask(7, 8, "server", "stopped", "poll", watched=(), more=2, limit=float("inf")),),
    ),
    Ended(2, "A", "RST"),
    Looked(3, "end", SNAPSHOT),
    CallTrace(
        3, (TracedCall(7, "accept", "accept4", -1, fates.HELD), TracedCall(7, "send", "sendto", 4, fates.shortened(3)))
    ),
)
SEEN = Transcript(scenario(Connect("A"), Send("A", b"\xff"), Receive("A"), Settle("end")), EVENTS, "words")


def test_a_saved_transcript_is_read_back_as_it_was() -> None:
    row = saved_transcript.to_json(SEEN)
    assert row is not None
    assert saved_transcript.from_json(json.loads(json.dumps(row, allow_nan=False))) == SEEN


def test_a_flood_is_not_kept() -> None:
    flood = Got(0, "A", bytes(saved_transcript.MOST_KEPT + 1))
    assert saved_transcript.to_json(Transcript(SEEN.scenario, (flood,))) is None


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"scenario": [], "events": [{"kind": "Exploded"}], "output": ""},
        {"scenario": [], "events": [{"kind": "Transcript"}], "output": ""},
        {"scenario": [], "events": [{"kind": "Got", "step": 0}], "output": ""},
    ],
)
def test_what_is_no_transcript_is_refused_in_a_sentence(row: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        saved_transcript.from_json(row)
