"""Time passes for a server, and nothing else happens: in its own time, where that can be skipped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from gatecrash.instruments.elapsing import COUNTED, name_of, watched
from gatecrash.instruments.patience import Patience
from gatecrash.instruments.quiescence import Quiet, Span, Stillness, TargetClock
from gatecrash.instruments.stillness import Limit
from gatecrash.model.processes import Task
from gatecrash.player.waiting import ONE_BY_ONE, Waiter
from gatecrash.player.wakes import Wakes

#: A limit of half a minute may be counted in tenths of a second.
_A_MINUTE, _TICKS_OF_A_MINUTE = 60.0, 400
#: A tick may come late by this part of the time that passes, on a busy machine; a client who is there is let go at its
#: time, not at the end.
_STRIDES = 16
#: Limits that are let expire behind those that come in their time; then whatever is due comes at the end.
_MOST = 1024


@dataclass(frozen=True)
class Passed:
    """How much time was let pass, in seconds of the target's; `wakes`, `late`: see model.transcript.TimePassed."""

    seconds: float
    wakes: float = 0.0
    late: bool = False


def let_pass(
    waiter: Waiter, seconds: float, counted: float = 0.0, *, really: Callable[[float], object] = lambda passed: None
) -> Passed:
    """Let so many seconds pass for the server; returns how many did: where time is real, no more than patience.

    `counted`: in so many of them it may count its ticks up to a limit. `really` is told, where time is real, how much
    more of it has passed, before what the server did meanwhile is taken.
    """
    clock = waiter.server.clock
    if clock is None or clock.real_because is not None:
        return _for_real(waiter, seconds, really)
    return _Passing(waiter, clock, seconds, counted).passed()


class _Passing:
    """So many seconds of the target's own time; `clock` is its."""

    def __init__(self, waiter: Waiter, clock: TargetClock, seconds: float, counted: float) -> None:
        self._waiter = waiter
        self._clock = clock
        self._seconds = seconds
        # Of all the pauses of a scenario only the first ticks come one by one, and a few of each, which tell how often
        # it wakes: each costs milliseconds, and a server that looks round every 2 ms took minutes for one of its own.
        left = COUNTED - waiter.ticked
        self._counted = counted if left > 0 else 0.0
        self._patience = Patience(waiter.patience)
        self._exact = ONE_BY_ONE if seconds > _A_MINUTE or left <= 0 else _TICKS_OF_A_MINUTE
        self._ticks: set[Hashable] = set()
        self._wakes = Wakes(lambda: time.monotonic() + clock.skipped)
        self._late = False

    def passed(self) -> Passed:
        """Have it pass, as far as the server comes to rest."""
        self._waiter.look(self._patience, Span(0.0), wait_out=False)
        self._rested()  # what came before any time passed
        began = self._clock.skipped
        still = self._let_expire(self._seconds)
        left = began + self._seconds - self._clock.skipped
        if isinstance(still, Quiet) and left > 0 and not self._is_watched(still, left):
            self._late = self._late or any(one.left < left for one in self._clock.held(still.tasks))
            self._clock.advance(left)
            self._let_expire(0.0)  # whose time is up finds it so before anybody comes
        often = self._wakes.most_often(None if self._late else self._seconds)
        return Passed(self._clock.skipped - began, often, self._late)

    def _is_watched(self, still: Quiet, left: float) -> bool:
        """Whether all that is left is too much at once: ticks of several processes are due meanwhile."""
        return watched(one for one in self._clock.held(still.tasks) if one.left < left)

    def _let_expire(self, seconds: float) -> Stillness:
        span = Span(
            seconds,
            least=math.inf,
            late=lambda unchanged: self._seconds / _STRIDES,
            exact=self._exact,
            ticks=self._ticks,
            counted=self._counted,
            most=(max(self._exact, COUNTED) if self._counted else self._exact) + _MOST,
            expired=self._note,
            after=self._rested,
        )
        return self._waiter.look(self._patience, span, wait_out=True)

    def _note(self, limit: Limit | None) -> None:
        """A limit expires, or (None) ticks come late."""
        self._late = self._late or limit is None
        if limit is not None:
            self._ticks.add(name_of(limit))
            self._waiter.ticked += 1
        if limit is not None and not self._late:
            self._wakes.note(limit.tid, limit.whole)

    def _rested(self) -> None:
        self._patience.renew()
        self._waiter.after()


def _for_real(waiter: Waiter, seconds: float, really: Callable[[float], object]) -> Passed:
    began = last = time.monotonic()
    until, before = began + min(seconds, waiter.patience), _switches(waiter)
    while last < until:
        waiter.nap(None, 0, max(1, min(50, int((until - last) * 1000))))
        now = time.monotonic()
        waiter.own.add(now - last)
        really(now - last)
        waiter.after()
        last = now
    after = _switches(waiter)
    woke = max((after[tid] - before[tid] for tid in after.keys() & before.keys()), default=0)
    return Passed(last - began, woke / (last - began) if last > began else 0.0)


def _switches(waiter: Waiter) -> dict[int, int]:
    """How often each task has gone to sleep (proc(5), status) that waits with a time limit: once each time it wakes."""
    return {task.tid: task.switches for task in waiter.server.census.tasks() if _ticks(task)}


def _ticks(task: Task) -> bool:
    return task.timed is not None and not task.housekeeping
