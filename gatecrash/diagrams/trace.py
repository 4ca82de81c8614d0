"""The calls that were gated, each at the place in the scenario where it must have been made by."""

from __future__ import annotations

from gatecrash.model import scenario as steps
from gatecrash.model.scenario import Scenario
from gatecrash.model.transcript import TracedCall, Transcript

_MOST_MISUSED = 3


class Trace:
    """A transcript has the gated calls in one list at its end; this deals them out.

    A call that was to fail, or to be cut short, is dealt at the first thing that was seen after it was planned.
    """

    def __init__(self, transcript: Transcript) -> None:
        self.steps: tuple[steps.Step, ...] = Scenario(transcript.scenario.steps).steps
        self._calls = transcript.calls
        self._held = [call for call in transcript.calls if call.outcome.kind == "held"]
        self._fates = [call for call in transcript.calls if call.outcome.kind in ("failed", "shortened")]
        self._planned: list[tuple[str, int]] = []

    def plan(self, step: steps.Fail | steps.Hold | steps.Shorten) -> None:
        """Calls are to fail, or to be cut short, from here on."""
        if isinstance(step, steps.Fail):
            self._planned.append((step.call, step.times))
        elif isinstance(step, steps.Shorten):
            self._planned.append(("send", step.times))

    def due(self) -> tuple[TracedCall, ...]:
        """The calls planned before that were made."""
        chosen: list[TracedCall] = []
        for family, times in self._planned:
            mine = [call for call in self._fates if call.family == family][:times]
            for call in mine:
                chosen.extend((call, *self._misused(call)))
                self._fates.remove(call)
        self._planned.clear()
        return tuple(chosen)

    def _misused(self, failed: TracedCall) -> tuple[TracedCall, ...]:
        """What was called with the result of an accept that had failed: -1, or a process for nobody."""
        if failed.family != "accept":
            return ()
        later = self._calls[next(n for n, call in enumerate(self._calls) if call is failed) + 1 :]
        until = next((n for n, call in enumerate(later) if call.family == "accept" and call.tid == failed.tid), None)
        return tuple(
            call
            for call in later[:until]
            if (call.family in ("recv", "send") and call.first == -1) or call.family in ("fork", "thread")
        )[:_MOST_MISUSED]

    def held(self, count: int) -> tuple[TracedCall, ...]:
        """The next `count` calls that were held."""
        taken, self._held = self._held[:count], self._held[count:]
        return tuple(taken)

    def rest(self) -> tuple[TracedCall, ...]:
        """The calls that were not dealt yet."""
        left, self._fates = tuple(self._fates), []
        return left
