"""One run over one target: build, discover, try the rules, and the record of it, whole or as far as it got."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gatecrash.config.scheme import Scheme
from gatecrash.engine.cpu_quota import default_workers
from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.prerequisites import missing_instruments
from gatecrash.engine.profiles import profile
from gatecrash.errors import GatecrashError, TargetError
from gatecrash.language import stated
from gatecrash.model.contract import Contract
from gatecrash.model.prepared import Prepared
from gatecrash.model.verdicts import Outcome, Verdict, is_broken
from gatecrash.results.baseline import Baseline
from gatecrash.results.record import RunRecord, judgements
from gatecrash.rulebook import OVERRUN, Rule, applicable, load

if TYPE_CHECKING:
    from gatecrash.engine.worker_pool import Result, WorkItem


@dataclass(frozen=True)
class RunRequest:
    """What a run is asked to do. `target` and `contract` are absolute where they are paths; `named` as typed."""

    target: str
    rules: tuple[Rule, ...]
    named: str = ""
    profile: str = "quick"
    arena: str = "auto"
    patience: float = 5.0
    contract: str | None = None
    jobs: int | None = None
    #: Seconds for the whole run; None: as many as the profile has.
    max_time: float | None = None
    strict: bool = False
    #: Failures that are known.
    baseline: Baseline | None = None
    grading: Scheme | None = None


class Run:
    """`prepare`, then `verdicts` to its end or as far as wanted; `record` at any time says what is known."""

    def __init__(self, request: RunRequest, folder: Path) -> None:
        """`folder` is this run's own."""
        self.request = request
        self.folder = folder
        self.prepared = Prepared(Path(request.target).name, Contract(), {})
        self._verdicts: list[Verdict] = []
        self._faults: list[str] = []
        self._tried = False
        self._started = time.monotonic()

    @property
    def missing(self) -> dict[str, str]:
        """The instruments that cannot be used on this target, with the reason."""
        return missing_instruments(self.prepared.unseen) if self.prepared.arena else {}

    def prepare(self) -> Prepared:
        """Build and discover. Raises TargetError when the target does not build or come to listen, UsageError."""
        session_pool = self._session_pool()
        session_pool.resolve(self.request.target)  # one that is not there is told of before anything heavy is imported
        # The suites and Hypothesis are imported while compilers run; the workers are forked with all in place.
        with ThreadPoolExecutor(1) as aside:
            suites = aside.submit(_import_suites)
            self.prepared = session_pool.prepare(self.request.target)
            suites.result()
        return self.prepared

    def verdicts(self, *, first: Iterable[str] = ()) -> Generator[tuple[Verdict, ...], None, None]:
        """Try every rule, `first` before the others; the verdicts of each property as they come.

        Whoever stops listening, or is interrupted, ends the workers: use it with contextlib.closing.
        """
        from gatecrash.engine.worker_pool import (  # brings Hypothesis, which prepare() has imported meanwhile
            WorkerPool,
            work_items,
        )

        request = self.request
        work = work_items((rule.id for rule in request.rules), self.prepared.launches, first=first)
        jobs = min(request.jobs or default_workers(), len(work))
        tried = profile(request.profile)
        seconds = tried.run_seconds if request.max_time is None else request.max_time
        with WorkerPool(self.folder, self._session_pool, request.target, tried, jobs=jobs) as workers:
            for result in workers.results(work, until=self._started + seconds):
                self._faults += [result.fault] if result.fault is not None else []
                verdicts = self._verdicts_of(result, seconds)
                self._verdicts += verdicts
                yield verdicts
                if any(verdict.rule == OVERRUN and verdict.outcome == "fail" for verdict in verdicts):
                    break  # it forks without end: each further life of it would be ended like this one
        left = self._left_out(work)
        self._verdicts += left
        yield left
        self._tried = True

    def _left_out(self, work: list[WorkItem]) -> tuple[Verdict, ...]:
        """What is said of the rules that were not tried because the server forks without end."""
        overrun = next((v for v in self._verdicts if v.rule == OVERRUN and v.outcome == "fail"), None)
        if overrun is None:
            return ()
        known, reason = {verdict.rule for verdict in self._verdicts}, is_broken(overrun)
        missing = [load().get(rule) for rule in dict.fromkeys(item.rule for item in work) if rule not in known]
        return tuple(_hidden(rule, self.prepared.contract, reason) for rule in missing)

    def _verdicts_of(self, result: Result, seconds: float) -> tuple[Verdict, ...]:
        if result.late:
            return _not_tried(result, self.prepared.contract, seconds)
        if result.lost:
            reason = stated("nothing is known of it: {how}", how=result.lost)
            return (Verdict(result.item.rule, "inconclusive", reason, build=result.item.build),)
        return result.verdicts

    def record(self) -> RunRecord:
        """What is known now."""
        judged = judgements(self._verdicts, self.request.rules)
        lost = sorted({rule.id for rule in self.request.rules} - {j.rule.id for j in judged})
        faults = [*self._faults]
        if self._tried and lost and not faults:
            # A rule that was asked for and got no verdict is a fault of ours, and never silently a pass.
            faults.append(f"no verdict for {', '.join(lost)}")
        return RunRecord(
            target=self.prepared.name,
            prepared=self.prepared,
            missing=self.missing,
            judgements=judged,
            seconds=time.monotonic() - self._started,
            profile=self.request.profile,
            fault="\n".join(faults) or None,
            interrupted=not self._tried,
            named=self.request.named,
            strict=self.request.strict,
            baseline=self.request.baseline,
            grading=self.request.grading,
        )

    def failed(self, error: GatecrashError) -> RunRecord:
        """The record of a run without verdicts: the target did not build or start, or the fault is ours."""
        theirs = isinstance(error, TargetError)
        return RunRecord(
            target=self.prepared.name,
            prepared=Prepared(self.prepared.name, Contract(), {}, error=str(error) if theirs else None),
            missing={},
            judgements=(),
            seconds=time.monotonic() - self._started,
            profile=self.request.profile,
            fault=None if theirs else str(error),
            named=self.request.named,
            strict=self.request.strict,
            baseline=self.request.baseline,
            grading=self.request.grading,
        )

    def _session_pool(self) -> SessionPool:
        request = self.request
        return SessionPool(self.folder, arena=request.arena, patience=request.patience, contract=request.contract)


def _hidden(rule: Rule, contract: Contract, reason: str) -> Verdict:
    lacking = applicable(rule, contract)
    outcome: Outcome = "not_observable" if lacking is None else "not_applicable"
    return Verdict(rule.id, outcome, lacking or reason)


def _not_tried(result: Result, contract: Contract, seconds: float) -> tuple[Verdict, ...]:
    """The verdict of a rule that the end of the run came before; on a second build it says nothing new."""
    rule, build = load().get(result.item.rule), result.item.build
    if build != "plain" and rule.area != "memory":
        return ()
    lacking = applicable(rule, contract)
    if lacking is not None:
        return (Verdict(rule.id, "not_applicable", lacking, build=build),)
    if result.begun:
        reason = stated("not tried to its end: time: the {seconds:g} s of this run were over", seconds=seconds)
    else:
        reason = stated("not tried: time: the {seconds:g} s of this run were over", seconds=seconds)
    return (Verdict(rule.id, "inconclusive", reason, build=build, late=True),)


def _import_suites() -> None:
    from gatecrash.engine import properties as catalogue
    from gatecrash.engine import worker_pool as runner

    assert runner
    catalogue.properties()
