"""The double look: the proof that a server will do nothing more until somebody does something to it.

Two looks at every task, with the queues read between them:

1. of each task its run counter (schedstat: how often a CPU was given to it), then the call it sleeps in. The
   kernel only names the call of a task that is off the CPU.
2. of each task its state, then its run counter again.

An unchanged counter says that the task did not run from before the first look to after the second; a state of
sleep in the second says that nobody had woken it until then. So at the moment the queues were read every task
was asleep, and only a task, a time limit or the tester could have woken one. Without a time limit nothing will
happen any more: silence is then a fact, not a timeout.

Blind spots: alarm(2), setitimer(2) and timer_create(2), invisible in /proc, where no clock (instruments/clock) knows of
them; and a time limit given to an io_uring that no task sleeps in (rings.py).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from gatecrash.instruments import procfs
from gatecrash.instruments.census import Census
from gatecrash.instruments.stillness import Resting
from gatecrash.instruments.syscalls import ARGUMENTS, TIME_LIMITS
from gatecrash.model.processes import Task

_LIMIT_JITTER, _LIMIT_JITTER_SHARE = 0.005, 0.1  # seconds, and of the limit
_UNCOUNTED = b"0 0 0\n"  # schedstat of a kernel without CONFIG_SCHED_INFO
_CLONE_VFORK = 0x4000
_ENDED = b"ended"  # the run counter of a zombie that nothing happens to any more

#: A task in a call: the same whenever it is in that call on the same things.
Wait = tuple[int, str, bool, tuple[int, ...]]


@dataclass(frozen=True)
class Rest:
    """One successful double look: everybody asleep. `runs` counts how often each task was given a CPU."""

    everyone: tuple[tuple[int, int], ...]
    tasks: tuple[Task, ...]
    runs: dict[int, bytes]
    queues: Hashable

    def timed(self) -> tuple[Task, ...]:
        return tuple(task for task in self.tasks if task.timed is not None)

    def resting(self) -> Resting:
        limits = (task.timed for task in self.tasks)
        return Resting(self.tasks, min((limit for limit in limits if limit is not None), default=math.inf))

    @property
    def zombies(self) -> frozenset[int]:
        return frozenset(tid for _, tid in self.everyone) - {task.tid for task in self.tasks}

    def same_but_timed(self, earlier: Rest, *, without: frozenset[int] = frozenset()) -> bool:
        """Nothing differs from `earlier` but that `without` are gone, and how often tasks in timed waits have run."""
        before_now = tuple(entry for entry in earlier.everyone if entry[1] not in without)
        if (self.everyone, self.queues) != (before_now, earlier.queues):
            return False
        if len(self.tasks) != len(earlier.tasks):  # one of them became a zombie
            return False
        return all(
            _same_wait(before, now) if now.timed is not None else _same_runs(earlier, self, now)
            for before, now in zip(earlier.tasks, self.tasks, strict=True)
        )

    def moved_on(self, earlier: Rest, woken: int | None) -> frozenset[Wait] | None:
        """The waits with a time limit that tasks have gone into from others; None where more has changed than these.

        How long such waits last yet may differ, and how often their tasks have run; and how often those of the process
        `woken` have, which a timer had something to do.
        """
        if (self.everyone, self.queues, len(self.tasks)) != (earlier.everyone, earlier.queues, len(earlier.tasks)):
            return None
        moved: set[Wait] = set()
        for before, now in zip(earlier.tasks, self.tasks, strict=True):
            if _same_runs(earlier, self, now) or (now.pid == woken and wait_of(before) == wait_of(now)):
                continue
            if before.tid != now.tid or before.timed is None or now.timed is None:
                return None
            if wait_of(before) != wait_of(now):
                moved.add(wait_of(now))
        return frozenset(moved)

    def only_reaped(self, earlier: Rest) -> bool:
        """Nothing differs from `earlier` but that zombies were waited for."""
        gone = earlier.zombies - self.zombies
        return bool(gone) and self.same_but_timed(earlier, without=gone)


def look(census: Census, look_at_queues: Callable[[], Hashable]) -> Rest | None:
    """The double look; None as soon as somebody is seen who runs, was woken, came or went."""
    everyone, read = census.tids(), census.files.read
    runs: dict[int, bytes] = {}
    calls: dict[int, bytes] = {}
    for pid, tid in everyone:
        if pid in census.dead:
            runs[tid] = _ENDED
            continue
        folder = f"/proc/{pid}/task/{tid}/"
        runs[tid] = _run_counter(folder, read)
        calls[tid] = read(folder + "syscall")
        if calls[tid].startswith(b"running") or not calls[tid]:
            return None
    queues = look_at_queues()
    if census.tids() != everyone:
        return None
    tasks: list[Task] = []
    for pid, tid in everyone:
        if pid in census.dead:
            continue
        folder = f"/proc/{pid}/task/{tid}/"
        status = read(folder + "status")
        if census.note_dead(pid, status):
            runs[tid] = _ENDED
            continue
        # Context switches are counted when a task leaves the CPU: only one that is named a call has left it.
        if runs[tid].startswith(_UNCOUNTED[:-1] + b" ") and read(folder + "syscall") != calls[tid]:
            return None
        times = _run_counter(folder, read)
        task = census.describe(pid, tid, calls[tid], status, times)
        if task is None or times != runs[tid] or not _asleep(task):
            return None
        if task.state != "Z":
            tasks.append(task)
    return Rest(everyone, tuple(tasks), runs, queues)


def _same_runs(earlier: Rest, later: Rest, task: Task) -> bool:
    """Whether it has not run in between, or what it does is nobody's affair."""
    return task.housekeeping or earlier.runs[task.tid] == later.runs[task.tid]


def _same_wait(before: Task, now: Task) -> bool:
    """Back in the same call with the same arguments, but for the time limit, which event loops work out anew."""
    if before.timed is None or now.timed is None or (before.tid, before.call) != (now.tid, now.call):
        return False
    limit = TIME_LIMITS.get(now.call)
    count = ARGUMENTS.get(now.call, len(now.args))
    before_args, now_args = before.args[:count], now.args[:count]
    if limit is None or limit.form == "deadline":
        return before_args == now_args
    at = limit.argument
    if before_args[:at] + before_args[at + 1 :] != now_args[:at] + now_args[at + 1 :]:
        return False
    if limit.form == "milliseconds":
        return _close(before.args[at] / 1000, now.args[at] / 1000)
    return _close(before.timed, now.timed)


def wait_of(task: Task) -> Wait:
    """What a task sleeps in, and on what: the same however long it lasts."""
    limit, count = TIME_LIMITS.get(task.call), ARGUMENTS.get(task.call, len(task.args))
    at = count if limit is None else limit.argument
    return task.tid, task.call, task.timed is None, task.args[:at] + task.args[at + 1 : count]


def _close(before: float, now: float) -> bool:
    return abs(before - now) <= max(_LIMIT_JITTER, _LIMIT_JITTER_SHARE * before)


def _run_counter(folder: str, read: Callable[[str], bytes]) -> bytes:
    """Changes whenever the task is given a CPU; schedstat, with the context switches added where it counts nothing."""
    times = read(folder + "schedstat")
    if times != _UNCOUNTED:
        return times
    return b"0 0 0 %d\n" % procfs.ProcessStatus(read(folder + "status")).switches


def _asleep(task: Task) -> bool:
    if task.state in ("T", "Z"):
        return True
    if task.state == "S":
        return not task.pending and not _waits_for_the_tester(task)
    return task.state == "D" and (_waits_for_its_child(task) or _held_at_a_gate(task))


def _waits_for_the_tester(task: Task) -> bool:
    """Blocked on its full output pipe, which we are about to empty: a loop that prints an error each time round."""
    if task.call not in ("write", "writev"):
        return False
    try:
        return os.readlink(f"/proc/{task.pid}/fd/{task.args[0] & 0xFFFFFFFF}").startswith("pipe:")
    except OSError:
        return False


def _waits_for_its_child(task: Task) -> bool:
    """The parent of vfork(2) sleeps, not interruptibly, until its child execs or ends."""
    if task.call == "vfork":
        return True
    flags = task.args[0] if task.call == "clone" and task.args else 0
    if task.call == "clone3" and task.args:
        flags = int.from_bytes(procfs.memory(task.pid, task.args[0], 8) or b"", "little")
    return bool(flags & _CLONE_VFORK)


def _held_at_a_gate(task: Task) -> bool:
    """A trapped call that the tester has taken sleeps so that only a kill ends it (seccomp_unotify(2))."""
    return b"seccomp" in procfs.read(f"/proc/{task.pid}/task/{task.tid}/wchan")
