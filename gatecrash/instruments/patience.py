"""Seconds that a busy machine does not change: of waits that prove nothing, and of the target's own waits.

Seconds in which somebody wanted a processor and got none are not counted: neither the tester's own, nor those
of the target's tasks, which whoever looks at them reports by `excuse` (schedstat, proc(5)).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from gatecrash.instruments import procfs

#: However busy the machine is, a wait takes no longer than so many times what it was given.
MOST_STRETCHED = 4


class Patience:
    """So many seconds of waiting, less what a busy machine took of them."""

    def __init__(self, seconds: float, whole: Patience | None = None) -> None:
        """`whole`: what this is a part of; what is excused here is excused there."""
        self.seconds = seconds
        self._whole = whole
        self._began = time.monotonic()
        self._excused = 0.0
        self._own_before = _own_delay()

    @property
    def whole(self) -> Patience:
        """What this is a part of, or itself."""
        return self if self._whole is None else self._whole

    def renew(self) -> None:
        """It begins again: what it was waited for with has come."""
        self._began, self._excused, self._own_before = time.monotonic(), 0.0, _own_delay()

    def excuse(self, seconds: float) -> None:
        """The target wanted a processor for so long, and had none."""
        self._excused += seconds
        if self._whole is not None:
            self._whole.excuse(seconds)

    def left(self) -> float:
        """Seconds left; none or less when it has run out."""
        elapsed = time.monotonic() - self._began
        if elapsed < self.seconds:  # nothing to excuse yet
            return self.seconds - elapsed
        excused = self._excused + _own_delay() - self._own_before
        return self.seconds - max(elapsed - excused, elapsed / MOST_STRETCHED)

    @property
    def over(self) -> bool:
        """Whether it has run out."""
        return self.left() <= 0


def _own_delay() -> float:
    """Seconds that this thread has wanted a processor and had none, since it was started; 0 where nobody counts."""
    return procfs.seconds_delayed("thread-self")


@dataclass
class OwnTime:
    """Seconds that the target took by its own doing: asleep with a time limit, or never still as long as was waited.

    However busy the machine is, they are the same: whoever sleeps needs no processor.
    """

    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """The target took so many more."""
        self.seconds += seconds
