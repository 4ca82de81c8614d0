"""What happened while a scenario was played: every byte both ways, every kind of close, every look at the server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from gatecrash.language import spoken
from gatecrash.model.events import WHY_NOT as WHY_NOT
from gatecrash.model.events import CallTrace as CallTrace
from gatecrash.model.events import Connected as Connected
from gatecrash.model.events import CrashedProcess as CrashedProcess
from gatecrash.model.events import DatagramsDropped as DatagramsDropped
from gatecrash.model.events import End as End
from gatecrash.model.events import Ended as Ended
from gatecrash.model.events import Event as Event
from gatecrash.model.events import Flooded as Flooded
from gatecrash.model.events import Got as Got
from gatecrash.model.events import HeldAt as HeldAt
from gatecrash.model.events import LibraryAnswer as LibraryAnswer
from gatecrash.model.events import Looked as Looked
from gatecrash.model.events import NotConnected as NotConnected
from gatecrash.model.events import NotSent as NotSent
from gatecrash.model.events import Printed as Printed
from gatecrash.model.events import SanitizerReport as SanitizerReport
from gatecrash.model.events import Sent as Sent
from gatecrash.model.events import ServerEnded as ServerEnded
from gatecrash.model.events import Silent as Silent
from gatecrash.model.events import Started as Started
from gatecrash.model.events import TimePassed as TimePassed
from gatecrash.model.events import Tool as Tool
from gatecrash.model.events import TracedCall as TracedCall
from gatecrash.model.scenario import Scenario
from gatecrash.model.snapshot import ClientSide as ClientSide
from gatecrash.model.snapshot import Snapshot as Snapshot
from gatecrash.model.snapshot import Still as Still

_KEPT_OF_A_FLOOD = 1 << 16  # bytes of each client


@dataclass(frozen=True)
class Transcript:
    """A scenario and all that was seen, in order."""

    scenario: Scenario
    events: tuple[Event, ...]
    output: str = ""
    sent: dict[str, bytes] = field(default_factory=dict)
    skipped: float = 0.0  # seconds of the server's own time, in all: events tell where, but for what is no news
    early: bool = False  # a look was taken before a timed wait had ended (gatecrash.instruments.real_time.ticks)

    def trimmed(self) -> Transcript:
        """The transcript to keep: of what flooded a client its beginning is enough, the event tells the size."""
        flooded = {event.client for event in self.events if isinstance(event, Flooded)}
        if not flooded:
            return self
        left = dict.fromkeys(flooded, _KEPT_OF_A_FLOOD)
        events: list[Event] = []
        for event in self.events:
            if isinstance(event, Got) and event.client in flooded:
                kept = event.data[: left[event.client]]
                left[event.client] -= len(kept)
                events += [replace(event, data=kept)] if kept else []
            else:
                events.append(event)
        return replace(self, events=tuple(events))

    def of(self, client: str) -> tuple[Event, ...]:
        """The events of one client."""
        return tuple(e for e in self.events if getattr(e, "client", None) == client)

    def received(self, client: str) -> bytes:
        """Every byte `client` got, in order."""
        return b"".join(e.data for e in self.events if isinstance(e, Got) and e.client == client)

    def datagrams(self, client: str) -> tuple[bytes, ...]:
        """The datagrams `client` got, in order."""
        return tuple(e.data for e in self.events if isinstance(e, Got) and e.client == client)

    def end(self, client: str) -> End | None:
        """How the server ended this connection, if it did."""
        return next((e.how for e in self.events if isinstance(e, Ended) and e.client == client), None)

    def ended_at(self, client: str) -> int | None:
        """The step in which the server's end of this connection was seen; None while it was not."""
        return next((e.step for e in self.events if isinstance(e, Ended) and e.client == client), None)

    def silence(self, client: str) -> Silent | None:
        """The last silence of this client."""
        return next((e for e in reversed(self.events) if isinstance(e, Silent) and e.client == client), None)

    @property
    def flooded(self) -> Flooded | None:
        """The first client that was sent more than is kept, if one was."""
        return next((e for e in self.events if isinstance(e, Flooded)), None)

    def connected(self, client: str) -> bool:
        """Whether the kernel completed this client's handshake."""
        return any(isinstance(e, Connected) and e.client == client for e in self.events)

    def looks(self) -> tuple[Looked, ...]:
        """Every look of a Settle step."""
        return tuple(e for e in self.events if isinstance(e, Looked))

    def look(self, label: str) -> Snapshot | None:
        """The look with this label."""
        return next((e.snapshot for e in self.looks() if e.label == label), None)

    def passed(self, step: int) -> float:
        """Seconds that have passed for the server while this step (from 0) was played, skipped or not."""
        return sum(event.seconds for event in self.events if isinstance(event, TimePassed) and event.step == step)

    def wakes(self, step: int) -> float:
        """How often a second a task of the server woke for a limit of its own while this step let time pass."""
        passed = (event for event in self.events if isinstance(event, TimePassed) and event.step == step)
        return max((event.wakes for event in passed), default=0.0)

    def ticked_late(self, step: int) -> bool:
        """Whether ticks of the server's were late while this step let time pass."""
        return any(isinstance(event, TimePassed) and event.step == step and event.late for event in self.events)

    @property
    def server_ended(self) -> ServerEnded | None:
        """The server's end, if it came during the scenario."""
        return next((e for e in self.events if isinstance(e, ServerEnded)), None)

    @property
    def calls(self) -> tuple[TracedCall, ...]:
        """The gated calls the server made, in order."""
        return tuple(c for e in self.events if isinstance(e, CallTrace) for c in e.calls)

    @property
    def crashes(self) -> tuple[CrashedProcess, ...]:
        """Processes that a signal ended."""
        return tuple(e for e in self.events if isinstance(e, CrashedProcess))

    def __str__(self) -> str:
        return "\n".join(f"{lead}{line}" for lead, line in self._lines())

    def told(self) -> str:
        """The same as `str`, in the language that is spoken."""
        return "\n".join(f"{lead}{spoken(line)}" for lead, line in self._lines())

    def _lines(self) -> Iterator[tuple[str, str]]:
        """What stands before each line, and its sentence."""
        for index, step in enumerate(self.scenario.steps):
            yield f"{index + 1:2}. ", step.line()
            yield from (("      ", event.line()) for event in self.events if self._noticed(event) == index)

    def _noticed(self, event: Event) -> int:
        """The step in which an event is told: an end is looked for behind the last one, and may have shown before."""
        if not isinstance(event, ServerEnded | CrashedProcess):
            return event.step
        return next((other.step for other in self.events if shows_death(other, event)), event.step)


def shows_death(event: Event, death: ServerEnded | CrashedProcess) -> bool:
    """Whether this event shows that the server, or this process of it, had ended by then."""
    if isinstance(death, CrashedProcess):
        return isinstance(event, Looked) and death.pid in event.snapshot.zombies
    if isinstance(event, NotConnected):
        return event.why == "refused"
    return isinstance(event, Looked) and event.snapshot.main is not None and not event.snapshot.running
