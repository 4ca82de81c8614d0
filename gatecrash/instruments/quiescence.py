"""Waits until a server will do nothing more until somebody does something to it, and says how sure that is.

| module | what it does |
|---|---|
| `rest.py` | the proof: one double look that finds everybody asleep |
| `looking.py` | looks until that comes about, somebody spins, or patience has run out |
| `elapsing.py` | from a rest on: lets the target's time limits expire, one by one, in its own time |
| `real_time/` | the same where time is real: waits them out, and guesses |
| `stillness.py` | what came of it |
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from gatecrash.instruments.blocked import blocked_where as blocked_where
from gatecrash.instruments.census import Census
from gatecrash.instruments.elapsing import Elapsing
from gatecrash.instruments.looking import Watch
from gatecrash.instruments.patience import OwnTime, Patience
from gatecrash.instruments.real_time.ticks import Ticks
from gatecrash.instruments.real_time.waiting_out import RealTime
from gatecrash.instruments.rest import Rest
from gatecrash.instruments.spinning import SpinWatch
from gatecrash.instruments.stillness import Quiet as Quiet
from gatecrash.instruments.stillness import Resting as Resting
from gatecrash.instruments.stillness import Restless as Restless
from gatecrash.instruments.stillness import Span as Span
from gatecrash.instruments.stillness import Spinning as Spinning
from gatecrash.instruments.stillness import Stillness as Stillness
from gatecrash.instruments.stillness import TargetClock as TargetClock


def settle(
    census: Census,
    look_at_queues: Callable[[], Hashable],
    *,
    patience: float | Patience = 5.0,
    pump: Callable[[], int] | None = None,
    wait_out: bool = True,
    ticks: Ticks | None = None,
    spin: float | None = None,
    own: OwnTime | None = None,
    clock: TargetClock | None = None,
    span: Span | None = None,
) -> Stillness:
    """Wait until every task of `census` provably sleeps, at most `patience` (seconds, where it is a number).

    `look_at_queues` says what the kernel holds for the sockets of interest; `pump` answers trapped system
    calls and says how many. With `wait_out`, timed waits are watched until each has ended once and the tasks
    are back where they were; without, they give `Resting` at once. `ticks` remembers what came of it, and may say
    that it need not be done again. `spin`: seconds of processor time after which a task counts as spinning, where the
    server is expected to end by itself: then a task's long sleep is watched as long as patience lasts. `own`: what is
    waited out is added to it. `clock`: with one, no time limit is waited out: it is let expire, within `span` (as much
    of the target's own time as there is patience), and `patience` is that of its first proof, where it is a part.
    """
    allowed = patience if isinstance(patience, Patience) else Patience(patience)
    known = ticks or Ticks()
    if span is not None and not span.guess:
        known = known.unhurried()
    spinning = SpinWatch(census, known, lambda: 0.0 if clock is None else clock.skipped)
    watch = Watch(census, look_at_queues, allowed, pump or (lambda: 0), spinning)
    if spin is not None:
        watch.spin.least = spin
    rest = watch.rest()
    if not isinstance(rest, Rest):
        return rest
    if clock is not None and clock.real_because is None and wait_out:
        watch.patience = allowed.whole
        return Elapsing(watch, clock, span or Span(allowed.seconds)).from_rest(rest)
    real = RealTime(watch, known, own or OwnTime(), clock, to_the_end=spin is not None)
    return real.from_rest(rest, wait_out=wait_out)
