"""Whether a task uses a CPU for nothing: for long, while no queue of the server changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from gatecrash.instruments.census import Census
from gatecrash.model.processes import Task

SPIN_WINDOW, _SPIN_RESTART, _SPIN_SHARE = 0.25, 1.0, 0.9
_KNOWN_SPIN_WINDOW = 0.05  # seconds, where a task was seen to spin before


class Spun(Protocol):
    """What is known of those who spun before: gatecrash.instruments.real_time.ticks says more."""

    def spun_here(self) -> bool: ...

    def spun_for(self, seconds: float) -> bool: ...

    def note_spinning(self, seconds: float, *, sooner: bool) -> None: ...


@dataclass(frozen=True)
class Spinning:
    """`task` used a CPU for a quarter of a second, or as long as was asked, while no queue changed.

    In that time it wanted one for the share `share`. Its own use counts: on a loaded machine a moment's work is
    wanted for long.
    """

    task: Task
    share: float


class SpinWatch:
    """How long each task has wanted and used a CPU since the queues last changed."""

    def __init__(self, census: Census, ticks: Spun, skipped: Callable[[], float] = lambda: 0.0) -> None:
        """`skipped`: how many seconds of the target's time were by now: they have passed for it, in sleep."""
        self.census = census
        self.ticks = ticks
        self.skipped = skipped
        self.least = SPIN_WINDOW
        self.known = False  # a task was seen to spin in this situation before
        self.start = 0.0
        self.next_look = 0.0
        self.before: dict[int, Task] = {}
        self.queues: Hashable = None
        self._waits: dict[int, int] = {}  # nanoseconds each task had waited for a CPU at the last look
        self._delay = 0

    def restart(self) -> None:
        self.before = {}

    def delay(self) -> float:
        """Seconds that a task has wanted a CPU and had none, as the looks since the last question saw it."""
        seconds, self._delay = self._delay / 1e9, 0
        return seconds

    def _note_delay(self, tasks: tuple[Task, ...]) -> None:
        """The most that one of them was delayed: several wait side by side."""
        self._delay += max((task.wait_ns - self._waits.get(task.tid, task.wait_ns) for task in tasks), default=0)
        self._waits = {task.tid: task.wait_ns for task in tasks}

    def look(self, look_at_queues: Callable[[], Hashable]) -> Spinning | None:
        now = time.monotonic()
        if now < self.next_look:
            return None
        window = _KNOWN_SPIN_WINDOW if self.known else SPIN_WINDOW
        self.next_look = now + window / 10
        queues, tasks = look_at_queues(), self.census.tasks()
        self._note_delay(tasks)
        now = time.monotonic()
        of_its_time = now + self.skipped()
        elapsed = of_its_time - self.start
        if not self.before or queues != self.queues:
            self.start, self.queues = of_its_time, queues
            self.before = {task.tid: task for task in tasks}
            self.known = self.least == SPIN_WINDOW and self.ticks.spun_here()
            return None
        if elapsed < window:
            return None
        least = window if self.known else SPIN_WINDOW if self.ticks.spun_for(self.least) else self.least
        wanting = False
        for task in tasks:
            before = self.before.get(task.tid, task)
            used = task.cpu_ns - before.cpu_ns
            share = (used + task.wait_ns - before.wait_ns) / 1e9 / elapsed
            wanting = wanting or share >= _SPIN_SHARE
            if share >= _SPIN_SHARE and used / 1e9 >= least * _SPIN_SHARE:
                self.ticks.note_spinning(self.least, sooner=self.known)
                return Spinning(task, min(share, 1.0))
        if elapsed > _SPIN_RESTART and not wanting:
            self.restart()
        return None
