"""From the events of a run to its record, at any time; who tried the rules makes no difference to it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from gatecrash.engine.events import EngineFailed, RuleJudged, RunEvent, TargetPrepared
from gatecrash.engine.run_request import RunRequest
from gatecrash.errors import GatecrashError, TargetError
from gatecrash.model.contract import Contract
from gatecrash.model.prepared import Prepared
from gatecrash.model.verdicts import Verdict
from gatecrash.results.record import RunRecord, judgements
from gatecrash.rulebook import load


class Recorder:
    """Hears the events of one run; `record` says what is known now."""

    def __init__(self, request: RunRequest) -> None:
        self.request = request
        self._target = TargetPrepared(Prepared(Path(request.target).name, Contract(), {}), {})
        self._judged: list[RuleJudged] = []
        self._faults: dict[str, None] = {}
        self.started = time.monotonic()

    def hear(self, event: RunEvent) -> None:
        """Take one event in."""
        match event:
            case TargetPrepared():
                self._target = event
            case RuleJudged():
                self._judged.append(event)
            case EngineFailed():
                self._faults[event.fault] = None

    def forgotten(self) -> list[str]:
        """The rules that were asked for and that nothing was said of, without a fault that would explain it."""
        if self._faults:
            return []
        judged = {one.rule.id for one in judgements(self._verdicts(), self.request.rules)}
        return sorted({rule.id for rule in self.request.rules} - judged)

    def _verdicts(self) -> list[Verdict]:
        """All that was said, in the rulebook's order: of two alike the first counts, and not who was ready first."""
        place = {rule.id: number for number, rule in enumerate(load().rules)}
        ordered = sorted(self._judged, key=lambda one: (place[one.rule], one.build))
        return [verdict for one in ordered for verdict in one.verdicts]

    def record(self, *, interrupted: bool) -> RunRecord:
        """What is known now; `interrupted`: rules are still to be tried, or were when the run was ended."""
        judged = judgements(self._verdicts(), self.request.rules)
        fault = "\n".join(self._faults) or None
        return replace(self._empty(self._target), judgements=judged, fault=fault, interrupted=interrupted)

    def failed(self, error: GatecrashError) -> RunRecord:
        """The record of a run without verdicts: the target did not build or start, or the fault is ours."""
        theirs = isinstance(error, TargetError)
        name = self._target.prepared.name
        prepared = Prepared(name, Contract(), {}, error=str(error) if theirs else None)
        return replace(self._empty(TargetPrepared(prepared, {})), fault=None if theirs else str(error))

    def _empty(self, target: TargetPrepared) -> RunRecord:
        request = self.request
        return RunRecord(
            target=target.prepared.name,
            prepared=target.prepared,
            missing=target.missing,
            judgements=(),
            seconds=time.monotonic() - self.started,
            profile=request.profile,
            named=request.named,
            strict=request.strict,
            baseline=request.baseline,
            grading=request.grading,
        )
