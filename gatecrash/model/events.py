"""Events: one thing that was seen while a scenario was played, as plain data that prints as one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from gatecrash.language import marked, stated
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.calls import CallOutcome
from gatecrash.model.confinement import LimitHit
from gatecrash.model.signals import signal_name, status_named
from gatecrash.model.snapshot import Snapshot, Still
from gatecrash.text import duration, shown

#: What these words of a transcript are called in a sentence.
WHY_NOT = {"refused": marked("refused"), "queue full": marked("queue full")}
_STILL = {
    "quiet": marked("quiet"),
    "resting": marked("resting"),
    "spinning": marked("spinning"),
    "restless": marked("restless"),
}
_STARTS = {
    "restart": marked("restart"),
    "second": marked("second"),
    "taken": marked("taken"),
    "terminal": marked("newly started"),
}

End = Literal["FIN", "RST"]
Tool = Literal["address", "undefined", "signal"]


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
        return stated("{client} is connected", client=self.client)


@dataclass(frozen=True)
class NotConnected(Event):
    """No connection: refused (nobody listens) or dropped (the accept queue is full)."""

    client: str
    why: Literal["refused", "queue full"]

    def line(self) -> str:
        return stated("{client} is not connected: {why}", client=self.client, why=stated(WHY_NOT[self.why]))


@dataclass(frozen=True)
class Sent(Event):
    """A segment went out. `read`: the server read all of it (None: not waited for); `consumed`: bytes read so far."""

    client: str
    data: bytes
    read: bool | None
    consumed: int | None
    proven: bool = True
    where: tuple[BlockedTask, ...] = ()
    port: int | None = None  # of a datagram: the server's port it was sent to

    def line(self) -> str:
        data = shown(self.data)
        if self.read is None:
            return stated("{client} sent {data}", client=self.client, data=data)
        if self.read:
            return stated("{client} sent {data}, read by the server", client=self.client, data=data)
        return stated("{client} sent {data}, not read by the server", client=self.client, data=data)


@dataclass(frozen=True)
class NotSent(Event):
    """The segment could not be sent: the connection is gone (`error` is the errno's name)."""

    client: str
    data: bytes
    error: str

    def line(self) -> str:
        return stated(
            "{client} could not send {data}: {error}", client=self.client, data=shown(self.data), error=self.error
        )


@dataclass(frozen=True)
class Got(Event):
    """Bytes (or one datagram) reached the client; `consumed`: request bytes the server had read by then, if known."""

    client: str
    data: bytes
    consumed: int | None = None
    source_port: int | None = None

    def line(self) -> str:
        return stated("{client} got {data}", client=self.client, data=shown(self.data))


@dataclass(frozen=True)
class Flooded(Event):
    """The client was sent so much that no more of it is taken: `size` bytes, and nobody saw the end of it."""

    client: str
    size: int

    def line(self) -> str:
        return stated(
            "{client} was sent {size} bytes, and no more of it is read here", client=self.client, size=self.size
        )


@dataclass(frozen=True)
class Ended(Event):
    """The server's side of the connection ended."""

    client: str
    how: End

    def line(self) -> str:
        if self.how == "FIN":
            return stated("{client} saw the end of the stream (FIN)", client=self.client)
        return stated("{client} saw a reset (RST)", client=self.client)


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
            return stated("{client} raised {error}", client=self.client, error=self.error)
        body = shown(self.body)
        return stated("{client} returned status {status} and {body}", client=self.client, status=self.status, body=body)


@dataclass(frozen=True)
class Silent(Event):
    """Nothing more comes. `proven`: by quiescence; otherwise patience ran out, which proves nothing."""

    client: str
    proven: bool
    still: Still
    where: tuple[BlockedTask, ...] = ()

    def line(self) -> str:
        if self.proven:
            return stated("{client} gets nothing more (proven)", client=self.client)
        return stated("{client} gets nothing more (patience ran out)", client=self.client)


@dataclass(frozen=True)
class Looked(Event):
    """A Settle step's look."""

    label: str
    snapshot: Snapshot

    def line(self) -> str:
        seen = self.snapshot
        queue = seen.listener
        return stated(
            "{still}: processes {live}, zombies {zombies}, descriptors of the parent {descriptors}, {listening}",
            still=stated(_STILL[seen.still]),
            live=len(seen.live),
            zombies=len(seen.zombies),
            descriptors=seen.descriptors_of_main,
            listening=stated("accept queue {depth} of {backlog}", depth=queue.depth, backlog=queue.backlog)
            if queue is not None
            else stated("nobody listens"),
        )


_NO_TIME = 0.0005  # seconds


@dataclass(frozen=True)
class TimePassed(Event):
    """So many `seconds` passed for the server while it did nothing; `skipped`: its clocks were moved on.

    `wakes`: how often a second, by its own clock, the task of it that woke most often did so for a limit of its own;
    counted where a step let the time pass. `late`: it has ticks, and not each of them came in its time: who counts
    them has counted too few. `where`: in which call it was whose limit came last, where something was owed to a client;
    `on_client`: the client who was there, and whom that call waited for, and for nothing else; `beside`: whom others
    waited for in this way then.
    """

    seconds: float
    skipped: bool = True
    wakes: float = 0.0
    late: bool = False
    where: tuple[BlockedTask, ...] = ()
    on_client: str = ""
    beside: tuple[str, ...] = ()

    def line(self) -> str:
        if self.skipped and self.seconds < _NO_TIME:
            return stated("a time limit of the server's own is over")
        if self.skipped:
            return stated("{time} of the server's own time pass (skipped)", time=duration(self.seconds))
        return stated("{time} pass", time=duration(self.seconds))


@dataclass(frozen=True)
class Printed(Event):
    """All the server has printed so far; `whole` unless it was so much that its middle was thrown away."""

    label: str
    text: bytes
    whole: bool = True

    def line(self) -> str:
        return stated("the server has printed {data}", data=shown(self.text))


@dataclass(frozen=True)
class HeldAt(Event):
    """A call of the server is held at its entrance (or provably will not be made)."""

    call: str
    reached: bool
    proven: bool = True

    def line(self) -> str:
        if self.reached:
            return stated("the server is held at {call}", call=self.call)
        return stated("the server never calls {call}", call=self.call)


@dataclass(frozen=True)
class TracedCall:
    """One gated call: the task that made it, its first argument (often a descriptor, -1 shown as such), its fate."""

    tid: int
    family: str
    name: str
    first: int
    outcome: CallOutcome


@dataclass(frozen=True)
class CallTrace(Event):
    """The gated calls the server made during the scenario, in order."""

    calls: tuple[TracedCall, ...]

    def line(self) -> str:
        return stated("{count} gated calls", count=len(self.calls))


@dataclass(frozen=True)
class DatagramsDropped(Event):
    """Datagrams the kernel threw away because a receive buffer was full: nobody's fault (udp(7))."""

    at_server: int
    at_clients: int

    def line(self) -> str:
        return stated(
            "the kernel dropped {at_server} datagrams for the server, {at_clients} for clients",
            at_server=self.at_server,
            at_clients=self.at_clients,
        )


@dataclass(frozen=True)
class ServerEnded(Event):
    """The server is gone: its exit code, or minus the signal that ended it.

    `overrun` is how many processes it had when it was ended for having far more than its clients account for (else 0).
    `limit` is the one of its confinement that it was ended at.
    `status` is that of the process that was started: of one that went on in the background (`daemon`) nobody knows it.
    """

    status: int
    output: str = ""
    overrun: int = 0
    daemon: bool = False
    limit: LimitHit | None = None

    def line(self) -> str:
        if self.limit is not None:
            return stated("the server was ended: {why}", why=self.limit.said)
        if self.overrun:
            return stated("the server was ended when it had {count} processes", count=self.overrun)
        if self.daemon:
            return stated("the server, which had gone on in the background, is gone")
        if self.status >= 0:
            return stated("the server exited with status {status}", status=status_named(self.status))
        return stated("the server was ended by {signal}", signal=signal_name(-self.status))


@dataclass(frozen=True)
class Started(Event):
    """A start that a step asked for: what came of it. `wanted` is the port the server before it listened on."""

    what: Literal["restart", "second", "taken", "terminal"]
    listening: bool
    ports: tuple[int, ...]
    status: int | None
    output: str
    proven: bool = True
    left_over: tuple[str, ...] = ()
    wanted: int = 0

    def line(self) -> str:
        what = stated(_STARTS[self.what])
        if self.listening:
            return stated("the {what} server listens on {ports}", what=what, ports=", ".join(map(str, self.ports)))
        if self.status is not None and self.status < 0:
            return stated("the {what} server was ended by {signal}", what=what, signal=signal_name(-self.status))
        status = self.status if self.status is None else status_named(self.status)
        return stated("the {what} server does not listen, status {status}", what=what, status=status)


@dataclass(frozen=True)
class CrashedProcess(Event):
    """A process of the server ended by a signal nobody here sent."""

    pid: int
    signal: int

    def line(self) -> str:
        name = signal_name(self.signal)
        return stated("process {pid} of the server was ended by {signal}", pid=self.pid, signal=name)


@dataclass(frozen=True)
class SanitizerReport(Event):
    """What AddressSanitizer or UndefinedBehaviorSanitizer wrote; "signal": the former, of a signal it caught."""

    tool: Tool
    text: str

    def line(self) -> str:
        return stated("a sanitizer report: {line}", line=self.text.splitlines()[0] if self.text else "")
