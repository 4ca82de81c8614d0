"""One run over one target: build, discover, try the rules; what happens is told as it happens."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from gatecrash.engine.cpu_quota import default_workers
from gatecrash.engine.events import (
    EngineFailed,
    Events,
    Finished,
    Interrupted,
    RuleJudged,
    RuleStarted,
    TargetPrepared,
    WorkerLost,
)
from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.prerequisites import missing_instruments
from gatecrash.engine.profiles import profile
from gatecrash.engine.recorder import Recorder
from gatecrash.engine.run_request import RunRequest
from gatecrash.errors import GatecrashError
from gatecrash.language import stated
from gatecrash.model.contract import Contract
from gatecrash.model.prepared import Prepared
from gatecrash.model.verdicts import Outcome, Verdict, is_broken
from gatecrash.results.record import RunRecord, ended_by_clients
from gatecrash.rulebook import Rule, applicable, load

if TYPE_CHECKING:
    from gatecrash.engine.worker_pool import Result, WorkItem


class Run:
    """`events` is the run, from the first to the last; `record` says at any time what is known."""

    def __init__(self, request: RunRequest, folder: Path) -> None:
        """`folder` is this run's own."""
        self.request = request
        self.folder = folder
        self.recorder = Recorder(request)

    def events(self, *, first: Iterable[str] = ()) -> Events:
        """Build and discover the target, then try every rule, `first` before the others.

        Raises TargetError when the target does not build or come to listen, UsageError: both before the first event.
        Whoever stops listening ends the workers: see `gatecrash.engine.events.listen`.
        """
        prepared = self.prepare()
        self.recorder.hear(prepared)
        interrupted = False
        try:
            yield prepared
            with closing(self._tried(prepared.prepared, first)) as tried:
                for event in tried:
                    self.recorder.hear(event)
                    yield event
        except KeyboardInterrupt:
            interrupted = True
            yield Interrupted()
        yield Finished(self.record(interrupted=interrupted))

    def prepare(self) -> TargetPrepared:
        """Build and discover. Raises TargetError when the target does not build or come to listen, UsageError."""
        session_pool = self._session_pool()
        session_pool.resolve(self.request.target)  # one that is not there is told of before anything heavy is imported
        # The suites and Hypothesis are imported while compilers run; the workers are forked with all in place.
        with ThreadPoolExecutor(1) as aside:
            suites = aside.submit(_import_suites, self.folder)
            prepared = session_pool.prepare(self.request.target)
            suites.result()
        return TargetPrepared(prepared, missing_instruments(prepared.unseen) if prepared.arena else {})

    def record(self, *, interrupted: bool = True) -> RunRecord:
        """What is known now. `interrupted`: there are rules still to be tried."""
        return self.recorder.record(interrupted=interrupted)

    def failed(self, error: GatecrashError) -> RunRecord:
        """The record of a run without verdicts: the target did not build or start, or the fault is ours."""
        return self.recorder.failed(error)

    def _tried(self, prepared: Prepared, first: Iterable[str]) -> Events:
        from gatecrash.engine.worker_pool import work_items  # brings Hypothesis, which prepare() has imported meanwhile

        work = work_items((rule.id for rule in self.request.rules), prepared.launches, first=first)
        said: set[str] = set()
        overrun: Verdict | None = None
        with closing(self._results(work)) as results:
            for result in results:
                if isinstance(result, RuleStarted):
                    yield result
                    continue
                yield from _troubles(result)
                verdicts = _verdicts_of(result, prepared.contract, self._seconds)
                yield RuleJudged(result.item.rule, result.item.build, verdicts)
                said |= {verdict.rule for verdict in verdicts}
                overrun = next((one for one in verdicts if ended_by_clients(one)), None)
                if overrun is not None:
                    break  # each further life of it would be ended like this one
                if self.request.fail_fast and any(verdict.outcome == "fail" for verdict in verdicts):
                    return
        if overrun is not None:
            yield from _left_out(work, said, prepared.contract, is_broken(overrun))
        if forgotten := self.recorder.forgotten():
            # A rule that was asked for and got no verdict is a fault of ours, and never silently a pass.
            yield EngineFailed(f"no verdict for {', '.join(forgotten)}")

    def _results(self, work: list[WorkItem]) -> Generator[RuleStarted | Result, None, None]:
        from gatecrash.engine.worker_pool import WorkerPool

        request = self.request
        jobs = min(request.jobs or default_workers(), len(work))
        tried, until = profile(request.profile), self.recorder.started + self._seconds
        with WorkerPool(self.folder, self._session_pool, request.target, tried, jobs=jobs) as workers:
            # What its user says is said of the clock.
            yield from workers.results(work, until=until, stretched=request.max_time is None)

    @property
    def _seconds(self) -> float:
        """What the whole run may take."""
        asked = self.request.max_time
        return profile(self.request.profile).run_seconds if asked is None else asked

    def _session_pool(self) -> SessionPool:
        request = self.request
        return SessionPool(
            self.folder,
            arena=request.arena,
            patience=request.patience,
            contract=request.contract,
            confinement=request.confinement,
        )


def _troubles(result: Result) -> Iterator[WorkerLost | EngineFailed]:
    if result.lost:
        yield WorkerLost(result.item.rule, result.item.build, result.lost)
    if result.fault is not None:
        yield EngineFailed(result.fault)


def _verdicts_of(result: Result, contract: Contract, seconds: float) -> tuple[Verdict, ...]:
    if result.late:
        return _not_tried(result, contract, seconds)
    return lost(result.item.rule, result.item.build, result.lost) if result.lost else result.verdicts


def lost(rule: str, build: str, how: str) -> tuple[Verdict, ...]:
    """The verdict of a rule whose worker ended, `how` in a sentence; a second build had nothing new to say of it."""
    if build != "plain" and load().get(rule).area != "memory":
        return ()
    return (Verdict(rule, "inconclusive", stated("nothing is known of it: {how}", how=how), build=build),)


def _left_out(work: list[WorkItem], said: set[str], contract: Contract, reason: str) -> Iterator[RuleJudged]:
    """What is said of the rules that are not tried because the server is ended in the middle of whatever it does."""
    for id in dict.fromkeys(item.rule for item in work):
        if id not in said:
            yield RuleJudged(id, "plain", (_hidden(load().get(id), contract, reason),))


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


def _import_suites(folder: Path) -> None:
    from gatecrash.engine import properties as catalogue
    from gatecrash.engine import worker_pool as runner
    from gatecrash.oracles import import_all

    catalogue.properties()
    import_all()
    runner.warm_up(folder)
