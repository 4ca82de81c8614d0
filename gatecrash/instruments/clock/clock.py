"""The clock of one target: how far it is ahead, who waits for a moment of it, and the word that lets one come."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gatecrash.instruments import procfs
from gatecrash.instruments.census import Census
from gatecrash.instruments.clock.answers import ANSWERS
from gatecrash.instruments.clock.calls import clock_read, executed
from gatecrash.instruments.clock.disagreement import Disbelief
from gatecrash.instruments.clock.dues import Dues
from gatecrash.instruments.clock.expiry import Expiry
from gatecrash.instruments.clock.offsets import Offsets
from gatecrash.instruments.clock.stopped import begin_again
from gatecrash.instruments.trapped import CONTINUE, Handler, Respond
from gatecrash.instruments.waits import KnownLimit
from gatecrash.language import stated
from gatecrash.model.processes import Task
from gatecrash.sandbox.process import Process
from gatecrash.sandbox.seccomp import CLOCK_FAMILIES

_RING = "io_uring_enter"
_CATCH_UP = 0.02  # seconds between two looks for limits that have passed while nobody skipped anything

#: What a target has to be spawned with, beside the traps of the gates.
CLOCK_TRAPS = frozenset(CLOCK_FAMILIES) - {"timed wait"}


@dataclass(frozen=True)
class Held:
    """A task that waits for a moment of its clock, `left` seconds away; 0 when that has come."""

    pid: int
    tid: int
    call: str
    left: float


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
        self._next_look = 0.0
        census.live_by(self._dues.left)

    # --- What the gates hand over ---------------------------------------------------------------------------------

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Who answers each trapped call, by its name."""
        begins = {name: self._begins(name) for name in CLOCK_FAMILIES["timed wait"]}
        reads = {name: clock_read(name, lambda: self._ahead_ns) for name in CLOCK_FAMILIES["clock read"]}
        return (
            begins
            | reads
            | dict.fromkeys(CLOCK_FAMILIES["exec"], executed(lambda: self._ahead_ns, self._expiry.too_late))
        )

    def _begins(self, name: str) -> Handler:
        begins = self._dues.begins

        def handle(id: int, tid: int, args: tuple[int, ...], respond: Respond) -> None:
            begins(tid, name, args)
            respond(id, flags=CONTINUE)

        return handle

    # --- Time -----------------------------------------------------------------------------------------------------

    @property
    def skipped(self) -> float:
        """Seconds that the target's clocks are ahead."""
        return self._ahead_ns / 1e9

    @property
    def used(self) -> bool:
        """Whether a wait of the target's with a time limit has been seen."""
        return self._dues.used

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
        """Who waits for a moment of the target's clock, the soonest first; of these tasks, or after a new look."""
        return tuple(Held(task.pid, task.tid, task.call, left) for left, task in self._timed(tasks))

    def soonest(self) -> float | None:
        """Seconds until the first of them, None when nobody waits for the clock."""
        return next((one.left for one in self.held()), None)

    def _timed(self, tasks: Iterable[Task] | None) -> list[tuple[float, Task]]:
        found: list[tuple[float, Task]] = []
        for task in self._census.tasks() if tasks is None else tasks:
            if task.timed is None or task.call not in ANSWERS:
                continue
            left = self._left(task)
            if left is not None and left < math.inf:
                found.append((left, task))
        return sorted(found, key=lambda one: (one[0], one[1].tid))

    def _left(self, task: Task) -> float | None:
        """As of now: since the look that `task` is of, the clock may have gone on."""
        return self._dues.again(task.tid, task.call, task.args)

    def expire(self, tasks: Iterable[Task] | None = None) -> Held | None:
        """Put the clock ahead to the moment that the soonest waits for, and let that one find its time up.

        None when it is not waiting any more, or nobody is, or time is real for this target.
        """
        tasks = self._census.tasks() if tasks is None else tuple(tasks)
        timed = self._timed(tasks)
        if self.real_because is not None or not timed:
            return None
        if ring := next((task for task in tasks if task.call == _RING), None):
            self.real_because = stated(
                "{program} (process {pid}) waits with io_uring, whose time limits cannot be seen",
                program=procfs.name_of(ring.pid),
                pid=ring.pid,
            )
            return None
        return self._expire(*timed[0])

    def _expire(self, left: float, task: Task) -> Held | None:
        try:
            expired = self._expiry.expire(task, lambda: self._skip(left))
        except OSError as error:
            self.real_because = stated("its waits cannot be ended: {reason}", reason=error.strerror or str(error))
            return None
        if not expired:
            return None
        self._note(task)
        return Held(task.pid, task.tid, task.call, left)

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

    def catch_up(self) -> int:
        """Let those go whose moment has come by itself; how many.

        The kernel counts from where its own clocks are: what was skipped since a wait began, it would wait in addition.
        """
        self._expiry.let_late_ones_go()
        if not self._ahead_ns or self.real_because is not None or (now := time.monotonic()) < self._next_look:
            return 0
        self._next_look = now + _CATCH_UP
        return sum(left == 0.0 and self._expire(left, task) is not None for left, task in self._timed(None))

    def _skip(self, seconds: float) -> None:
        if seconds <= 0:
            return
        self._ahead_ns += math.ceil(seconds * 1e9)
        living = [pid for pid in self._census.pids() if pid not in self._census.dead]
        self.real_because = self._offsets.put_ahead(living, self._ahead_ns)
