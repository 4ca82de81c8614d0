"""Waits the time limits of a target out where time is real, once each, and remembers what came of it (ticks.py)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace

from gatecrash.instruments import procfs
from gatecrash.instruments.looking import Watch, sleep
from gatecrash.instruments.patience import OwnTime
from gatecrash.instruments.real_time.ticks import State, Ticks, descriptors
from gatecrash.instruments.rest import Rest
from gatecrash.instruments.stillness import Quiet, Resting, Restless, Spinning, Stillness, TargetClock
from gatecrash.model.processes import Task

_NAP, _SHORTEST_NAP = 0.01, 0.0002  # seconds
_JITTER = 0.005  # seconds by which a limit may end late
#: Seconds: a thread that sleeps for an hour in a loop, beside others that wait for something, keeps the program alive.
_A_LONG_SLEEP = 600.0
#: Seconds for which a server that wakes by itself is watched before somebody is blamed: the tick that comes first may
#: hide a later one, and one that is to end may look round some dozen times who has left. The longest pause that servers
#: in common use make after an error is 1 s (asyncio's accept).
LINGER = 2.5


class _Lesson:
    """What is learned from waiting a rest out, when nothing was done: the state it began in."""

    def __init__(self, ticks: Ticks, start: Rest) -> None:
        self.ticks = ticks
        self.state = self._state(start)
        self.descriptors = descriptors(start.tasks)

    def _state(self, rest: Rest) -> State:
        return self.ticks.state(rest.tasks, len(rest.zombies))

    def learn(self, end: Rest, *, idle: bool) -> None:
        """The wait has ended, for nothing or for reaping zombies (`idle`); were descriptors opened, or closed?"""
        now = self._state(end)
        as_before = replace(now, zombies=self.state.zombies) == self.state
        self.ticks.memory.learn(self.state, idle=idle and as_before and descriptors(end.tasks) == self.descriptors)


@dataclass
class RealTime:
    """Waits the limits of one target out. `clock`: where one knows of timers, though none is skipped."""

    watch: Watch
    ticks: Ticks
    own: OwnTime = field(default_factory=OwnTime)
    clock: TargetClock | None = None
    to_the_end: bool = False

    def from_rest(self, rest: Rest, *, wait_out: bool) -> Stillness:
        """What the server comes to from this rest; without `wait_out`, Resting at once where a limit will end it."""
        return self._but_for_timers(self._wait(rest, wait_out))

    def _but_for_timers(self, still: Stillness) -> Stillness:
        """What no task sleeps for may come, too."""
        if self.clock is None or not isinstance(still, Quiet | Resting):
            return still
        left = min((one.left for one in self.clock.held(still.tasks) if one.timer is not None), default=math.inf)
        soonest = min(left, still.wakes_in) if isinstance(still, Resting) else left
        return Resting(still.tasks, soonest) if left < math.inf else still

    def _wait(self, rest: Rest, wait_out: bool) -> Stillness:
        while timed := self._timed(rest):
            if self.ticks.take_for_idle(rest.tasks, len(rest.zombies)):
                break
            longest, left = max(task.timed or 0.0 for task in timed), self.watch.patience.left()
            if not wait_out or left < 0 or (longest > left and not self.to_the_end):
                return rest.resting()
            began = time.monotonic()
            later = self._wait_out(rest) if longest <= left else self._after_a_nap()
            # What a busy machine took of it is not the target's.
            self.own.add(max(0.0, min(time.monotonic() - began, left - self.watch.patience.left())))
            if isinstance(later, Restless) and self.to_the_end:  # it was seen asleep: no end of patience undoes that
                return rest.resting()
            if isinstance(later, Quiet | Resting | Spinning | Restless):
                return later
            rest = later
        return Quiet(rest.tasks, rest.queues)

    def _timed(self, rest: Rest) -> tuple[Task, ...]:
        others_wait = not self.to_the_end and any(task.timed is None for task in rest.tasks)
        return tuple(task for task in rest.timed() if not (others_wait and seconds_asleep(task) >= _A_LONG_SLEEP))

    def _after_a_nap(self) -> Rest | Stillness:
        """What a moment brings, where one task sleeps for long and others may be about to end the process."""
        sleep(_NAP)
        return self.watch.rest()

    def _wait_out(self, start: Rest) -> Rest | Stillness:
        """Quiet when all timed waits of `start` ended once and nothing else changed; else the changed rest.

        A run alone is no end: whatever a socket's peer acknowledges wakes the task that polls it, for nothing.
        """
        began = time.monotonic()
        ends = {task.tid: began + (task.timed or 0.0) + _JITTER for task in self._timed(start)}
        waiting = set(ends)
        shortest = min(task.timed or 0.0 for task in self._timed(start))
        linger = min(LINGER, self.watch.patience.seconds / 2) if self.ticks.sure or self.to_the_end else 0.0
        lesson = _Lesson(self.ticks, start)
        while True:
            sleep(min(max(shortest / 10, _SHORTEST_NAP), _NAP))
            rest = self.watch.rest()
            if not isinstance(rest, Rest):
                return rest
            if not rest.same_but_timed(start):
                if any(rest.runs.get(task.tid) != start.runs[task.tid] for task in start.timed()):
                    lesson.learn(rest, idle=rest.only_reaped(start))
                return rest
            now = time.monotonic()
            waiting = {tid for tid in waiting if rest.runs[tid] == start.runs[tid] or now < ends[tid]}
            if not waiting and now - began >= linger:
                lesson.learn(rest, idle=True)
                return Quiet(rest.tasks, rest.queues)
            if self.watch.patience.over:
                return rest.resting()


def seconds_asleep(task: Task) -> float:
    """For how long yet, at least, a task only sleeps (nanosleep(2)): its limit less the time since it was started.

    0 for a task in any other call: what waits for something, however long, may be woken by it.
    """
    if task.timed is None or task.call not in ("nanosleep", "clock_nanosleep"):
        return 0.0
    started = procfs.started(task.pid, task.tid)
    return 0.0 if started is None else task.timed - (time.clock_gettime(time.CLOCK_BOOTTIME) - started)
