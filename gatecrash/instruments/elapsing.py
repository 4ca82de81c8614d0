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
#: Limits of the past that are let expire before time goes on: who makes up for all the ticks it has missed has more.
_MADE_UP = 64


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
        count = made_up = 0
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
            ahead = 0.0
            if count >= self.span.exact and (held[0].left > 0 or made_up >= _MADE_UP):
                ahead = min(self._stride(held, expired, passed - since), self.span.horizon - passed)
            if ahead > 0:
                self.span.expired(None)
                self.clock.advance(ahead)
                passed, made_up, one = passed + ahead, 0, None
            elif (one := self.clock.expire(rest.tasks)) is not None:
                self.span.expired(one)
                passed, count, made_up = passed + one.left, count + 1, made_up + 1
            elif self.clock.real_because is not None or self.watch.patience.over:  # it ends by itself, again and again
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

    def _stride(self, held: Sequence[Limit], expired: Container[Hashable], unchanged: float) -> float:
        """Seconds that pass at once: short of whatever is no tick, and until the first tick is as late as it may be.

        0 where the next one is to come in its time. A virtual machine ticks twenty times a second, and has a thread
        that looks round once in a minute.
        """
        late = self.span.late(unchanged)
        ahead = min(one.left + (late if self._is_tick(one, expired) else -_SHORT_OF) for one in held)
        return ahead if late and held[0].left < ahead else 0.0

    def _is_tick(self, limit: Limit, expired: Container[Hashable]) -> bool:
        return limit.timer is None and (name_of(limit) in expired or name_of(limit) in self.span.ticks)

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


def name_of(limit: Limit) -> Hashable:
    """Whose it is: of a task, the same for each wait of it."""
    return limit.tid if limit.timer is None else (limit.pid, limit.timer)
