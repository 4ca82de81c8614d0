"""The proof that a server will do nothing more until somebody does something to it.

Two looks at every task, with the queues read between them:

1. of each task its run counter (schedstat: how often a CPU was given to it), then the call it sleeps in. The
   kernel only names the call of a task that is off the CPU.
2. of each task its state, then its run counter again.

An unchanged counter says that the task did not run from before the first look to after the second; a state of
sleep in the second says that nobody had woken it until then. So at the moment the queues were read every task
was asleep, and only a task, a time limit or the tester could have woken one. Without a time limit nothing will
happen any more: silence is then a fact, not a timeout.

Blind spots: alarm(2), setitimer(2) and timer_create(2), invisible in /proc, where no clock (instruments/clock) knows of
them; and a time limit given to io_uring.
"""

from __future__ import annotations

import math
import os
import select
import time
from collections.abc import Callable, Container, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from gatecrash.instruments import procfs
from gatecrash.instruments.blocked import blocked_where as blocked_where
from gatecrash.instruments.census import Census
from gatecrash.instruments.patience import OwnTime, Patience
from gatecrash.instruments.spinning import Spinning as Spinning
from gatecrash.instruments.spinning import SpinWatch
from gatecrash.instruments.syscalls import ARGUMENTS, TIME_LIMITS
from gatecrash.instruments.ticks import State, Ticks, descriptors
from gatecrash.model.processes import Task

_YIELDS = 8  # looks with only a yield of the CPU between them, before naps begin
_FIRST_NAP, _LONGEST_NAP = 0.0002, 0.002  # seconds
_WAIT_OUT_NAP = 0.01
_LIMIT_JITTER, _LIMIT_JITTER_SHARE = 0.005, 0.1  # seconds, and of the limit
_UNCOUNTED = b"0 0 0\n"  # schedstat of a kernel without CONFIG_SCHED_INFO
_CLONE_VFORK = 0x4000
_ENDED = b"ended"  # the run counter of a zombie that nothing happens to any more


@dataclass(frozen=True)
class Quiet:
    """Proven: nothing more happens without a new stimulus."""

    tasks: tuple[Task, ...]
    queues: Hashable


@dataclass(frozen=True)
class Resting:
    """Asleep, but a timed wait will end by itself, within `wakes_in` seconds at the latest (inf: unknown)."""

    tasks: tuple[Task, ...]
    wakes_in: float


@dataclass(frozen=True)
class Restless:
    """Patience ran out while tasks still ran: proves nothing."""

    tasks: tuple[Task, ...]


Stillness = Quiet | Resting | Spinning | Restless


class Limit(Protocol):
    """A time limit of the target's own: whose, and how many seconds of its time are left of it.

    `timer`: which of the timers of its process it is, None for a call that a task sleeps in.
    """

    @property
    def pid(self) -> int: ...

    @property
    def tid(self) -> int: ...

    @property
    def timer(self) -> int | None: ...

    @property
    def left(self) -> float: ...


class TargetClock(Protocol):
    """The target's time in the tester's hand: gatecrash.instruments.clock says more."""

    @property
    def skipped(self) -> float:
        """Seconds that the target's clocks are ahead."""

    @property
    def real_because(self) -> str | None:
        """Why nothing is skipped for this target any more."""

    @property
    def used(self) -> bool:
        """Whether a wait of the target's with a time limit has been seen."""

    def held(self, tasks: Iterable[Task] | None = None) -> Sequence[Limit]:
        """Its time limits now, the one that is due first at the beginning."""

    def expire(self, tasks: Iterable[Task] | None = None) -> Limit | None:
        """Move its clocks on to that moment, and let that call end."""

    def stopped(self, pids: Iterable[int]) -> None:
        """These processes have been stopped by us: what that does to their calls is undone."""

    def advance(self, seconds: float) -> None:
        """Move its clocks on by so many seconds: as if nobody had run meanwhile, whatever is due by then ends late."""


@dataclass(frozen=True)
class Span:
    """How much of the target's own time may pass in one wait, in seconds.

    `horizon`: no limit that is due later is let expire. `spare`: a task whose limit is that of a client who is there,
    and would lose its connection by it; only in the first `spared` seconds is it let expire, as a tick. `least`: a
    server that wakes by itself, and comes back to where it was, is watched for so long: the tick that comes first may
    hide a later one. `enough` says that what is waited for has come, `after` is called when a limit has expired and all
    is still again.
    """

    horizon: float
    least: float = 0.0
    spared: float = 0.0
    spare: Callable[[Task], bool] = field(default=lambda task: False)
    enough: Callable[[], bool] = field(default=lambda: False)
    after: Callable[[], object] = field(default=lambda: None)


@dataclass(frozen=True)
class _Rest:
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

    def same_but_timed(self, earlier: _Rest, *, without: frozenset[int] = frozenset()) -> bool:
        """Nothing differs from `earlier` but that `without` are gone, and how often tasks in timed waits have run."""
        before_now = tuple(entry for entry in earlier.everyone if entry[1] not in without)
        if (self.everyone, self.queues) != (before_now, earlier.queues):
            return False
        if len(self.tasks) != len(earlier.tasks):  # one of them became a zombie
            return False
        return all(
            _same_wait(before, now) if now.timed is not None else earlier.runs[now.tid] == self.runs[now.tid]
            for before, now in zip(earlier.tasks, self.tasks, strict=True)
        )

    def same_calls(self, earlier: _Rest, woken: int | None) -> bool:
        """Nothing differs from `earlier` but how long timed waits last yet, and how often their tasks have run.

        And how often those of the process `woken` have, which a timer had something to do.
        """
        if (self.everyone, self.queues, len(self.tasks)) != (earlier.everyone, earlier.queues, len(earlier.tasks)):
            return False
        return all(
            earlier.runs[now.tid] == self.runs[now.tid]
            or ((now.timed is not None or now.pid == woken) and _same_call(before, now))
            for before, now in zip(earlier.tasks, self.tasks, strict=True)
        )

    def only_reaped(self, earlier: _Rest) -> bool:
        """Nothing differs from `earlier` but that zombies were waited for."""
        gone = earlier.zombies - self.zombies
        return bool(gone) and self.same_but_timed(earlier, without=gone)


def settle(
    census: Census,
    look_at_queues: Callable[[], Hashable],
    *,
    patience: float | Patience = 5.0,
    pump: Callable[[], int] | None = None,
    wait_out: bool = True,
    ticks: Ticks | None = None,
    spin: float | None = None,
    overlook: float = math.inf,
    own: OwnTime | None = None,
    clock: TargetClock | None = None,
    span: Span | None = None,
) -> Stillness:
    """Wait until every task of `census` provably sleeps, at most `patience` (seconds, where it is a number).

    `look_at_queues` says what the kernel holds for the sockets of interest; `pump` answers trapped system
    calls and says how many. With `wait_out`, timed waits are watched until each has ended once and the tasks
    are back where they were; without, they give `Resting` at once. `ticks` remembers what came of it, and may say
    that it need not be done again. `spin`: seconds of processor time after which a task counts as spinning, where the
    server is expected to end by itself: then a task's long sleep is watched as long as patience lasts. `overlook`: a
    task that does nothing but sleep, for so many seconds yet, counts as one that waits without a limit. `own`: what is
    waited out is added to it. `clock`: with one, no time limit is waited out: it is let expire, within `span` (as much
    of the target's own time as there is patience).
    """
    allowed = patience if isinstance(patience, Patience) else Patience(patience)
    settling = _Settling(
        *(census, look_at_queues, allowed, pump or (lambda: 0), ticks or Ticks(), overlook, own or OwnTime()),
        clock=clock if clock is not None and clock.real_because is None else None,
        limits=clock,
        span=span or Span(allowed.seconds),
    )
    if spin is not None:
        settling.spin.least, settling.to_the_end = spin, True
    return settling.run(wait_out)


class _Lesson:
    """What is learned from waiting a rest out, when nothing was done: the state it began in."""

    def __init__(self, ticks: Ticks, start: _Rest) -> None:
        self.ticks = ticks
        self.state = self._state(start)
        self.descriptors = descriptors(start.tasks)

    def _state(self, rest: _Rest) -> State:
        return self.ticks.state(rest.tasks, len(rest.zombies))

    def learn(self, end: _Rest, *, idle: bool) -> None:
        """The wait has ended, for nothing or for reaping zombies (`idle`); were descriptors opened, or closed?"""
        now = self._state(end)
        as_before = replace(now, zombies=self.state.zombies) == self.state
        self.ticks.memory.learn(self.state, idle=idle and as_before and descriptors(end.tasks) == self.descriptors)


@dataclass
class _Settling:
    census: Census
    look_at_queues: Callable[[], Hashable]
    patience: Patience
    pump: Callable[[], int]
    ticks: Ticks
    overlook: float = math.inf
    own: OwnTime = field(default_factory=OwnTime)
    clock: TargetClock | None = None
    limits: TargetClock | None = None
    span: Span = field(default_factory=lambda: Span(0.0))
    to_the_end: bool = False
    nap: float = _FIRST_NAP
    yields: int = 0
    spin: SpinWatch = field(init=False)

    def __post_init__(self) -> None:
        self.spin = SpinWatch(self.census, self.ticks)

    def run(self, wait_out: bool) -> Stillness:
        rest = self._rest()
        if not isinstance(rest, _Rest):
            return rest
        if self.clock is not None and wait_out:
            return self._elapse(rest, self.clock)
        return self._but_for_timers(self._wait_for_real(rest, wait_out))

    def _but_for_timers(self, still: Stillness) -> Stillness:
        """What no task sleeps for may come, too."""
        if self.limits is None or not isinstance(still, Quiet | Resting):
            return still
        left = min((one.left for one in self.limits.held(still.tasks) if one.timer is not None), default=math.inf)
        soonest = min(left, still.wakes_in) if isinstance(still, Resting) else left
        return Resting(still.tasks, soonest) if left < math.inf else still

    def _wait_for_real(self, rest: _Rest, wait_out: bool) -> Stillness:
        while timed := self._timed(rest):
            if self.ticks.take_for_idle(rest.tasks, len(rest.zombies)):
                break
            longest, left = max(task.timed or 0.0 for task in timed), self.patience.left()
            if not wait_out or left < 0 or (longest > left and not self.to_the_end):
                return rest.resting()
            began = time.monotonic()
            later = self._wait_out(rest) if longest <= left else self._after_a_nap()
            self.own.add(time.monotonic() - began)
            if isinstance(later, Quiet | Resting | Spinning | Restless):
                return later
            rest = later
        return Quiet(rest.tasks, rest.queues)

    def _elapse(self, start: _Rest, clock: TargetClock) -> Stillness:
        """Let the target's time limits expire one by one, the soonest first, and look again after each.

        Until the next one lies beyond the horizon, or all that may expire has done so and left everything as it was.
        """
        rest, since, passed = start, 0.0, 0.0
        expired: set[Hashable] = set()
        while not self.span.enough():
            held = clock.held(rest.tasks)
            if not held or passed + held[0].left > self.span.horizon:
                break
            timers = [one for one in held if one.timer is not None]
            if passed - since >= self.span.least and self._recurs(rest, timers, expired, passed):
                break
            if self._is_spared(rest, held[0], passed):
                return rest.resting()
            if (one := clock.expire(rest.tasks)) is not None:
                passed += max(one.left, 0.0)
            elif self.patience.over:  # it ended by itself, again and again
                return rest.resting()
            later = self._rest()
            if not isinstance(later, _Rest):
                return later
            if not later.same_calls(rest, one.pid if one is not None and one.timer is not None else None):
                since, expired = passed, set()
            elif one is not None:
                expired.add(_name(one))
            rest = later
            self.span.after()
        return Quiet(rest.tasks, rest.queues)

    def _is_spared(self, rest: _Rest, limit: Limit, passed: float) -> bool:
        """Whether this limit is a client's who is there, and no tick; a timer is that of all that its process does."""
        if limit.timer is None:
            return any(task.tid == limit.tid and self._spares(task, passed) for task in rest.timed())
        mine = (task for task in rest.tasks if task.pid == limit.pid)
        return passed + limit.left > self.span.spared and any(map(self.span.spare, mine))

    def _spares(self, task: Task, passed: float) -> bool:
        return passed + (task.timed or 0.0) > self.span.spared and self.span.spare(task)

    def _recurs(self, rest: _Rest, timers: Iterable[Limit], expired: Container[Hashable], passed: float) -> bool:
        """Whether every wait that is let expire has ended once, and the task is back in it; every timer likewise."""
        return all(
            task.tid in expired or passed + (task.timed or 0.0) > self.span.horizon or self._spares(task, passed)
            for task in rest.timed()
        ) and all(
            _name(timer) in expired or passed + timer.left > self.span.horizon or self._is_spared(rest, timer, passed)
            for timer in timers
        )

    def _timed(self, rest: _Rest) -> tuple[Task, ...]:
        return tuple(task for task in rest.timed() if seconds_asleep(task) < self.overlook)

    def _after_a_nap(self) -> _Rest | Stillness:
        """What a moment brings, where one task sleeps for long and others may be about to end the process."""
        _sleep(_WAIT_OUT_NAP)
        return self._rest()

    def _wait_out(self, start: _Rest) -> _Rest | Stillness:
        """Quiet when all timed waits of `start` ended once and nothing else changed; else the changed rest.

        A run alone is no end: whatever a socket's peer acknowledges wakes the task that polls it, for nothing.
        """
        began = time.monotonic()
        ends = {task.tid: began + (task.timed or 0.0) + _LIMIT_JITTER for task in self._timed(start)}
        waiting = set(ends)
        shortest = min(task.timed or 0.0 for task in self._timed(start))
        lesson = _Lesson(self.ticks, start)
        while True:
            _sleep(min(max(shortest / 10, _FIRST_NAP), _WAIT_OUT_NAP))
            rest = self._rest()
            if not isinstance(rest, _Rest):
                return rest
            if not rest.same_but_timed(start):
                if any(rest.runs.get(task.tid) != start.runs[task.tid] for task in start.timed()):
                    lesson.learn(rest, idle=rest.only_reaped(start))
                return rest
            now = time.monotonic()
            waiting = {tid for tid in waiting if rest.runs[tid] == start.runs[tid] or now < ends[tid]}
            if not waiting and now - began >= self.ticks.linger:
                lesson.learn(rest, idle=True)
                return Quiet(rest.tasks, rest.queues)
            if self.patience.over:
                return rest.resting()

    def _rest(self) -> _Rest | Spinning | Restless:
        """Look until everybody is seen asleep and no trapped call waits for us."""
        while True:
            handled = self.pump()
            rest = _look(self.census, self.look_at_queues)
            if rest is not None and not self.pump():
                return rest
            if handled:
                self.spin.restart()
            if rest is None and (spinning := self.spin.look(self.look_at_queues)) is not None:
                return spinning
            self.patience.excuse(self.spin.delay())
            if self.patience.over:
                return Restless(self.census.tasks())
            self._pause()

    def _pause(self) -> None:
        if self.yields < _YIELDS:
            self.yields += 1
            os.sched_yield()
            return
        _sleep(self.nap)
        self.nap = min(self.nap * 1.5, _LONGEST_NAP)


def _look(census: Census, look_at_queues: Callable[[], Hashable]) -> _Rest | None:
    """The double look; None as soon as somebody is seen who runs, was woken, came or went."""
    everyone = census.tids()
    runs: dict[int, bytes] = {}
    calls: dict[int, bytes] = {}
    for pid, tid in everyone:
        if pid in census.dead:
            runs[tid] = _ENDED
            continue
        folder = f"/proc/{pid}/task/{tid}/"
        runs[tid] = _run_counter(folder)
        calls[tid] = procfs.read(folder + "syscall")
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
        status = procfs.read(folder + "status")
        if census.note_dead(pid, status):
            runs[tid] = _ENDED
            continue
        # Context switches are counted when a task leaves the CPU: only one that is named a call has left it.
        if runs[tid].startswith(_UNCOUNTED[:-1] + b" ") and procfs.read(folder + "syscall") != calls[tid]:
            return None
        times = _run_counter(folder)
        task = census.describe(pid, tid, calls[tid], status, times)
        if task is None or times != runs[tid] or not _asleep(task):
            return None
        if task.state != "Z":
            tasks.append(task)
    return _Rest(everyone, tuple(tasks), runs, queues)


def seconds_asleep(task: Task) -> float:
    """For how long yet, at least, a task only sleeps (nanosleep(2)): its limit less the time since it was started.

    0 for a task in any other call: what waits for something, however long, may be woken by it.
    """
    if task.timed is None or task.call not in ("nanosleep", "clock_nanosleep"):
        return 0.0
    started = procfs.started(task.pid, task.tid)
    return 0.0 if started is None else task.timed - (time.clock_gettime(time.CLOCK_BOOTTIME) - started)


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


def _same_call(before: Task, now: Task) -> bool:
    """In the same call on the same things, however long it lasts."""
    if (before.tid, before.call, before.timed is None) != (now.tid, now.call, now.timed is None):
        return False
    limit, count = TIME_LIMITS.get(now.call), ARGUMENTS.get(now.call, len(now.args))
    at = count if limit is None else limit.argument
    return before.args[:at] + before.args[at + 1 : count] == now.args[:at] + now.args[at + 1 : count]


def _name(limit: Limit) -> Hashable:
    return limit.tid if limit.timer is None else (limit.pid, limit.timer)


def _close(before: float, now: float) -> bool:
    return abs(before - now) <= max(_LIMIT_JITTER, _LIMIT_JITTER_SHARE * before)


def _run_counter(folder: str) -> bytes:
    """Changes whenever the task is given a CPU; schedstat, with the context switches added where it counts nothing."""
    times = procfs.read(folder + "schedstat")
    if times != _UNCOUNTED:
        return times
    return b"0 0 0 %d\n" % procfs.ProcessStatus(procfs.read(folder + "status")).switches


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


def _sleep(seconds: float) -> None:
    select.select([], [], [], seconds)
