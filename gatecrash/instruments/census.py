"""Every process, thread and descriptor below one process, read from /proc (proc(5)).

Processes vanish at any time: they are then simply not in the answer. Nothing here stops or traces the target.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable

from gatecrash.instruments import procfs, syscalls, waits
from gatecrash.instruments.housekeeping import Housekeepers
from gatecrash.instruments.open_files import OpenFiles
from gatecrash.instruments.procfs import ProcessStatus, field
from gatecrash.instruments.rings import CALL, Rings
from gatecrash.model.processes import ProcessEntry, Task

#: Seconds until a wait ends by the clock a task lives by: process, task, call, arguments, what schedstat said.
Left = Callable[[int, int, str, tuple[int, ...], bytes], float | None]

_RESTARTED = "restart_syscall"
_REMEMBERED = 1 << 12
_UNCOUNTED = b"0 0 0"


class Census:
    """Looks at the descendants of the process `root` (its children may be adopted orphans), not at `root`."""

    def __init__(self, root: int, known: waits.KnownLimit | None = None) -> None:
        """Looks below the process `root`, as the caller's /proc numbers it; `known`: see `waits.time_limit`."""
        self.root = root
        #: For what is read again and again.
        self.files = OpenFiles()
        self._known = known
        self._left: Left | None = None
        # What a task slept in before a stop made the kernel restart the call under the name restart_syscall.
        self._calls: dict[int, tuple[str, tuple[int, ...]]] = {}
        # The time limit of a sleep, by thread, what schedstat said and the call: while these stay, so does the sleep.
        self._limits: dict[tuple[int, bytes, str, tuple[int, ...]], float | None] = {}
        #: Zombies all of whose threads have ended. As long as one is listed among its parent's children nothing about
        #: it changes, and it has none itself; a server that never waits would be looked at ever longer.
        self.dead: set[int] = set()
        self._housekeepers = Housekeepers()
        self.rings = Rings()
        #: Our number of each process that was looked at, by its own: of those that are gone nobody else can tell.
        self.numbers: dict[int, int] = {}

    def live_by(self, left: Left | None) -> None:
        """From now on `left` says how long each wait has yet (instruments/clock); with None, the kernel's clocks do."""
        self._left = left

    def pids(self) -> tuple[int, ...]:
        """Every descendant, zombies included, in the order found: parents before children."""
        return tuple(self._threads())

    def tids(self) -> tuple[tuple[int, int], ...]:
        """The process and thread id of every task, those of zombies included."""
        return tuple((pid, tid) for pid, threads in self._threads().items() for tid in threads)

    def _threads(self) -> dict[int, tuple[int, ...]]:
        """The threads of every descendant.

        An orphan is adopted by `root`, so the children of `root` are read again at the end until they agree:
        nobody slips from one list to the other unseen.
        """
        known: dict[int, tuple[int, ...]] = {}
        fresh = self._root_children()
        while fresh:
            unread = deque(fresh)
            while unread:
                pid = unread.popleft()
                if pid in self.dead:
                    known[pid] = (pid,)
                    continue
                known[pid] = self.files.threads(pid)
                unread.extend(child for child in procfs.children(pid, known[pid]) if child not in known)
            fresh = [pid for pid in self._root_children() if pid not in known]
        self.dead.intersection_update(known)
        return known

    def note_dead(self, pid: int, status: bytes) -> bool:
        """Whether the process is a zombie with no thread left, as its /proc/PID/status says; remembered if it is."""
        if field(status, b"\nState:\t")[:1] == b"Z" and field(status, b"\nThreads:\t") == b"1":
            self.dead.add(pid)
        return pid in self.dead

    def _root_children(self) -> list[int]:
        # Whoever asks lives below `root`, or has it for a broker: it does not go before the census does.
        return procfs.children(self.root, self.files.threads(self.root), self.files.read)

    def processes(self) -> tuple[ProcessEntry, ...]:
        """Every process with its state and signal masks."""
        entries = (self._process(pid) for pid in self.pids())
        return tuple(entry for entry in entries if entry is not None)

    def _process(self, pid: int) -> ProcessEntry | None:
        content = self.files.read(f"/proc/{pid}/status")
        if not content or content == procfs.DENIED:
            return None
        self.numbers[procfs.innermost(content)] = pid
        return _entry(pid, content)

    def zombies(self) -> tuple[int, ...]:
        """Processes that have ended and that nobody has waited for."""
        return tuple(entry.pid for entry in self.processes() if entry.state == "Z" and entry.threads <= 1)

    def tasks(self) -> tuple[Task, ...]:
        """Every thread that is not a zombie."""
        found = (self.task(pid, tid) for pid, tid in self.tids() if pid not in self.dead)
        return tuple(task for task in found if task is not None and task.state not in ("Z", "X"))

    def task(self, pid: int, tid: int) -> Task | None:
        """One thread now, zombies included; None when it is gone."""
        folder = f"/proc/{pid}/task/{tid}/"
        call = self.files.read(folder + "syscall")
        return self.describe(pid, tid, call, self.files.read(folder + "status"), self.files.read(folder + "schedstat"))

    def describe(self, pid: int, tid: int, call: bytes, status: bytes, times: bytes) -> Task | None:
        """The task behind three files of /proc/PID/task/TID that were already read; None when they are empty."""
        parsed = ProcessStatus(status)
        cpu = times.split()
        if not parsed.state or len(cpu) < 2:
            return None
        name, args = self._resumed(tid, *parse_call(call))
        own = self._housekeepers.has(pid, status)
        limited = parsed.state in ("S", "D") and not own
        return Task(
            pid,
            tid,
            parsed.state,
            name,
            args,
            parsed.switches,
            int(cpu[0]),
            int(cpu[1]),
            parsed.pending,
            self._limit(pid, tid, name, args, times) if limited else None,
            own,
        )

    def _resumed(self, tid: int, name: str, args: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        """The call itself where a stop made it show as restart_syscall(2), which keeps the arguments."""
        if name == _RESTARTED:
            known, known_args = self._calls.get(tid, (name, ()))
            return (known, args) if known_args == args else (name, args)
        if not args:  # seen on its way back from the stop, in no call at all
            return name, args
        if len(self._calls) >= _REMEMBERED:
            self._calls.clear()
        self._calls[tid] = (name, args)
        return name, args

    def _limit(self, pid: int, tid: int, name: str, args: tuple[int, ...], times: bytes) -> float | None:
        if name == CALL and self.rings.unseen(pid, args) is not None:
            return math.inf
        if self._left is not None:
            return self._left(pid, tid, name, args, times)
        if times.startswith(_UNCOUNTED):
            return waits.time_limit(pid, name, args, self._known)
        # Not by time alone: a look may read the call before, and the times after, a task moved on.
        key = (tid, times, name, args)
        if key not in self._limits:
            if len(self._limits) >= _REMEMBERED:
                self._limits.clear()
            self._limits[key] = waits.time_limit(pid, name, args, self._known)
        return self._limits[key]

    def descriptors(self, pid: int) -> dict[int, str]:
        """Open descriptors of a process and what each is: a path, or `socket:[inode]`, `pipe:[inode]`..."""
        found: dict[int, str] = {}
        for number in self._listed(pid):
            try:
                found[number] = os.readlink(f"/proc/{pid}/fd/{number}")
            except OSError:  # closed meanwhile
                continue
        return found

    def holders(self, inode: int) -> dict[int, tuple[int, ...]]:
        """Which processes hold the socket with this inode, each with its descriptors for it."""
        name = f"socket:[{inode}]"
        held = {pid: self._named(pid, name) for pid in self.pids()}
        return {pid: numbers for pid, numbers in held.items() if numbers}

    def _named(self, pid: int, name: str) -> tuple[int, ...]:
        return tuple(number for number, target in self.descriptors(pid).items() if target == name)

    @staticmethod
    def _listed(pid: int) -> tuple[int, ...]:
        try:
            return tuple(sorted(map(int, os.listdir(f"/proc/{pid}/fd"))))
        except OSError:  # gone, a zombie, or not ours to look into
            return ()


def parse_call(content: bytes) -> tuple[str, tuple[int, ...]]:
    """Name and the six raw arguments of what /proc/PID/task/TID/syscall says."""
    fields = content.split()
    if not fields or fields[0] == procfs.DENIED:
        return "?", ()
    if fields[0] == b"running" or fields[0].startswith(b"-"):
        return "running", ()
    number = int(fields[0])
    return syscalls.NAMES.get(number, f"call {number}"), tuple(int(field, 16) for field in fields[1:7])


def _entry(pid: int, content: bytes) -> ProcessEntry:
    """The process that a /proc/PID/status tells of."""
    return ProcessEntry(
        pid=pid,
        parent=int(field(content, b"\nPPid:\t")),
        state=field(content, b"\nState:\t")[:1].decode(),
        name=procfs.whole_name(pid, field(content, b"Name:\t")),
        threads=int(field(content, b"\nThreads:\t")),
        caught=int(field(content, b"\nSigCgt:\t"), 16),
        ignored=int(field(content, b"\nSigIgn:\t"), 16),
        blocked=int(field(content, b"\nSigBlk:\t"), 16),
    )
