"""Finds a task that does not believe its clock: it asks again for what it was just given.

Who works out how long to wait from a clock that was put ahead asks for nothing more once it has waited: no time is
left. Who works it out from another one (the counter of the processor, rdtsc) asks for the same again, less what has
really passed since. A task that waits for a tick asks for no less each time, and is no such task.

The other clock need not count seconds: who has measured it against a sleep that was skipped takes a thousandth of a
second for one. So a task that asks for less and less is made to wait now and then, by the real clock, and whether it
asks for less because of that tells what it goes by.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

_TIMES = 8  # that the span has to shrink; it may stay the same in between, where milliseconds are counted
_ALIKE = 0.1  # what it has shrunk by, and what has really passed
_SUSPECT = 4  # times that it has shrunk, until it is tried
_TRIED = 3  # waits of each kind
_LONGER, _SHORTEST, _LONGEST = 3, 0.002, 0.1  # times what its waits have really taken; seconds
_MORE = 2  # times what it shrinks by otherwise


@dataclass
class _Asked:
    call: str
    first: float
    began: float
    last: float
    times: int = 0
    rounds: int = 0
    passed: float = 0.0
    held: bool = False  # in the wait that it asked for last
    holds: bool = False  # in the one that ends now
    hold: float = 0.0
    shrunk: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})

    def again(self, span: float, began: float) -> None:
        """It has asked for `span` after the wait before."""
        if self.hold:
            self.shrunk[self.held].append(self.last - span)
        self.times += span < self.last
        self.rounds += 1
        self.last, self.passed, self.held = span, began - self.began, self.holds
        if self.times == _SUSPECT and not self.hold:
            self.hold = min(max(_LONGER * self.passed / self.rounds, _SHORTEST), _LONGEST)

    @property
    def counts_seconds(self) -> bool:
        return self.times >= _TIMES and abs(self.first - self.last - self.passed) <= _ALIKE * self.passed

    @property
    def goes_by_what_passes(self) -> bool:
        if min(map(len, self.shrunk.values())) < _TRIED:
            return False
        return median(self.shrunk[True]) > _MORE * max(0.0, median(self.shrunk[False]))


class Disbelief:
    """What each task was given to wait for, and asked for afterwards."""

    def __init__(self) -> None:
        self._asked: dict[int, _Asked] = {}

    def hold(self, tid: int) -> float:
        """Seconds of real time for which a task is to stay in its wait before it ends; 0 for one without suspicion."""
        asked = self._asked.get(tid)
        if asked is None or not asked.hold:
            return 0.0
        asked.holds = not asked.held
        return asked.hold if asked.holds else 0.0

    def given(self, tid: int, call: str, span: float, began: float) -> bool:
        """A wait of `span` seconds that began at a moment of real time was ended; True for who does not believe it."""
        before = self._asked.get(tid)
        if before is None or before.call != call or span > before.last:
            self._asked[tid] = _Asked(call, span, began, span)
            return False
        before.again(span, began)
        return before.counts_seconds or before.goes_by_what_passes
