"""What everything in a confined arena uses together, read from /proc often enough and for little.

Memory is what is resident and no file's (proc(5)), so that a fork server's children cost what they have written to.
What is written into the arena's own file systems is memory, too, and what waits in its sockets and pipes (buffers.py).
Processor time is that of each process, and that of all together: a program may have it used by one child after another.
Imported by the broker, which runs without site-packages: standard library only.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Mapping
from typing import Any

from gatecrash.sandbox.buffers import Buffers
from gatecrash.sandbox.cgroups import Group
from gatecrash.sandbox.process_limit import last_pid

#: A look takes at most this part of the time, and where half of what is given is used up, at most the other.
_PART, _PART_WHEN_NEAR = 0.02, 0.2
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SMALL = 1 << 16
#: All processes together may use so many times the processor time of one.
_TOGETHER = 4
_TICK = os.sysconf("SC_CLK_TCK")


class Usage:
    """Of one arena. `hit` is asked every few milliseconds, and looks when it is time."""

    def __init__(self, list_all: Callable[[int], list[int]]) -> None:
        """`list_all`: the processes that count, at most about so many."""
        self._list_all = list_all
        self._pids: list[int] = []
        self._newest = -1
        self._look_again = 0.0
        self._buffers = Buffers()
        self._near = False
        self._since = 0.0
        self._group: Group | None = None
        self._dead_before = 0.0

    def restart(self, group: Group | None, now: float) -> None:
        """A target is started where none was left. `group`: the one it is in."""
        self._since = now
        self._group = group
        self._dead_before = _dead()

    def hit(self, limits: Mapping[str, int], root: Any, now: float) -> tuple[str, int, int] | None:
        """The limit that is overstepped, what was given and what was had; None while all is well."""
        if now < self._look_again:
            return None
        began = time.thread_time()  # not the clock: on a busy machine that goes on while we wait for a processor
        found = self._overstepped(limits, root) or self._used_up(limits["cpu_seconds"], now)
        took = time.thread_time() - began
        self._look_again = now + took / (_PART_WHEN_NEAR if self._near else _PART)
        return found

    def _overstepped(self, limits: Mapping[str, int], root: Any) -> tuple[str, int, int] | None:
        newest = last_pid()
        if newest != self._newest:
            self._newest = newest
            self._pids = self._list_all(limits["processes"])
            if len(self._pids) > limits["processes"]:
                return "processes", limits["processes"], len(self._pids)
        besides = 0
        if root is not None:
            if root.is_full():
                return "disk", limits["disk"], limits["disk"]
            besides = root.used() + self._buffers.used(self._pids) + (0 if root.segments_limited else _segments())
        most = limits["memory"] << 20
        for measure in (_resident, _own, _share):  # each is more exact than the one before, and takes longer
            had = besides + sum(map(measure, self._pids))
            self._near = had > most // 2
            if had <= most:
                return None
        return "memory", limits["memory"], had >> 20

    def _used_up(self, given: int, now: float) -> tuple[str, int, int] | None:
        if (now - self._since) * (os.cpu_count() or 1) < given:  # not even with all processors
            return None
        # Whoever waits for a child has its time: parents are read before their children, so that none counts twice.
        together = _dead() - self._dead_before
        for pid in sorted(self._pids):
            own, children = _processor_time(pid)
            if own >= given:
                return "cpu", given, int(own)
            together += own + children
        if self._group is not None:
            together = self._group.seconds()  # with those for whom nobody waited
        return None if together < given * _TOGETHER else ("cpu_together", given * _TOGETHER, int(together))


def _dead() -> float:
    """Seconds of those that were waited for by us, and by them (getrusage(2))."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _processor_time(pid: int) -> tuple[float, float]:
    """Seconds of a process, and of those it has waited for (proc(5), /proc/PID/stat)."""
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    if len(fields) < 15:
        return 0.0, 0.0
    user, system, waited_user, waited_system = map(int, fields[11:15])
    return (user + system) / _TICK, (waited_user + waited_system) / _TICK


def _resident(pid: int) -> int:
    """Bytes in memory, with those of files."""
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * _PAGE if len(fields) > 1 else 0


def _own(pid: int) -> int:
    """Those of no file, with all that others share."""
    return _sum(f"/proc/{pid}/status", (b"RssAnon:", b"RssShmem:"))


def _share(pid: int) -> int:
    """Those of no file, each divided by how many processes share it."""
    return _sum(f"/proc/{pid}/smaps_rollup", (b"Pss_Anon:", b"Pss_Shmem:"))


def _sum(path: str, names: tuple[bytes, ...]) -> int:
    """The lines of these names, which are in KiB."""
    return sum(int(line.split()[1]) << 10 for line in _read(path).splitlines() if line.startswith(names))


def _segments() -> int:
    """Bytes of System V shared memory, attached or not (proc(5), /proc/sysvipc/shm)."""
    return sum(int(line.split()[14]) for line in _read("/proc/sysvipc/shm").splitlines()[1:])


def _read(path: str) -> bytes:
    """The file of a process, or nothing when it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(descriptor, _SMALL)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
