"""What a wait for a server to be still comes to, and how much of its own time may pass in one."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gatecrash.instruments.spinning import Spinning as Spinning
from gatecrash.model.processes import Task


@dataclass(frozen=True)
class Quiet:
    """Proven: nothing more happens without a new stimulus."""

    tasks: tuple[Task, ...]
    queues: Hashable


@dataclass(frozen=True)
class Resting:
    """Asleep, but a timed wait will end by itself, within `wakes_in` seconds at the latest (inf: unknown)."""

    tasks: tuple[Task, ...]
    wakes_in: float


@dataclass(frozen=True)
class Restless:
    """Patience ran out while tasks still ran: proves nothing."""

    tasks: tuple[Task, ...]


Stillness = Quiet | Resting | Spinning | Restless


class Limit(Protocol):
    """A time limit of the target's own: whose, and how many seconds of its time are left of it.

    `timer`: which of the timers of its process it is, None for a call that a task sleeps in. `whole`: how many seconds
    it is in all, None where that is not known.
    """

    @property
    def pid(self) -> int: ...

    @property
    def tid(self) -> int: ...

    @property
    def timer(self) -> int | None: ...

    @property
    def whole(self) -> float | None: ...

    @property
    def left(self) -> float: ...


class TargetClock(Protocol):
    """The target's time in the tester's hand: gatecrash.instruments.clock says more."""

    @property
    def skipped(self) -> float:
        """Seconds that the target's clocks are ahead."""

    @property
    def real_because(self) -> str | None:
        """Why nothing is skipped for this target any more."""

    @property
    def used(self) -> bool:
        """Whether a wait of the target's with a time limit has been seen."""

    def held(self, tasks: Iterable[Task] | None = None) -> Sequence[Limit]:
        """Its time limits now, the one that is due first at the beginning."""

    def expire(self, tasks: Iterable[Task] | None = None) -> Limit | None:
        """Move its clocks on to that moment, and let that call end."""

    def stopped(self, pids: Iterable[int]) -> None:
        """These processes have been stopped by us: what that does to their calls is undone."""

    def advance(self, seconds: float) -> None:
        """Move its clocks on by so many seconds: as if nobody had run meanwhile, whatever is due by then ends late."""


@dataclass(frozen=True)
class Span:
    """How much of the target's own time may pass in one wait, in seconds; `guess` alone is of time that is real.

    `horizon`: no limit that is due later is let expire. `guess`: nothing is owed to anybody, so what is known of
    earlier waits may stand for waiting (ticks.py). `spare`: a task whose limit is that of a client who is there, and
    would lose its connection by it; only in the first `spared` seconds is it let expire, as a tick. `least`: a server
    that wakes by itself, and comes back to where it was, is watched for so long: the tick that comes first may hide a
    later one. `late`: how late a tick may come that has come before, as on a busy machine, when all has been unchanged
    for so long. `exact`: so many limits expire in their time before one may be late: who looks round at each tenth tick
    has done so. `counted`: for so many seconds COUNTED of them do (elapsing.py): a limit may be counted in ticks.
    `expiring` is told of each task whose limit is let expire, while it still waits, and of all that wait with one.
    `most`: so many steps are made at all. `ticks`: names of limits (`elapsing.name_of`) that count as
    ticks whatever changes. `enough` says that what is waited for has come, `expired` is told of each limit that is let
    expire, or by None that some come late, `after` is called when all is still again or what is waited for has come.
    """

    horizon: float
    guess: bool = False
    least: float = 0.0
    spared: float = 0.0
    late: Callable[[float], float] = field(default=lambda unchanged: 0.0)
    exact: int = 0
    counted: float = 0.0
    most: float = math.inf
    ticks: Container[Hashable] = frozenset()
    spare: Callable[[Task], bool] = field(default=lambda task: False)
    enough: Callable[[], bool] = field(default=lambda: False)
    expiring: Callable[[Task, Sequence[Task]], object] = field(default=lambda task, timed: None)
    expired: Callable[[Limit | None], object] = field(default=lambda limit: None)
    after: Callable[[], object] = field(default=lambda: None)
