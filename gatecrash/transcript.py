"""What happened while a scenario was played: every byte both ways, every kind of close, every look at the server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from gatecrash.instruments.census import ProcessEntry, Task
from gatecrash.instruments.queues import DatagramSocket, Listener
from gatecrash.scenario import Scenario
from gatecrash.text import shown

End = Literal["FIN", "RST"]
Tool = Literal["address", "undefined", "signal"]
Still = Literal["quiet", "resting", "spinning", "restless"]


@dataclass(frozen=True)
class Event:
    """Something seen while step number `step` (from 0) was played."""

    step: int

    #: How pydantic writes a peer's bytes when a transcript is saved.
    __pydantic_config__: ClassVar = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}

    def line(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True)
class Connected(Event):
    """The kernel completed the handshake; the server need not know of it yet."""

    client: str

    def line(self) -> str:
        return f"{self.client} is connected"


@dataclass(frozen=True)
class NotConnected(Event):
    """No connection: refused (nobody listens) or dropped (the accept queue is full)."""

    client: str
    why: Literal["refused", "queue full"]

    def line(self) -> str:
        return f"{self.client} is not connected: {self.why}"


@dataclass(frozen=True)
class Sent(Event):
    """A segment went out. `read`: the server read all of it (None: not waited for); `consumed`: bytes read so far."""

    client: str
    data: bytes
    read: bool | None
    consumed: int | None
    proven: bool = True
    where: tuple[str, ...] = ()
    port: int | None = None  # of a datagram: the server's port it was sent to

    def line(self) -> str:
        state = {None: "", True: ", read by the server", False: ", not read by the server"}[self.read]
        return f"{self.client} sent {shown(self.data)}{state}"


@dataclass(frozen=True)
class NotSent(Event):
    """The segment could not be sent: the connection is gone (`error` is the errno's name)."""

    client: str
    data: bytes
    error: str

    def line(self) -> str:
        return f"{self.client} could not send {shown(self.data)}: {self.error}"


@dataclass(frozen=True)
class Got(Event):
    """Bytes (or one datagram) reached the client; `consumed`: request bytes the server had read by then, if known."""

    client: str
    data: bytes
    consumed: int | None = None
    source_port: int | None = None

    def line(self) -> str:
        return f"{self.client} got {shown(self.data)}"


@dataclass(frozen=True)
class Ended(Event):
    """The server's side of the connection ended."""

    client: str
    how: End

    def line(self) -> str:
        return f"{self.client} saw {'the end of the stream (FIN)' if self.how == 'FIN' else 'a reset (RST)'}"


@dataclass(frozen=True)
class LibraryAnswer(Event):
    """What a client library made of the server's answer: status and body, or the name of what it raised."""

    client: str
    status: int | None
    body: bytes
    error: str = ""
    connected: bool = True

    def line(self) -> str:
        if self.error:
            return f"{self.client} raised {self.error}"
        return f"{self.client} returned status {self.status} and {shown(self.body)}"


@dataclass(frozen=True)
class Silent(Event):
    """Nothing more comes. `proven`: by quiescence; otherwise patience ran out, which proves nothing."""

    client: str
    proven: bool
    still: Still
    where: tuple[str, ...] = ()

    def line(self) -> str:
        return f"{self.client} gets nothing more ({'proven' if self.proven else 'patience ran out'})"


@dataclass(frozen=True)
class ClientSide:
    """The server's end of one client's connection at a look. `holders`: (pid, descriptors) that have it open."""

    client: str
    state: str
    accepted: bool
    unread: int
    unsent: int
    consumed: int | None
    holders: tuple[tuple[int, int], ...]
    fin_received: bool = False


@dataclass(frozen=True)
class Snapshot:
    """One look at the whole server after it came to rest (or did not)."""

    still: Still
    running: bool
    main: int | None
    processes: tuple[ProcessEntry, ...]
    tasks: tuple[Task, ...]
    listener: Listener | None
    listener_holders: tuple[int, ...]
    descriptors: tuple[tuple[int, int], ...]
    connections: tuple[ClientSide, ...]
    where: tuple[str, ...]
    share: float = 0.0
    asked_port: int = 0
    ports: tuple[int, ...] = ()
    #: What each live process has open: (pid, ((descriptor, what it is), ...)).
    opened: tuple[tuple[int, tuple[tuple[int, str], ...]], ...] = ()
    datagram: DatagramSocket | None = None

    @property
    def zombies(self) -> tuple[int, ...]:
        """Processes that ended and were not waited for."""
        return tuple(p.pid for p in self.processes if p.state == "Z")

    @property
    def live(self) -> tuple[int, ...]:
        """Processes that run, zombies not counted."""
        return tuple(p.pid for p in self.processes if p.state not in ("Z", "X"))

    @property
    def descriptors_of_main(self) -> int:
        """How many descriptors the parent has open."""
        return dict(self.descriptors).get(self.main or -1, 0)

    def connection(self, client: str) -> ClientSide | None:
        """The server's end of `client`'s connection, if the kernel still knows it."""
        return next((c for c in self.connections if c.client == client), None)


@dataclass(frozen=True)
class Looked(Event):
    """A Settle step's look."""

    label: str
    snapshot: Snapshot

    def line(self) -> str:
        s = self.snapshot
        listening = f"accept queue {s.listener.depth} of {s.listener.backlog}" if s.listener else "nobody listens"
        return (
            f"{s.still}: {len(s.live)} processes, {len(s.zombies)} zombies, "
            f"{s.descriptors_of_main} descriptors in the parent, {listening}"
        )


@dataclass(frozen=True)
class Printed(Event):
    """All the server has printed so far; `whole` unless it was so much that its middle was thrown away."""

    label: str
    text: bytes
    whole: bool = True

    def line(self) -> str:
        return f"the server has printed {shown(self.text)}"


@dataclass(frozen=True)
class HeldAt(Event):
    """A call of the server is held at its entrance (or provably will not be made)."""

    call: str
    reached: bool
    proven: bool = True

    def line(self) -> str:
        return f"the server is held at {self.call}" if self.reached else f"the server never calls {self.call}"


@dataclass(frozen=True)
class TracedCall:
    """One gated call: the task that made it, its first argument (often a descriptor, -1 shown as such), its fate."""

    tid: int
    family: str
    name: str
    first: int
    outcome: str


@dataclass(frozen=True)
class CallTrace(Event):
    """The gated calls the server made during the scenario, in order."""

    calls: tuple[TracedCall, ...]

    def line(self) -> str:
        return f"{len(self.calls)} gated calls"


@dataclass(frozen=True)
class DatagramsDropped(Event):
    """Datagrams the kernel threw away because a receive buffer was full: nobody's fault (udp(7))."""

    at_server: int
    at_clients: int

    def line(self) -> str:
        return f"the kernel dropped {self.at_server} datagrams for the server, {self.at_clients} for clients"


@dataclass(frozen=True)
class ServerEnded(Event):
    """The server is gone: its exit code, or minus the signal that ended it.

    `overrun` is how many processes it had when it was ended for having far more than its clients account for (else 0).
    """

    status: int
    output: str = ""
    overrun: int = 0

    def line(self) -> str:
        if self.overrun:
            return f"the server was ended when it had {self.overrun} processes"
        how = f"exited with status {self.status}" if self.status >= 0 else f"was ended by signal {-self.status}"
        return f"the server {how}"


@dataclass(frozen=True)
class Started(Event):
    """A start that a step asked for: what came of it. `wanted` is the port the server before it listened on."""

    what: Literal["restart", "second", "taken"]
    listening: bool
    ports: tuple[int, ...]
    status: int | None
    output: str
    proven: bool = True
    left_over: tuple[str, ...] = ()
    wanted: int = 0

    def line(self) -> str:
        state = (
            f"listens on {', '.join(map(str, self.ports))}"
            if self.listening
            else f"does not listen, status {self.status}"
        )
        return f"the {self.what} server {state}"


@dataclass(frozen=True)
class CrashedProcess(Event):
    """A process of the server ended by a signal nobody here sent."""

    pid: int
    signal: int

    def line(self) -> str:
        return f"process {self.pid} of the server was ended by signal {self.signal}"


@dataclass(frozen=True)
class SanitizerReport(Event):
    """What AddressSanitizer or UndefinedBehaviorSanitizer wrote; "signal": the former, of a signal it caught."""

    tool: Tool
    text: str

    def line(self) -> str:
        return f"a sanitizer report: {self.text.splitlines()[0] if self.text else ''}"


@dataclass(frozen=True)
class Transcript:
    """A scenario and all that was seen, in order."""

    scenario: Scenario
    events: tuple[Event, ...]
    output: str = ""
    sent: dict[str, bytes] = field(default_factory=dict)
    early: bool = False  # a look was taken before a timed wait had ended (gatecrash.instruments.ticks)

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

    def silence(self, client: str) -> Silent | None:
        """The last silence of this client."""
        return next((e for e in reversed(self.events) if isinstance(e, Silent) and e.client == client), None)

    def connected(self, client: str) -> bool:
        """Whether the kernel completed this client's handshake."""
        return any(isinstance(e, Connected) and e.client == client for e in self.events)

    def looks(self) -> tuple[Looked, ...]:
        """Every look of a Settle step."""
        return tuple(e for e in self.events if isinstance(e, Looked))

    def look(self, label: str) -> Snapshot | None:
        """The look with this label."""
        return next((e.snapshot for e in self.looks() if e.label == label), None)

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
        lines: list[str] = []
        for index, step in enumerate(self.scenario.steps):
            lines.append(f"{index + 1:2}. {step.line()}")
            lines.extend(f"      {e.line()}" for e in self.events if e.step == index)
        return "\n".join(lines)
