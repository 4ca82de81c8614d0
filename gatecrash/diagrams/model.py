"""A sequence diagram as data: lanes for who takes part, rows for what happened, in the order it happened.

All text in it is escaped and bounded already; a renderer adds only the escaping of its own format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatecrash.language import say

LaneKind = Literal["client", "clients", "kernel", "server", "child", "children"]
ArrowKind = Literal["connect", "accept", "segment", "datagram", "fin", "rst", "answer"]
Fate = Literal["arrives", "unread", "lost"]
MarkKind = Literal[
    "plan", "held", "released", "never-held", "failed", "shortened", "frozen", "thawed", "signalled", "forked",
    "blocked", "spinning", "zombie", "gone", "died", "silence", "unproven", "queue", "full", "unread", "printed",
    "started", "library", "descriptors", "threads", "holds", "dropped", "misused", "sanitizer",
]  # fmt: skip
BandKind = Literal["look", "time", "folded"]
PeriodKind = Literal["frozen", "held", "absent", "dead"]


@dataclass(frozen=True)
class Span:
    """A piece of a label; `bad` marks the byte (or word) that is the fault."""

    text: str
    bad: bool = False


Words = tuple[Span, ...]


@dataclass(frozen=True)
class Lane:
    """Somebody who takes part. `key` is stable: client:A, clients, kernel, server, child:4711, children."""

    key: str
    kind: LaneKind
    title: str
    detail: str = ""
    bad: bool = False
    #: The title where there is little room for it.
    short: str = ""


@dataclass(frozen=True)
class Arrow:
    """Something that goes from one lane to another, by their keys.

    `fate`: it arrives, it stays unread in the kernel, or it is lost (dropped, refused). `whose`: the lane of the client
    that the words name, which goes between two others (an accept).
    """

    start: str
    end: str
    kind: ArrowKind
    words: Words
    note: str = ""
    fate: Fate = "arrives"
    bad: bool = False
    step: int = 0
    times: int = 1
    whose: str = ""


@dataclass(frozen=True)
class Mark:
    """Something that happens to, or is true of, one lane or several, by their keys."""

    lanes: tuple[str, ...]
    kind: MarkKind
    words: Words
    note: str = ""
    bad: bool = False
    step: int = 0
    times: int = 1


@dataclass(frozen=True)
class Band:
    """A line across all lanes: a look at the whole server, or how much of the same was left out."""

    kind: BandKind
    words: Words
    bad: bool = False
    step: int = 0


Row = Arrow | Mark | Band


@dataclass(frozen=True)
class Period:
    """The rows (first and last, both counted) during which a lane is frozen, held, not there yet, or dead."""

    lane: str
    kind: PeriodKind
    first: int
    last: int


@dataclass(frozen=True)
class Diagram:
    """What happened while a scenario was played, ready to be drawn."""

    rule: str
    lanes: tuple[Lane, ...]
    rows: tuple[Row, ...]
    periods: tuple[Period, ...] = ()

    def position(self, key: str) -> int:
        """The number of a lane, from 0 at the left."""
        return next(number for number, lane in enumerate(self.lanes) if lane.key == key)

    @property
    def summary(self) -> str:
        """One sentence for who cannot see the picture."""
        faults = [text_of(row.words) for row in self.rows if row.bad]
        fault = say(" The fault shows at: {faults}.", faults="; ".join(faults[:3])) if faults else ""
        between = ", ".join(lane.title for lane in self.lanes)
        return say("{count} rows between {lanes}.{fault}", count=len(self.rows), lanes=between, fault=fault)


def text_of(words: Words) -> str:
    """The words as one string."""
    return "".join(span.text for span in words)
