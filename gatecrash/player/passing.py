"""Time passes for a server, and nothing else happens: in its own time, where that can be skipped."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass

from gatecrash.instruments import elapsing
from gatecrash.instruments.patience import Patience
from gatecrash.instruments.quiescence import Quiet, Resting, Stillness, TargetClock
from gatecrash.player.waiting import ONE_BY_ONE, Waiter
from gatecrash.player.wakes import Wakes

#: A limit of half a minute may be counted in tenths of a second.
_A_MINUTE, _TICKS_OF_A_MINUTE = 60.0, 400
#: The strides in which the rest of the time passes for one that ticks: each of its ticks may be that late on a busy
#: machine, and a client who is there is let go at its time, not at the end.
_STRIDES = 16


@dataclass(frozen=True)
class Passed:
    """How much time was let pass, in seconds of the target's; `wakes`, `late`: see model.transcript.TimePassed."""

    seconds: float
    wakes: float = 0.0
    late: bool = False


class Passing:
    """Lets time pass for the server that is waited on."""

    def __init__(self, waiter: Waiter) -> None:
        self._waiter = waiter

    def let_pass(self, seconds: float) -> Passed:
        """Let so many seconds pass for the server; returns how many did: where time is real, no more than patience."""
        clock = self._waiter.server.clock
        if clock is None or clock.real_because is not None:
            return Passed(self._wait_for_real(seconds))
        began, left = clock.skipped, seconds
        watched: float | None = seconds
        ticks: set[Hashable] = set()
        wakes = Wakes(lambda: time.monotonic() + clock.skipped)
        for _ in range(ONE_BY_ONE if seconds > _A_MINUTE else _TICKS_OF_A_MINUTE):
            still = self._come_to_rest()
            if not isinstance(still, Quiet | Resting):
                break
            held = clock.held(still.tasks)
            if not held or held[0].left > left:
                break
            if (one := clock.expire(still.tasks)) is not None:
                wakes.note(one.tid, one.whole)
                ticks.add(elapsing.name_of(one))
            left = seconds - (clock.skipped - began)
        else:
            watched = None
        late = self._pass_in_strides(clock, began + seconds, ticks, left / _STRIDES)
        return Passed(clock.skipped - began, wakes.most_often(watched), late)

    def _pass_in_strides(self, clock: TargetClock, until: float, ticks: set[Hashable], late: float) -> bool:
        """Until so much of its time is skipped: a tick may be `late`, whatever else is due comes in its time.

        Whether one was.
        """
        any_late = False
        for last in (*[False] * ONE_BY_ONE, True):
            still = self._come_to_rest()
            left = until - clock.skipped
            if left <= 0 or not isinstance(still, Quiet | Resting):
                return any_late
            held = clock.held(still.tasks)
            nothing = not held or held[0].left > left
            ahead = left if nothing or last else min(left, elapsing.stride(held, ticks, late))
            if ahead > 0:
                any_late = any_late or not nothing
                clock.advance(ahead)
                self._let_late_ones_go(clock)
            elif (one := clock.expire(still.tasks)) is not None:
                ticks.add(elapsing.name_of(one))
        return any_late

    def _let_late_ones_go(self, clock: TargetClock) -> None:
        """Whose time is up finds it so before anybody comes: to a wait of a second that took an hour, who came in
        it would have waited for an hour.
        """
        for _ in range(ONE_BY_ONE):
            still = self._come_to_rest()
            if not isinstance(still, Quiet | Resting):
                break
            held = clock.held(still.tasks)
            if not held or held[0].left > 0:
                break
            clock.expire(still.tasks)

    def _come_to_rest(self) -> Stillness:
        """Wait until all sleep, however soon they wake, and note what has come of it."""
        still = self._waiter.look(Patience(self._waiter.patience), wait_out=False, early=False)
        self._waiter.after()
        return still

    def _wait_for_real(self, seconds: float) -> float:
        began, until = time.monotonic(), time.monotonic() + min(seconds, self._waiter.patience)
        while (now := time.monotonic()) < until:
            self._waiter.nap(None, 0, max(1, min(50, int((until - now) * 1000))))
        self._waiter.own.add(now - began)
        return now - began
