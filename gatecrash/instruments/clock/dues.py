"""When each wait ends, by the target's clock.

A span counts from the beginning of its call: for all we know, from when it was first seen in its sleep, so that its end
is late rather than early.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gatecrash.instruments import waits
from gatecrash.instruments.syscalls import ARGUMENTS

_REMEMBERED = 1 << 12
_ALL = 6
_UNCOUNTED = b"0 0 0"  # schedstat of a kernel without CONFIG_SCHED_INFO: one sleep looks like the next


@dataclass
class _Wait:
    """One call of a task; `seen` is what schedstat said."""

    call: str
    args: tuple[int, ...]
    began: float
    seen: bytes
    due: float | None = None
    span: float | None = None
    real: float = field(default_factory=time.monotonic)

    def is_in(self, call: str, args: tuple[int, ...], seen: bytes) -> bool:
        count = ARGUMENTS.get(call, _ALL)
        return self.call == call and self.args[:count] == args[:count] and self.seen == seen


class Dues:
    """The waits of one target's tasks. `now`: seconds by its monotonic clock; `skipped`: how far that is ahead."""

    def __init__(
        self, now: Callable[[], float], skipped: Callable[[], float], known: waits.KnownLimit | None = None
    ) -> None:
        self._now = now
        self._skipped = skipped
        self._limits = known
        self._waits: dict[int, _Wait] = {}
        #: Whether a wait with a limit has been seen.
        self.used = False

    def left(self, pid: int, tid: int, call: str, args: tuple[int, ...], seen: bytes) -> float | None:
        """Seconds until the call that a sleeping task is in ends by itself; None: never, inf: nobody knows."""
        wait = self._waits.get(tid)
        if wait is None or not wait.is_in(call, args, seen) or wait.seen.startswith(_UNCOUNTED):
            wait = _Wait(call, args, self._now(), seen)
            if len(self._waits) > _REMEMBERED:
                self._waits.clear()
            self._waits[tid] = wait
            wait.due = self._due(pid, wait)
            self.used = self.used or wait.due is not None
        return None if wait.due is None else max(0.0, wait.due - self._now())

    def again(self, tid: int, call: str, args: tuple[int, ...]) -> float | None:
        """As `left`, of a wait that was looked at before; None for another one."""
        wait = self._waits.get(tid)
        if wait is None or not wait.is_in(call, args, wait.seen) or wait.due is None:
            return None
        return max(0.0, wait.due - self._now())

    def asked(self, tid: int) -> tuple[float, float] | None:
        """For how long the call of a task was asked to wait, and since when (real time); None: until a moment."""
        wait = self._waits.get(tid)
        return None if wait is None or wait.span is None else (wait.span, wait.real)

    def _due(self, pid: int, wait: _Wait) -> float | None:
        limit = waits.own_limit(pid, wait.call, wait.args, self._limits)
        if limit is None or limit == math.inf:
            return limit
        if waits.until_a_deadline(wait.call, wait.args):  # which the kernel, who knows nothing of us, has further off
            return self._now() + limit - self._skipped()
        wait.span = limit
        return wait.began + limit
