"""How often a target wakes for time limits of its own, by its own clock: counted while they are let expire one by one.

Between two that we let expire some may end by themselves, uncounted. So what counts is how long each wait is, as its
task says when it begins to wait; of one that is told a moment, and no length, how long ago the last one ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

#: So often a task has to wake before what it does counts as its habit, and not as a few short waits among long ones.
_A_HABIT = 16


class Wakes:
    """Counts the wake-ups of each task of a target. `now`: seconds by the target's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._last: dict[int, float] = {}
        self._times = Counter[int]()
        self._took: dict[int, float] = {}

    def note(self, tid: int, whole: float | None) -> None:
        """A wait of this task has ended, which lasted `whole` seconds; None: nobody knows."""
        now, before = self._now(), self._last.get(tid)
        self._last[tid] = now
        if whole is None:
            if before is None:
                return
            whole = now - before
        self._times[tid] += 1
        self._took[tid] = self._took.get(tid, 0.0) + whole

    def most_often(self, watched: float | None) -> float:
        """How often a second the task woke that did so most often, when all were watched for so many seconds.

        None: watching was broken off, because there were too many; then whoever woke a few times only does not count.
        """
        return max((self._often(tid, watched) for tid in self._times), default=0.0)

    def _often(self, tid: int, watched: float | None) -> float:
        times = self._times[tid]
        if watched is None and times < _A_HABIT:
            return 0.0
        span = max(self._took[tid], watched or 0.0)
        return times / span if span > 0 else 0.0
