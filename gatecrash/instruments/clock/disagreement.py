"""Finds a task that does not believe its clock: it asks again for what it was just given.

Who works out how long to wait from a clock that was put ahead asks for nothing more once it has waited: no time is
left. Who works it out from another one (the counter of the processor, rdtsc) asks for the same again, less what has
really passed since. A task that waits for a tick asks for no less each time, and is no such task.
"""

from __future__ import annotations

from dataclasses import dataclass

_TIMES = 8  # that the span has to shrink; it may stay the same in between, where milliseconds are counted
_ALIKE = 0.1  # what it has shrunk by, and what has really passed


@dataclass
class _Asked:
    call: str
    first: float
    began: float
    last: float
    times: int = 0


class Disbelief:
    """What each task was given to wait for, and asked for afterwards."""

    def __init__(self) -> None:
        self._asked: dict[int, _Asked] = {}

    def given(self, tid: int, call: str, span: float, began: float) -> bool:
        """A wait of `span` seconds that began at a moment of real time was ended; True for who does not believe it."""
        before = self._asked.get(tid)
        if before is None or before.call != call or span > before.last:
            self._asked[tid] = _Asked(call, span, began, span)
            return False
        before.times += span < before.last
        before.last = span
        passed = began - before.began
        return before.times >= _TIMES and abs(before.first - span - passed) <= _ALIKE * passed
