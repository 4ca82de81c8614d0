"""Looks again and again, until everybody sleeps, somebody is seen to spin, or patience has run out."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from gatecrash.instruments import procfs
from gatecrash.instruments.census import Census
from gatecrash.instruments.patience import Patience
from gatecrash.instruments.rest import Rest, look
from gatecrash.instruments.spinning import Spinning, SpinWatch
from gatecrash.instruments.stillness import Restless

_YIELDS = 8  # looks with only a yield of the CPU between them, before naps begin
_FIRST_NAP, _LONGEST_NAP = 0.0002, 0.002  # seconds


@dataclass
class Watch:
    """One wait for a server to be still. `pump` answers trapped calls and says how many."""

    census: Census
    look_at_queues: Callable[[], Hashable]
    patience: Patience
    pump: Callable[[], int]
    spin: SpinWatch
    _nap: float = field(default=_FIRST_NAP, init=False)
    _yields: int = field(default=0, init=False)

    def rest(self) -> Rest | Spinning | Restless:
        """Look until everybody is seen asleep and no trapped call waits for us."""
        while (found := self.rest_or(lambda: False)) is None:
            pass
        return found

    def rest_or(self, came: Callable[[], bool], woken: int | None = None) -> Rest | Spinning | Restless | None:
        """As `rest`; None as soon as what is waited for has come. `woken`: a task that ran when it was last heard of.

        While that one runs nobody else need be looked at.
        """
        self._nap, self._yields = _FIRST_NAP, 0
        while True:
            handled = self.pump()
            if came():
                return None
            rest = None if self._runs(woken) else look(self.census, self.look_at_queues)
            if rest is not None and not self.pump():
                return rest
            if handled:
                self.spin.restart()
            if rest is None and self._naps() and (spinning := self.spin.look(self.look_at_queues)) is not None:
                return spinning
            self.patience.excuse(self.spin.delay())
            if self.patience.over:
                return Restless(self.census.tasks())
            self._pause()

    def _runs(self, tid: int | None) -> bool:
        return tid is not None and not self._naps() and procfs.read(f"/proc/{tid}/syscall").startswith(b"running")

    def _naps(self) -> bool:
        """Whether it has run for longer than any server needs for a step: one that spins is found from here on."""
        return self._yields >= _YIELDS

    def _pause(self) -> None:
        if not self._naps():
            self._yields += 1
            os.sched_yield()
            return
        sleep(self._nap)
        self._nap = min(self._nap * 1.5, _LONGEST_NAP)


def sleep(seconds: float) -> None:
    """For moments, whatever a target has done to signals."""
    select.select([], [], [], seconds)
