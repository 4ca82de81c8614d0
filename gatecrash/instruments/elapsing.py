"""Waiting in the target's own time: when all is still, the soonest of its time limits is let expire.

Nothing is skipped while anything else can happen. One limit at a time expires, and then all is looked at again: every
run with skipped time is one that slow enough clients could have made. A server that wakes by itself and comes back to
where it was is at rest; the limit of a client who is there is spared where nothing is owed to anybody.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Sequence
from dataclasses import dataclass

from gatecrash.instruments.looking import Watch
from gatecrash.instruments.rest import Rest
from gatecrash.instruments.stillness import Limit, Quiet, Span, Stillness, TargetClock
from gatecrash.model.processes import Task

#: Seconds: what else is due is not brought so near that it may end by itself meanwhile.
_SHORT_OF = 0.2


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
        count = 0
        while not self.span.enough():
            held = self.clock.held(rest.tasks)
            if not held or passed + held[0].left > self.span.horizon:
                break
            timers = [one for one in held if one.timer is not None]
            if passed - since >= self.span.least and self._recurs(rest, timers, expired, passed):
                break
            if self._is_spared(rest, held[0], passed):
                if self._recurs(rest, timers, expired, passed):
                    break
                return rest.resting()
            if (ahead := self._stride(held, expired, passed - since, count)) > 0 and passed + ahead < self.span.horizon:
                self.clock.advance(ahead)
                passed, one = passed + ahead, None
            elif (one := self.clock.expire(rest.tasks)) is not None:
                passed += max(one.left, 0.0)
                count += 1
            elif self.watch.patience.over:  # it ended by itself, again and again
                return rest.resting()
            later = self.watch.rest()
            if not isinstance(later, Rest):
                return later
            if not later.same_calls(rest, one.pid if one is not None and one.timer is not None else None):
                since, expired = passed, set()
            elif one is not None:
                expired.add(name_of(one))
            rest = later
            self.span.after()
        return Quiet(rest.tasks, rest.queues)

    def _stride(self, held: Sequence[Limit], ticks: Container[Hashable], unchanged: float, count: int) -> float:
        """Where a tick may be late, it may be as late as all has been unchanged for."""
        if not self.span.late or count < self.span.exact:
            return 0.0
        return stride(held, ticks, max(self.span.late, unchanged))

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
            name_of(timer) in expired or passed + timer.left > self.span.horizon or self._is_spared(rest, timer, passed)
            for timer in timers
        )


def stride(held: Sequence[Limit], ticks: Container[Hashable], late: float) -> float:
    """Seconds that pass at once: short of whatever is no tick, and until the first tick is so late; 0 where one comes.

    A virtual machine ticks twenty times a second, and has a thread that looks round once in a minute.
    """
    come_late = [one.left + late for one in held if one.timer is None and name_of(one) in ticks]
    others = [one.left - _SHORT_OF for one in held if one.timer is not None or name_of(one) not in ticks]
    ahead = min((*come_late, *others), default=0.0)
    return ahead if held and held[0].left < ahead else 0.0


def name_of(limit: Limit) -> Hashable:
    """Whose it is: of a task, the same for each wait of it."""
    return limit.tid if limit.timer is None else (limit.pid, limit.timer)
