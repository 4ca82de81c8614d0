"""Where a task of the server was found: in which call, on which descriptor, for how long at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gatecrash.language import joined, marked, stated
from gatecrash.text import duration

#: What is said of what /proc/PID/fd calls "socket:[4711]", "pipe:[4712]" and "anon_inode:[eventpoll]".
_KINDS = {"socket": marked("a socket"), "pipe": marked("a pipe"), "anon_inode": marked("a kernel object")}
_WAITS_FOR = {
    "wait4": marked("waiting for a child to end"),
    "waitid": marked("waiting for a child to end"),
    "vfork": marked("waiting for the new child to exec"),
    "pause": marked("waiting for a signal"),
    "rt_sigsuspend": marked("waiting for a signal"),
    "rt_sigtimedwait": marked("waiting for a signal"),
    "nanosleep": marked("sleeping"),
    "clock_nanosleep": marked("sleeping"),
}
#: What the C library makes of a call whose name nobody writes.
_CALLED = {"wait4": "waitpid", "pselect6": "select"}
_READS = ("read", "readv", "recvfrom", "recvmsg")

TaskState = Literal["blocked", "stopped", "running"]
#: Of a lock: the task that waits for it, another one that lives, one that is gone, or one of the process it was forked
#: from (the copy has nobody who releases it). "": it is no lock, or nobody can tell.
Owner = Literal["itself", "living", "gone", "forked", ""]
_OWNED = {
    "itself": marked("waiting for a lock that it holds itself"),
    "living": marked("waiting for a lock that process {number} holds"),
    "gone": marked("waiting for a lock whose owner, process {number}, is gone"),
    "forked": marked("waiting for its copy of a lock that process {number} held when it forked: nobody releases that"),
}


@dataclass(frozen=True)
class Futex:
    """What a task waits for in futex(2). `shared`: with other processes; `alone`: no other thread can wake it.

    `number` is the owner's thread id, that of its process for its first thread; 0: not known.
    """

    shared: bool = False
    alone: bool = False
    owner: Owner = ""
    number: int = 0

    @property
    def line(self) -> str:
        """What is waited for, as a part of a sentence."""
        if self.owner == "gone" and not self.number:
            return stated("waiting for a lock whose owner is gone")
        if self.owner:
            return stated(_OWNED[self.owner], number=self.number)
        if self.shared:
            return stated("waiting for another process")
        return (
            stated("waiting for another thread, and it has none")
            if self.alone
            else stated("waiting for another thread")
        )


@dataclass(frozen=True)
class Descriptor:
    """A descriptor of a process, and what it is: "socket", "pipe", "anon_inode", "closed", or the name of a file.

    None: it was not in the process's table any more.
    """

    number: int
    what: str | None

    @property
    def kind(self) -> str:
        """What it is, for a reader of a report; the name of a file is a stranger's text."""
        known = _KINDS.get(self.what or "")
        return self.what or "" if known is None else stated(known)


@dataclass(frozen=True)
class BlockedTask:
    """One task at a look. `call` is "" while it runs, and "?" where the kernel does not tell.

    `descriptor` is what the call is on; `watched` what a call such as poll waits for, and `more` how many others.
    `limit` is the seconds it waits at most, infinite where nobody can read them.
    """

    pid: int
    tid: int
    name: str
    state: TaskState
    call: str = ""
    descriptor: Descriptor | None = None
    watched: tuple[Descriptor, ...] | None = None
    more: int = 0
    limit: float | None = None
    futex: Futex | None = None

    @property
    def accepts(self) -> bool:
        """Whether it waits for the next client, in accept or accept4."""
        return self.call.startswith("accept")

    @property
    def waits_for(self) -> str:
        """What it waits for where the call says it, in English; else ""."""
        if self.call == "futex":
            return (self.futex or Futex()).line
        known = _WAITS_FOR.get(self.call)
        return "" if known is None else stated(known)

    def line(self) -> str:
        """Which process is blocked in which call on which descriptor, as one plain sentence."""
        if self.state == "running":
            return stated("{who} is running", who=self._who())
        verb = stated("stopped") if self.state == "stopped" else stated("blocked")
        if self.call == "?":
            return stated("{who} is {verb} in a call the kernel does not let us see", who=self._who(), verb=verb)
        return stated(
            "{who} is {verb} in {call}{on}{limit}",
            who=self._who(),
            verb=verb,
            call=as_called(self.call),
            on=self._on(),
            limit=self._limit(),
        )

    def _who(self) -> str:
        process = (
            stated("process {pid} ({name})", pid=self.pid, name=self.name)
            if self.name
            else stated("process {pid}", pid=self.pid)
        )
        return process if self.tid == self.pid else stated("thread {tid} of {process}", tid=self.tid, process=process)

    def _limit(self) -> str:
        if self.limit is None:
            return ""
        if self.limit < float("inf"):
            return stated(", for at most {time}", time=duration(self.limit))
        return stated(", for a time we cannot read")

    def _on(self) -> str:
        if self.waits_for:
            return joined(("", self.waits_for))
        if self.watched is not None:
            return stated(", watching {named}", named=self._named()) if self.watched else stated(", watching nothing")
        if self.descriptor is None:
            return ""
        if self.descriptor.what is None:
            return stated(" on descriptor {number}", number=self.descriptor.number)
        return stated(" on {named}", named=stated("descriptor {listed}", listed=_listed((self.descriptor,))))

    def _named(self) -> str:
        watched = self.watched or ()
        one, several = marked("descriptor {listed}"), marked("descriptors {listed}")
        named = stated(several if len(watched) + self.more > 1 else one, listed=_listed(watched))
        return stated("{named} and {more} more", named=named, more=self.more) if self.more else named


def as_called(call: str) -> str:
    """A system call as who writes the program calls it, where only the kernel has another name for it."""
    known = _CALLED.get(call)
    return call if known is None else f"{known} ({call})"


def read_together(tasks: Iterable[BlockedTask]) -> frozenset[tuple[int, int]]:
    """The sockets, as process and descriptor, from which two threads or more of one process wait for bytes."""
    reading = Counter(
        (task.pid, task.descriptor.number)
        for task in tasks
        if task.state == "blocked" and task.call in _READS and task.descriptor and task.descriptor.what == "socket"
    )
    return frozenset(socket for socket, count in reading.items() if count > 1)


def _listed(descriptors: tuple[Descriptor, ...]) -> str:
    return joined(joined((f"{one.number} (", one.kind, ")"), "") for one in descriptors)
