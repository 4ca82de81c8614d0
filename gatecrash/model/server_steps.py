"""Steps that are no client's: what is done to the server, and looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from gatecrash.language import joined, stated
from gatecrash.model import labels
from gatecrash.model.steps import Step
from gatecrash.text import duration

Who = Literal["parent", "child", "serving", "accepting", "all"]
Family = Literal["accept", "fork", "thread", "send", "recv", "close", "bind", "listen", "socket", "wait"]


def upcoming(call: str, times: int) -> str:
    """The next so many calls of this family, in words."""
    return (
        stated("next {call}", call=call) if times == 1 else stated("next {times} {call} calls", times=times, call=call)
    )


def _labelled(line: str, label: str) -> str:
    return joined((line, labels.told(label)), " ") if label else line


@dataclass(frozen=True)
class Freeze(Step):
    """The server is stopped (SIGSTOP): all its processes, or the parent alone."""

    kind: ClassVar[str] = "freeze"
    on_server: ClassVar[bool] = True
    who: Who = "all"

    def line(self) -> str:
        if self.who == "all":
            return stated("the server is frozen")
        return stated("the server's {who} is frozen", who=stated(self.who))


@dataclass(frozen=True)
class Thaw(Step):
    """The frozen processes go on (SIGCONT)."""

    kind: ClassVar[str] = "thaw"
    on_server: ClassVar[bool] = True

    def line(self) -> str:
        return stated("the server goes on")


@dataclass(frozen=True)
class Fail(Step):
    """The server's next `times` calls of this family fail with `error` (an errno's name) and do nothing."""

    kind: ClassVar[str] = "fail"
    on_server: ClassVar[bool] = True
    injects: ClassVar[bool] = True
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
    on_server: ClassVar[bool] = True
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
    on_server: ClassVar[bool] = True

    def line(self) -> str:
        return stated("the held call goes on")


@dataclass(frozen=True)
class Shorten(Step):
    """The server's next send on a connection takes only `size` bytes, as a send may (send(2), RETURN VALUE)."""

    kind: ClassVar[str] = "shorten"
    on_server: ClassVar[bool] = True
    injects: ClassVar[bool] = True
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
    on_server: ClassVar[bool] = True
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
    on_server: ClassVar[bool] = True
    injects: ClassVar[bool] = True
    spare: int = 0

    def line(self) -> str:
        return stated("the server may open {spare} descriptors more (RLIMIT_NOFILE)", spare=self.spare)


@dataclass(frozen=True)
class LiftLimit(Step):
    """The limit of open descriptors is what it was."""

    kind: ClassVar[str] = "lift-limit"
    on_server: ClassVar[bool] = True

    def line(self) -> str:
        return stated("the server may open descriptors again")


@dataclass(frozen=True)
class SmallBuffers(Step):
    """From here on the kernel keeps little of what is sent and not yet read, so that a full buffer is near."""

    kind: ClassVar[str] = "small-buffers"
    on_server: ClassVar[bool] = True

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
        return stated("time passes for the server: {time}", time=duration(self.seconds))


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
    on_server: ClassVar[bool] = True

    def line(self) -> str:
        return stated("the server gets SIGTERM and is started again on the same port")


@dataclass(frozen=True)
class StartSecond(Step):
    """A second server is started on the same port while the first one runs."""

    kind: ClassVar[str] = "start-second"
    on_server: ClassVar[bool] = True

    def line(self) -> str:
        return stated("a second server is started on the same port")


@dataclass(frozen=True)
class StartOnTakenPort(Step):
    """The server is started afresh while somebody else listens on its port."""

    kind: ClassVar[str] = "start-on-taken-port"
    on_server: ClassVar[bool] = True

    def line(self) -> str:
        return stated("the server is started while its port is taken")


@dataclass(frozen=True)
class StartOnTerminal(Step):
    """The server is ended, and started again where nothing of it is left, with its output on a terminal."""

    kind: ClassVar[str] = "start-on-terminal"
    on_server: ClassVar[bool] = True

    def line(self) -> str:
        return stated("the server is ended, and started again with its output on a terminal")
