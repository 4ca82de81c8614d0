"""Waiting in the target's own time: when all is still, the soonest of its time limits is let expire.

Nothing is skipped while anything else can happen. One limit at a time expires, and then all is looked at again: every
run with skipped time is one that slow enough clients could have made. A server that wakes by itself and comes back to
where it was is at rest; the limit of a client who is there is spared where nothing is owed to anybody.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable
from dataclasses import dataclass

from gatecrash.instruments.looking import Watch
from gatecrash.instruments.rest import Rest
from gatecrash.instruments.stillness import Limit, Quiet, Span, Stillness, TargetClock
from gatecrash.model.processes import Task


@dataclass(frozen=True)
class Elapsing:
    """Lets the limits of one target expire, within a span."""

    watch: Watch
    clock: TargetClock
    span: Span

    def from_rest(self, rest: Rest) -> Stillness:
        """Let the target's time limits expire one by one, the soonest first, and look again after each.

        Until the next one lies beyond the horizon, or all that may expire has done so and left everything as it was.
        """
        since = passed = 0.0
        expired: set[Hashable] = set()
        while not self.span.enough():
            held = self.clock.held(rest.tasks)
            if not held or passed + held[0].left > self.span.horizon:
                break
            timers = [one for one in held if one.timer is not None]
            if passed - since >= self.span.least and self._recurs(rest, timers, expired, passed):
                break
            if self._is_spared(rest, held[0], passed):
                return rest.resting()
            if (one := self.clock.expire(rest.tasks)) is not None:
                passed += max(one.left, 0.0)
            elif self.watch.patience.over:  # it ended by itself, again and again
                return rest.resting()
            later = self.watch.rest()
            if not isinstance(later, Rest):
                return later
            if not later.same_calls(rest, one.pid if one is not None and one.timer is not None else None):
                since, expired = passed, set()
            elif one is not None:
                expired.add(_name(one))
            rest = later
            self.span.after()
        return Quiet(rest.tasks, rest.queues)

    def _is_spared(self, rest: Rest, limit: Limit, passed: float) -> bool:
        """Whether this limit is a client's who is there, and no tick; a timer is that of all that its process does."""
        if limit.timer is None:
            return any(task.tid == limit.tid and self._spares(task, passed) for task in rest.timed())
        mine = (task for task in rest.tasks if task.pid == limit.pid)
        return passed + limit.left > self.span.spared and any(map(self.span.spare, mine))

    def _spares(self, task: Task, passed: float) -> bool:
        return passed + (task.timed or 0.0) > self.span.spared and self.span.spare(task)

    def _recurs(self, rest: Rest, timers: Iterable[Limit], expired: Container[Hashable], passed: float) -> bool:
        """Whether every wait that is let expire has ended once, and the task is back in it; every timer likewise."""
        return all(
            task.tid in expired or passed + (task.timed or 0.0) > self.span.horizon or self._spares(task, passed)
            for task in rest.timed()
        ) and all(
            _name(timer) in expired or passed + timer.left > self.span.horizon or self._is_spared(rest, timer, passed)
            for timer in timers
        )


def _name(limit: Limit) -> Hashable:
    return limit.tid if limit.timer is None else (limit.pid, limit.timer)
