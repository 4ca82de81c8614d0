"""Steps: one act of a client or on the server each, as plain data that prints as one line.

Nothing here touches a socket: `gatecrash.player.play` plays them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from gatecrash.language import joined, marked, stated
from gatecrash.text import duration, shown, size_of

Until = Literal["message", "announced", "end", "silence"]
Who = Literal["parent", "child", "serving", "accepting", "all"]
Family = Literal["accept", "fork", "thread", "send", "recv", "close", "bind", "listen", "socket", "wait"]


@dataclass(frozen=True)
class Step:
    """One act. `line()` is the sentence a reader sees; `kind` is its name in a saved scenario."""

    kind: ClassVar[str] = ""

    def line(self) -> str:
        raise NotImplementedError


def upcoming(call: str, times: int) -> str:
    """The next so many calls of this family, in words."""
    return (
        stated("next {call}", call=call) if times == 1 else stated("next {times} {call} calls", times=times, call=call)
    )


def _labelled(line: str, label: str) -> str:
    return joined((line, f"({label})"), " ") if label else line


@dataclass(frozen=True)
class Connect(Step):
    """`client` opens a connection (the kernel completes it, whatever the server does)."""

    kind: ClassVar[str] = "connect"
    client: str
    small_window: bool = False

    def line(self) -> str:
        if self.small_window:
            return stated("{client} connects with a small receive window", client=self.client)
        return stated("{client} connects", client=self.client)


@dataclass(frozen=True)
class Send(Step):
    """`client` sends one segment; with `until_read`, waits until the server has read it or provably will not."""

    kind: ClassVar[str] = "send"
    client: str
    data: bytes
    until_read: bool = True
    read_meanwhile: bool = True  # take what comes while the send queue is full, so that neither side waits for ever

    def line(self) -> str:
        waits = stated(", waits until it is read") if self.until_read else ""
        return stated(
            "{client} sends {data} ({size}){waits}",
            client=self.client,
            data=shown(self.data),
            size=size_of(self.data),
            waits=waits,
        )


def optional_send(client: str, data: bytes, *, until_read: bool = True) -> tuple[Send, ...]:
    """`client` sends `data`, or no step at all where there is none: a server may be asked nothing, and then speaks."""
    return (Send(client, data, until_read=until_read),) if data else ()


@dataclass(frozen=True)
class Receive(Step):
    """`client` reads: until the protocol's message is complete, until the connection ends, or to proven silence.

    "announced": the message, and on to the end of the connection if the message announces it (HTTP).
    """

    kind: ClassVar[str] = "receive"
    client: str
    until: Until = "message"
    at_most: int | None = None

    def line(self) -> str:
        if self.at_most is not None:
            return stated(
                "{client} reads at most {at_most} byte{s}",
                client=self.client,
                at_most=self.at_most,
                s="" if self.at_most == 1 else "s",
            )
        said = {
            "message": marked("{client} waits for its answer"),
            "announced": marked("{client} waits for its answer, and for the end if the answer announces it"),
            "end": marked("{client} reads until the server closes"),
            "silence": marked("{client} reads until nothing more can come"),
        }
        return stated(said[self.until], client=self.client)


@dataclass(frozen=True)
class HalfClose(Step):
    """`client` says it will send no more (FIN) and goes on reading."""

    kind: ClassVar[str] = "half-close"
    client: str

    def line(self) -> str:
        return stated("{client} half-closes (sends FIN, goes on reading)", client=self.client)


@dataclass(frozen=True)
class Close(Step):
    """`client` closes; unread input makes the kernel send RST instead of FIN."""

    kind: ClassVar[str] = "close"
    client: str

    def line(self) -> str:
        return stated("{client} closes", client=self.client)


@dataclass(frozen=True)
class Reset(Step):
    """`client` aborts the connection (RST, by SO_LINGER with zero seconds)."""

    kind: ClassVar[str] = "reset"
    client: str

    def line(self) -> str:
        return stated("{client} resets the connection", client=self.client)


@dataclass(frozen=True)
class SendDatagram(Step):
    """`client` sends one datagram from its own port."""

    kind: ClassVar[str] = "send-datagram"
    client: str
    data: bytes

    def line(self) -> str:
        return stated(
            "{client} sends the datagram {data} ({size})",
            client=self.client,
            data=shown(self.data),
            size=size_of(self.data),
        )


@dataclass(frozen=True)
class ReceiveDatagrams(Step):
    """`client` takes the datagrams that came for it: `count` of them, or all there are at proven silence."""

    kind: ClassVar[str] = "receive-datagrams"
    client: str
    count: int | None = 1

    def line(self) -> str:
        if self.count is None:
            return stated("{client} takes every datagram that comes", client=self.client)
        return stated(
            "{client} waits for {count} datagram{s}",
            client=self.client,
            count=self.count,
            s="s" if self.count != 1 else "",
        )


@dataclass(frozen=True)
class AskWithRequests(Step):
    """`client` is the library requests: it asks `times` times, each on its own or all in one `session`."""

    kind: ClassVar[str] = "ask-with-requests"
    client: str
    path: str
    method: str = "GET"
    times: int = 1
    session: bool = False

    def line(self) -> str:
        often: str = "" if self.times == 1 else stated(" {times} times", times=self.times)
        if self.times > 1 and self.session:
            often = stated(" {times} times, in one session", times=self.times)
        return stated(
            "{client}, the library requests, asks {method} {path}{often}",
            client=self.client,
            method=self.method,
            path=self.path,
            often=often,
        )


@dataclass(frozen=True)
class Freeze(Step):
    """The server is stopped (SIGSTOP): all its processes, or the parent alone."""

    kind: ClassVar[str] = "freeze"
    who: Who = "all"

    def line(self) -> str:
        if self.who == "all":
            return stated("the server is frozen")
        return stated("the server's {who} is frozen", who=self.who)


@dataclass(frozen=True)
class Thaw(Step):
    """The frozen processes go on (SIGCONT)."""

    kind: ClassVar[str] = "thaw"

    def line(self) -> str:
        return stated("the server goes on")


@dataclass(frozen=True)
class Fail(Step):
    """The server's next `times` calls of this family fail with `error` (an errno's name) and do nothing."""

    kind: ClassVar[str] = "fail"
    call: Family
    error: str
    times: int = 1

    def line(self) -> str:
        which = upcoming(self.call, self.times)
        return stated("the server's {which} will fail with {error}", which=which, error=self.error)


@dataclass(frozen=True)
class Watch(Step):
    """The server's calls of this family are written down; nothing is done to them."""

    kind: ClassVar[str] = "watch"
    call: Family

    def line(self) -> str:
        return stated("the server's {call} calls are watched", call=self.call)


@dataclass(frozen=True)
class Hold(Step):
    """The server's next call of this family is held at its entrance until a Release."""

    kind: ClassVar[str] = "hold"
    call: Family
    times: int = 1

    def line(self) -> str:
        which = upcoming(self.call, self.times)
        return stated("the server's {which} will be held", which=which)


@dataclass(frozen=True)
class AwaitHeld(Step):
    """Wait until `count` calls are held, or the server is provably not going to make them."""

    kind: ClassVar[str] = "await-held"
    count: int = 1

    def line(self) -> str:
        return stated("wait until the server is held there")


@dataclass(frozen=True)
class Release(Step):
    """Let every held call run, and forget the plans not used."""

    kind: ClassVar[str] = "release"

    def line(self) -> str:
        return stated("the held call goes on")


@dataclass(frozen=True)
class Shorten(Step):
    """The server's next send on a connection takes only `size` bytes, as a send may (send(2), RETURN VALUE)."""

    kind: ClassVar[str] = "shorten"
    size: int
    times: int = 1

    def line(self) -> str:
        return stated(
            "the server's next send will take only {size} byte{s}", size=self.size, s="s" if self.size != 1 else ""
        )


@dataclass(frozen=True)
class Signal(Step):
    """A signal is sent to the parent, to every child, or to some of these.

    "serving": those that hold a client's connection now; "accepting": one that waits for the next client.
    """

    kind: ClassVar[str] = "signal"
    who: Who
    name: str

    def line(self) -> str:
        targets = {
            "parent": stated("the parent"),
            "child": stated("every child"),
            "serving": stated("every child that serves a client"),
            "accepting": stated("one child that waits for a client"),
        }
        return stated("{who} gets {name}", who=targets.get(self.who, stated("every process")), name=self.name)


@dataclass(frozen=True)
class LimitDescriptors(Step):
    """The server's limit of open descriptors is set to what it has open now, plus `spare`."""

    kind: ClassVar[str] = "limit-descriptors"
    spare: int = 0

    def line(self) -> str:
        return stated("the server may open {spare} descriptors more (RLIMIT_NOFILE)", spare=self.spare)


@dataclass(frozen=True)
class LiftLimit(Step):
    """The limit of open descriptors is what it was."""

    kind: ClassVar[str] = "lift-limit"

    def line(self) -> str:
        return stated("the server may open descriptors again")


@dataclass(frozen=True)
class SmallBuffers(Step):
    """From here on the kernel keeps little of what is sent and not yet read, so that a full buffer is near."""

    kind: ClassVar[str] = "small-buffers"

    def line(self) -> str:
        return stated("the kernel buffers little of what is sent (net.ipv4.tcp_wmem)")


@dataclass(frozen=True)
class Settle(Step):
    """Wait until nothing more happens by itself (at most `within` seconds), and look at the whole server.

    A process that has used `spin` seconds of processor time for nothing is taken to go on so (None: a quarter).
    """

    kind: ClassVar[str] = "settle"
    label: str = ""
    within: float | None = None
    spin: float | None = None

    def line(self) -> str:
        limit = "" if self.within is None else stated(", {within:g} s at most", within=self.within)
        return _labelled(stated("wait until the server is quiet{limit}, and look", limit=limit), self.label)


@dataclass(frozen=True)
class LetTimePass(Step):
    """So many `seconds` pass for the server, and nobody does anything; what it does meanwhile is taken as it comes.

    With the clock (gatecrash.instruments.clock) they are skipped; where time is real they are waited, if they are few.
    """

    kind: ClassVar[str] = "let-time-pass"
    seconds: float

    def line(self) -> str:
        return stated("{time} pass for the server", time=duration(self.seconds))


@dataclass(frozen=True)
class ReadOutput(Step):
    """What the server has printed so far (stdout and stderr are a pipe) is read."""

    kind: ClassVar[str] = "read-output"
    label: str = ""

    def line(self) -> str:
        return _labelled(stated("what the server has printed is read"), self.label)


@dataclass(frozen=True)
class Restart(Step):
    """SIGTERM the server, and start it again on the same port."""

    kind: ClassVar[str] = "restart"

    def line(self) -> str:
        return stated("the server gets SIGTERM and is started again on the same port")


@dataclass(frozen=True)
class StartSecond(Step):
    """A second server is started on the same port while the first one runs."""

    kind: ClassVar[str] = "start-second"

    def line(self) -> str:
        return stated("a second server is started on the same port")


@dataclass(frozen=True)
class StartOnTakenPort(Step):
    """The server is started afresh while somebody else listens on its port."""

    kind: ClassVar[str] = "start-on-taken-port"

    def line(self) -> str:
        return stated("the server is started while its port is taken")


@dataclass(frozen=True)
class StartOnTerminal(Step):
    """The server is ended, and started again where nothing of it is left, with its output on a terminal."""

    kind: ClassVar[str] = "start-on-terminal"

    def line(self) -> str:
        return stated("the server is ended, and started again with its output on a terminal")


STEPS: tuple[type[Step], ...] = (
    Connect, Send, Receive, HalfClose, Close, Reset, SendDatagram, ReceiveDatagrams, AskWithRequests, Freeze, Thaw,
    Fail, Watch, Hold, AwaitHeld, Release, Shorten, Signal, LimitDescriptors, LiftLimit, SmallBuffers, Settle,
    LetTimePass, ReadOutput, Restart, StartSecond, StartOnTakenPort, StartOnTerminal,
)  # fmt: skip
