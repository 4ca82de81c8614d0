"""Waiting in the target's own time: when all is still, the soonest of its time limits is let expire.

Nothing is skipped while anything else can happen. One limit at a time expires, and then all is looked at again: every
run with skipped time is one that slow enough clients could have made. A server that wakes by itself and comes back to
where it was is at rest; the limit of a client who is there is spared where nothing is owed to anybody.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from gatecrash.instruments.looking import Watch
from gatecrash.instruments.rest import Rest, wait_of
from gatecrash.instruments.stillness import Limit, Quiet, Span, Stillness, TargetClock
from gatecrash.model.processes import Task

#: Seconds: what else is due is not brought so near that it may end by itself meanwhile.
_SHORT_OF = 0.2
#: Seconds by which ticks may be late where several processes have some: one may watch whether another's still come, and
#: end who has missed them (gunicorn allows 30 s).
_LATE_WHERE_WATCHED = 5.0
#: Limits of the past that are let expire before time goes on: who makes up for all the ticks it has missed has more.
_MADE_UP = 64
#: Limits that expire in their time while somebody may count them: a minute in tenths of a second, by two who do so.
COUNTED = 1300


class _Rounds:
    """What has come round since anything new was seen.

    `expired`: waits and timers that have ended once; `known`: all waits that tasks were in. A server may wait by turns
    for different things, as one that looks for a client for 5 s and then sleeps a moment does: once it is back where it
    was, that is its round. `since`: when something new was seen last.
    """

    def __init__(self, rest: Rest) -> None:
        self._begin(rest, 0.0)

    def _begin(self, rest: Rest, passed: float) -> None:
        self.since = passed
        self.expired: set[Hashable] = set()
        self.known = {wait_of(task) for task in rest.timed()}

    def ended(self, rest: Rest, limit: Limit) -> bool:
        """Whether this one has, which a task of `rest` is in, and left everything as it was."""
        return _wait_of(rest, limit) in self.expired

    def went_on(self, rest: Rest, later: Rest, one: Limit | None, passed: float) -> None:
        """After `passed` seconds, when `one` had come, all is still again; None: some have come late."""
        moved = later.moved_on(rest, one.pid if one is not None and one.timer is not None else None)
        if moved is None:
            self._begin(later, passed)
            return
        if not moved <= self.known:
            self.since = passed
            self.known |= moved
        if one is not None:
            self.expired.add(_wait_of(rest, one))


def watched(held: Iterable[Limit]) -> bool:
    """Whether several processes have limits: what comes late to one of them, another one may call dead."""
    return len({one.pid for one in held}) > 1


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
        rounds, passed = _Rounds(rest), 0.0
        steps = count = made_up = 0
        while not self.span.enough():
            held = self.clock.held(rest.tasks)
            if any(task.timed == math.inf for task in rest.tasks):  # it may be woken by what nobody knows of
                return rest.resting()
            if not held or passed + held[0].left > self.span.horizon or steps > self.span.most:
                break
            steps += 1
            timers = [one for one in held if one.timer is not None]
            if passed - rounds.since >= self.span.least and self._recurs(rest, timers, rounds, passed):
                break
            if self._is_spared(rest, held[0], passed):
                if self._recurs(rest, timers, rounds, passed):
                    break
                return rest.resting()
            ahead = 0.0
            if count >= self._exact(passed) and (held[0].left > 0 or made_up >= _MADE_UP):
                ahead = min(self._stride(rest, held, rounds, passed), self.span.horizon - passed)
            if ahead > 0:
                self.span.expired(None)
                self.clock.advance(ahead)
                passed, made_up, one = passed + ahead, 0, None
            elif (one := self._next(rest, held[0])) is not None:
                self.span.expired(one)
                passed, count, made_up = passed + one.left, count + 1, made_up + 1
            elif self.clock.real_because is not None or self.watch.patience.over:  # it ends by itself, again and again
                return rest.resting()
            later = self.watch.rest_or(self.span.enough, None if one is None else one.tid)
            if later is None:  # what comes of it besides may come while the tester goes on
                self.span.after()
                return rest.resting()
            if not isinstance(later, Rest):
                return later
            rounds.went_on(rest, later, one, passed)
            rest = later
            self.span.after()
        return Quiet(rest.tasks, rest.queues)

    def _next(self, rest: Rest, soonest: Limit) -> Limit | None:
        """Let the soonest expire; None where it is waited for no more."""
        for task in rest.timed() if soonest.timer is None else ():
            if task.tid == soonest.tid:
                self.span.expiring(task, rest.timed())
        return self.clock.expire(rest.tasks)

    def _exact(self, passed: float) -> int:
        """So many limits expire in their time before one may be late."""
        return max(self.span.exact, COUNTED) if passed < self.span.counted else self.span.exact

    def _stride(self, rest: Rest, held: Sequence[Limit], rounds: _Rounds, passed: float) -> float:
        """Seconds that pass at once: short of whatever is no tick, and until the first tick is as late as it may be.

        0 where the next one is to come in its time. A virtual machine ticks twenty times a second, and has a thread
        that looks round once in a minute.
        """
        late = self.span.late(passed - rounds.since)
        if watched(held):
            late = min(late, _LATE_WHERE_WATCHED)
        ahead = min(one.left + (late if self._is_tick(rest, one, rounds) else -_SHORT_OF) for one in held)
        return ahead if late and held[0].left < ahead else 0.0

    def _is_tick(self, rest: Rest, limit: Limit, rounds: _Rounds) -> bool:
        return limit.timer is None and (rounds.ended(rest, limit) or name_of(limit) in self.span.ticks)

    def _is_spared(self, rest: Rest, limit: Limit, passed: float) -> bool:
        """Whether this limit is a client's who is there, and no tick; a timer is that of all that its process does."""
        if limit.timer is None:
            return any(task.tid == limit.tid and self._spares(task, passed) for task in rest.timed())
        mine = (task for task in rest.tasks if task.pid == limit.pid)
        return passed + limit.left > self.span.spared and any(map(self.span.spare, mine))

    def _spares(self, task: Task, passed: float) -> bool:
        return passed + (task.timed or 0.0) > self.span.spared and self.span.spare(task)

    def _recurs(self, rest: Rest, timers: Iterable[Limit], rounds: _Rounds, passed: float) -> bool:
        """Whether every wait that is let expire has ended once, and the task is back in it; every timer likewise."""
        return all(
            wait_of(task) in rounds.expired
            or passed + (task.timed or 0.0) > self.span.horizon
            or self._spares(task, passed)
            for task in rest.timed()
        ) and all(
            rounds.ended(rest, timer) or passed + timer.left > self.span.horizon or self._is_spared(rest, timer, passed)
            for timer in timers
        )


def _wait_of(rest: Rest, limit: Limit) -> Hashable:
    tasks = rest.timed() if limit.timer is None else ()
    return next((wait_of(task) for task in tasks if task.tid == limit.tid), name_of(limit))


def name_of(limit: Limit) -> Hashable:
    """Whose it is: of a task, the same for each wait of it."""
    return limit.tid if limit.timer is None else (limit.pid, limit.timer)
