"""The clock of one target: how far it is ahead, who waits for a moment of it, and the word that lets one come."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from gatecrash.instruments import procfs, rings
from gatecrash.instruments.census import Census
from gatecrash.instruments.clock.answers import ANSWERS
from gatecrash.instruments.clock.calls import clock_read, executed
from gatecrash.instruments.clock.disagreement import Disbelief
from gatecrash.instruments.clock.dues import Dues
from gatecrash.instruments.clock.expiry import Expiry
from gatecrash.instruments.clock.offsets import Offsets
from gatecrash.instruments.clock.stopped import begin_again
from gatecrash.instruments.clock.timerfds import TimerDescriptors
from gatecrash.instruments.clock.timers import Timers
from gatecrash.instruments.trapped import Handler
from gatecrash.instruments.waits import KnownLimit
from gatecrash.language import stated
from gatecrash.model.processes import Task
from gatecrash.sandbox.process import Process
from gatecrash.sandbox.seccomp import CLOCK_FAMILIES

_WATCHES = frozenset({"poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "epoll_pwait2"})
_STOPPED = "T"  # whoever is stopped wakes for nothing: its time may come meanwhile, and it finds that later
_CATCH_UP = 0.02  # seconds between two looks for limits that have passed while nobody skipped anything

#: What a target has to be spawned with, beside the traps of the gates.
CLOCK_TRAPS = frozenset(CLOCK_FAMILIES)


#: Makes one come, and says whether it did; calls what it is given when the clock is to go on.
_Ending = Callable[[Callable[[], None]], bool]


@dataclass(frozen=True)
class Held:
    """A task that waits for a moment of its clock, `left` seconds away; 0 when that has come.

    Or a timer of its process, with the call that set it: `timer` is its number there, None for a task that sleeps.
    `whole`: how long a task waits from beginning to end; None where it does not say how long, but until when.
    """

    pid: int
    tid: int
    call: str
    left: float
    timer: int | None = None
    whole: float | None = None


class Clock:
    """One target's. Skips nothing by itself; where it cannot any more, `real_because` says why."""

    def __init__(self, census: Census, process: Process, *, known: KnownLimit | None = None) -> None:
        """Has `census` tell how long waits have yet by the target's clock. `known`: see `waits.time_limit`."""
        self.real_because: str | None = None
        if process.clock_refused is not None:
            self.real_because = stated("its clocks cannot be set: {reason}", reason=process.clock_refused)
        self._census = census
        self._ahead_ns = 0
        self._dues = Dues(self._now, lambda: self.skipped, known)
        self._expiry = Expiry()
        self._offsets = Offsets()
        self._disbelief = Disbelief()
        self._timers = Timers(lambda: self._ahead_ns)
        self._descriptors = TimerDescriptors(lambda: self._ahead_ns, self._standing)
        self._next_look = 0.0
        census.live_by(self._dues.left)

    # --- What the gates hand over ---------------------------------------------------------------------------------

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Who answers each trapped call, by its name."""
        reads = {name: clock_read(name, lambda: self._ahead_ns) for name in CLOCK_FAMILIES["clock read"]}
        exec = dict.fromkeys(CLOCK_FAMILIES["exec"], executed(lambda: self._ahead_ns, self._expiry.too_late))
        return {**reads, **exec, **self._timers.handlers, **self._descriptors.handlers}

    # --- Time -----------------------------------------------------------------------------------------------------

    @property
    def skipped(self) -> float:
        """Seconds that the target's clocks are ahead."""
        return self._ahead_ns / 1e9

    @property
    def used(self) -> bool:
        """Whether a wait of the target's with a time limit, or a timer, has been seen."""
        return self._dues.used or self._timers.used or self._descriptors.used

    def advance(self, seconds: float) -> None:
        """Put the clock ahead: as if nobody had run meanwhile. Waits that are due by then end late."""
        self._skip(seconds)

    def stopped(self, pids: Iterable[int]) -> None:
        """Processes have been stopped by us: what that does to their calls on sockets is undone (stopped.py)."""
        if self.real_because is None:
            for task in self._census.tasks():
                if task.pid in pids and task.state == "T":
                    begin_again(task.tid)

    def _now(self) -> float:
        return (time.monotonic_ns() + self._ahead_ns) / 1e9

    def held(self, tasks: Iterable[Task] | None = None) -> tuple[Held, ...]:
        """Who waits for a moment of the target's clock, the soonest first; of these tasks, or after a new look.

        Its timers are among them, whoever's tasks these are.
        """
        return tuple(held for held, _ in self._coming(tasks))

    def _coming(self, tasks: Iterable[Task] | None) -> list[tuple[Held, _Ending]]:
        """The soonest first, each with what makes it come."""
        found = [(self._held(left, task), self._of_task(task)) for left, task in self._timed(tasks)]
        for left, timer in self._timers.coming():
            held = Held(timer.pid, timer.pid, timer.call, left, timer.number)
            found.append((held, partial(self._timers.expire, timer)))
        if self._descriptors.used:
            for left, pid, number in self._descriptors.coming(self._living()):
                found.append((Held(pid, pid, "timerfd_settime", left, number), _by_going_on))
        return sorted(found, key=lambda one: (one[0].left, one[0].tid))

    def _held(self, left: float, task: Task) -> Held:
        asked = self._dues.asked(task.tid)
        return Held(task.pid, task.tid, task.call, left, whole=None if asked is None else asked[0])

    def _timed(self, tasks: Iterable[Task] | None) -> list[tuple[float, Task]]:
        found: list[tuple[float, Task]] = []
        for task in self._census.tasks() if tasks is None else tasks:
            if task.call == rings.CALL and task.timed == math.inf:
                self.real_because = self.real_because or self._census.rings.unseen(task.pid, task.args)
            if task.timed is None or task.call not in ANSWERS or task.state == _STOPPED:
                continue
            left = self._left(task)
            if left is not None and left < math.inf:
                found.append((left, task))
        return found

    def _left(self, task: Task) -> float | None:
        """As of now: since the look that `task` is of, the clock may have gone on."""
        return self._dues.again(task.tid, task.call, task.args)

    def expire(self, tasks: Iterable[Task] | None = None) -> Held | None:
        """Put the clock ahead to the moment that the soonest waits for, and let that one find its time up.

        None when it is not waiting any more, or nobody is, or time is real for this target.
        """
        tasks = self._census.tasks() if tasks is None else tuple(tasks)
        coming = self._coming(tasks)
        if self.real_because is not None or not coming:
            return None
        return self._expire(*coming[0])

    def _expire(self, held: Held, ending: _Ending) -> Held | None:
        try:
            expired = ending(lambda: self._skip(held.left))
        except OSError as error:
            self._cannot(error)
            return None
        return held if expired else None

    def _of_task(self, task: Task) -> _Ending:
        def end(go_on: Callable[[], None]) -> bool:
            if hold := self._disbelief.hold(task.tid):
                time.sleep(hold)
            if not self._expiry.expire(task, go_on):
                return False
            self._note(task)
            return True

        return end

    def _note(self, task: Task) -> None:
        """That a task was given its wait; who asks for the same one again reads another clock."""
        asked = self._dues.asked(task.tid)
        if asked is not None and self._disbelief.given(task.tid, task.call, *asked):
            self.real_because = stated(
                "{program} (process {pid}) asks again for the wait that it was just given: "
                "it reads a clock that cannot be set",
                program=procfs.name_of(task.pid),
                pid=task.pid,
            )

    def _cannot(self, error: OSError) -> None:
        self.real_because = stated("its waits cannot be ended: {reason}", reason=error.strerror or str(error))

    def catch_up(self) -> int:
        """Let those go whose moment has come by itself; how many.

        The kernel counts from where its own clocks are: what was skipped since a wait began, it would wait in addition.
        """
        self._expiry.let_late_ones_go()
        came = self._timers_that_are_due()
        if not self._ahead_ns or self.real_because is not None or (now := time.monotonic()) < self._next_look:
            return came
        self._next_look = now + _CATCH_UP
        late = [(self._held(left, task), self._of_task(task)) for left, task in self._timed(None) if left == 0.0]
        return came + sum(self._expire(held, ending) is not None for held, ending in late)

    def _timers_that_are_due(self) -> int:
        """Sent by us, they come by themselves in nobody else's way, whether time is real or not."""
        try:
            came = self._timers.catch_up()
        except OSError as error:
            self._cannot(error)
            return 0
        if self._timers.unlisted and self.real_because is None:
            self.real_because = stated("this kernel does not tell which timers there are (/proc/PID/timers)")
        return came

    def _skip(self, seconds: float) -> None:
        if seconds <= 0:
            return
        nanoseconds = math.ceil(seconds * 1e9)
        self._ahead_ns += nanoseconds
        living = self._living()
        self.real_because = self._offsets.put_ahead(living, self._ahead_ns)
        if self.real_because is None:
            self.real_because = self._descriptors.move_on(living, nanoseconds)

    @contextmanager
    def _standing(self, pids: Collection[int]) -> Iterator[bool]:
        """Those of these processes stand who wait without a limit; whether nobody else can be told of a descriptor.

        A wait with a limit is let be: cut short, it would begin anew.
        """
        tasks = [task for task in self._census.tasks() if task.pid in pids and task.state != _STOPPED] if pids else []
        with self._expiry.standing(task for task in tasks if task.timed is None):
            yield not any(task.timed is not None and task.call in _WATCHES for task in tasks)

    def _living(self) -> list[int]:
        return [pid for pid in self._census.pids() if pid not in self._census.dead]


def _by_going_on(go_on: Callable[[], None]) -> bool:
    """What is the kernel's and is moved with the clocks."""
    go_on()
    return True
