"""Worker processes that try properties on one target, each in an arena of its own.

The parent has imported everything when it forks them, hands out one item at a time to whoever is free, and hears
the verdicts. A worker that ends early loses one item, and another takes its place. A rule is tried when those it
builds on have their verdicts: what stands in whose way is decided by the rulebook, never by who was first. When the
time of the run is over, what is under way is broken off; where that time is ours, and not its user's, what a busy
machine took of it does not count.
"""

from __future__ import annotations

import gc
import math
import multiprocessing
import os
import signal
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import TracebackType

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from gatecrash.engine.chance import draw_from_no_source
from gatecrash.engine.events import RuleStarted
from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.prerequisites import hidden_behind
from gatecrash.engine.profiles import Profile
from gatecrash.engine.properties import properties
from gatecrash.engine.suite_run import try_property
from gatecrash.instruments import procfs
from gatecrash.instruments.patience import MOST_STRETCHED
from gatecrash.model.signals import end_named
from gatecrash.model.verdicts import Verdict
from gatecrash.rulebook import load
from gatecrash.sandbox.parent_death import die_with_parent

_FORK = multiprocessing.get_context("fork")
_SECONDS_TO_END = 5.0
#: Workers that are started in the place of others: who loses more than that loses them all.
_MOST_REPLACED = 8
_AT_A_STRETCH = 10  # properties of the catalogue that share a server
_MOST_WORDS = 6000  # characters of a fault that are shown


def _home_of_hypothesis(folder: Path) -> Path:
    """Where Hypothesis keeps what it has worked out: where its user says, else in the run's own folder.

    Its own default is a folder where the user is.
    """
    return Path(os.environ.get("HYPOTHESIS_STORAGE_DIRECTORY") or folder / "hypothesis")


def warm_up(folder: Path) -> None:
    """What Hypothesis does once a process is done before the workers are forked. `folder`: the run's own."""
    draw_from_no_source()

    @settings(max_examples=2, derandomize=True, database=None, phases=(Phase.generate,))
    @given(st.lists(st.integers()))
    def nothing(_: list[int]) -> None:
        pass

    set_hypothesis_home_dir(_home_of_hypothesis(folder))
    try:
        nothing()
    finally:
        set_hypothesis_home_dir(None)


@dataclass(frozen=True)
class WorkItem:
    """One piece of work: the property at `index` of the catalogue, on one build."""

    index: int
    build: str

    @property
    def rule(self) -> str:
        """The rule that is tried."""
        return properties()[self.index].rule


#: What a worker does at a stretch.
Batch = tuple[WorkItem, ...]


@dataclass(frozen=True)
class Result:
    """What came of an item: its verdicts, or why it has none (a fault of ours).

    `late`: it was not tried, or (`begun`) not to its end, because the time of the run was over. `lost`: how the worker
    ended that tried it; nothing is known of the rule then.
    """

    item: WorkItem
    verdicts: tuple[Verdict, ...] = ()
    fault: str | None = None
    late: bool = False
    begun: bool = False
    lost: str = ""


def work_items(rules: Iterable[str], builds: Iterable[str], *, first: Iterable[str] = ()) -> list[WorkItem]:
    """The items for these rules, build by build so that few servers are started; `first` are tried before others.

    Then the basic rules come, and of the others those that are known to be broken in more ways: when the time of a run
    is over, what was not tried is what would have shown least.
    """
    wanted, ahead = set(rules), set(first)
    chosen = [index for index, one in enumerate(properties()) if one.rule in wanted]
    chosen.sort(key=lambda index: _rank(properties()[index].rule, ahead))
    return [WorkItem(index, build) for build in builds for index in chosen]


def _batches(work: Iterable[WorkItem]) -> list[Batch]:
    """What one worker does at a stretch: an item, or where only the sanitizers have something to say, several.

    Of these only the first has a server of its own, and the others go on with it: to start one takes as long as an
    example. Which they are is a matter of the rulebook, and not of who was free.
    """
    batches: dict[tuple[str, int, bool], list[WorkItem]] = {}
    for item in work:
        shares = item.build != "plain" and load().get(item.rule).area != "memory"
        batches.setdefault((item.build, item.index // _AT_A_STRETCH if shares else item.index, shares), []).append(item)
    return [tuple(sorted(batch, key=lambda item: item.index)) for batch in batches.values()]


def _rank(rule: str, ahead: set[str]) -> tuple[bool, int, int]:
    return rule not in ahead, -_built_upon()[rule], -len(load().get(rule).faulty)


@cache
def _built_upon() -> dict[str, int]:
    """How many rules build on each rule, directly or not."""
    above: dict[str, set[str]] = {rule.id: set() for rule in load().rules}
    for rule in reversed(load().in_order()):
        for below in rule.after:
            above[below] |= {rule.id, *above[rule.id]}
    return {id: len(builders) for id, builders in above.items()}


@dataclass
class _Worker:
    process: ForkProcess
    line: Connection
    log: Path
    #: What it was given and has not answered yet: it is at the first of them.
    items: deque[WorkItem] = field(default_factory=deque)
    #: The rules of which this worker was told what is hidden behind them.
    told: set[str] = field(default_factory=set)


class WorkerPool:
    """`jobs` workers for one target. Leaving the block ends them and what they started."""

    def __init__(
        self, folder: Path, open_session_pool: Callable[[], SessionPool], target: str, profile: Profile, *, jobs: int
    ) -> None:
        """`folder` is the run's own: the workers' logs go there."""
        self._folder = folder
        self._open = open_session_pool
        self._target = target
        self._profile = profile
        self._jobs = jobs
        self._workers: list[_Worker] = []
        self._hidden: dict[str, str] = {}  # behind each rule that was tried, as its probe told
        self._started = 0
        self._untried: Counter[str] = Counter()

    def __enter__(self) -> WorkerPool:
        gc.freeze()  # what was imported lives as long as the workers: nobody needs to look through it again
        for _ in range(self._jobs):
            self._start()
        return self

    def _start(self) -> None:
        ours, theirs = _FORK.Pipe()
        log = self._folder / f"worker-{self._started}.log"
        others = [ours, *(worker.line for worker in self._workers if not worker.line.closed)]
        process = _FORK.Process(target=self._work, args=(theirs, others, log, os.getpid()), daemon=True)
        process.start()
        theirs.close()
        self._started += 1
        self._workers.append(_Worker(process, ours, log))

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.line.close()  # one that waits for an item sees the end and leaves
            if worker.items or kind is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_SECONDS_TO_END)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()

    # -- the parent's side --------------------------------------------------------------------------------------

    def results(
        self, work: Iterable[WorkItem], *, until: float = math.inf, stretched: bool = False
    ) -> Generator[RuleStarted | Result, None, None]:
        """Hand the work out, say so, and give each result as it comes, until all is done or nobody is left to do it.

        `until`: when it has to be over (time.monotonic). `stretched`: later by as much as the workers wanted a
        processor and had none, until four times as much has passed.
        """
        began, waiting = time.monotonic(), _batches(work)
        self._untried = Counter(item.rule for batch in waiting for item in batch if item.build == "plain")
        yield from self._hand_out(waiting)
        while busy := {worker.line: worker for worker in self._workers if worker.items}:
            left = until - time.monotonic()
            if left <= 0 and stretched:
                left += min(self._kept_waiting(), (MOST_STRETCHED - 1) * (until - began))
            if left <= 0:
                yield from self._give_up(waiting)
                return
            heard = wait(list(busy), None if left == math.inf else left)
            for line in heard:
                worker = busy[line]  # type: ignore[index]
                result = self._hear(worker)
                self._learn(result)
                if result.lost and worker.items:
                    waiting.insert(0, tuple(worker.items))
                    worker.items.clear()
                if result.lost and self._started < self._jobs + _MOST_REPLACED:
                    self._start()
                started = [RuleStarted(item.rule, item.build) for item in list(worker.items)[:1]]
                started += self._hand_out(waiting)  # first of all, so that nobody is idle while the result is heard
                yield result
                yield from started
        for item in chain.from_iterable(waiting):
            yield Result(item, fault="there was no worker left to try it")

    def _kept_waiting(self) -> float:
        """Seconds that a worker, on average, wanted a processor and had none; those of targets are not known here."""
        delays = [procfs.seconds_delayed(worker.process.pid or 0) for worker in self._workers]
        return sum(delays) / len(delays) if delays else 0.0

    def _give_up(self, waiting: list[Batch]) -> Iterator[Result]:
        """The time is over: whoever is still at work is ended with what it had started."""
        for worker in self._workers:
            if worker.items:
                worker.process.terminate()
            for number, item in enumerate(worker.items):
                yield Result(item, late=True, begun=number == 0)
        for item in chain.from_iterable(waiting):
            yield Result(item, late=True)

    def _learn(self, result: Result) -> None:
        if result.item.build == "plain":
            self._untried[result.item.rule] -= 1
            self._hidden |= hidden_behind(result.verdicts)

    def _hand_out(self, waiting: list[Batch]) -> list[RuleStarted]:
        """A batch to each free worker, as long as there is one whose rules can be tried now."""
        started: list[RuleStarted] = []
        for worker in self._workers:
            if not worker.items and not worker.line.closed:
                batch = next((one for one in waiting if all(self._may_be_tried(item.rule) for item in one)), None)
                if batch is None:
                    break
                waiting.remove(batch)
                self._send(worker, batch)
                started.append(RuleStarted(batch[0].rule, batch[0].build))
        return started

    def _may_be_tried(self, rule: str) -> bool:
        """Whether all that it builds on has been tried; rules that this run leaves out are probed by the workers."""
        return not any(self._untried[below] > 0 for below in load().get(rule).after)

    def _send(self, worker: _Worker, batch: Batch) -> None:
        worker.items.extend(batch)
        news = {rule: reason for rule, reason in self._hidden.items() if rule not in worker.told}
        worker.told |= set(news)
        with suppress(BrokenPipeError):  # it has ended: its end is heard next
            worker.line.send((batch, news))

    def _hear(self, worker: _Worker) -> Result:
        item = worker.items.popleft()
        try:
            result = worker.line.recv()
            assert isinstance(result, Result)
        except (EOFError, OSError):
            worker.process.join(_SECONDS_TO_END)
            worker.line.close()
            code = worker.process.exitcode or 0
            how = f"a worker ended ({end_named(code)}) while it tried {item.rule}"
            return Result(item, lost="; ".join((how, *last_line(worker.log))))
        return result

    # -- a worker's side ----------------------------------------------------------------------------------------

    def _work(self, line: Connection, others: list[Connection], log: Path, parent: int) -> None:
        die_with_parent(parent)
        for other in others:
            other.close()
        _print_to(log)
        set_hypothesis_home_dir(_home_of_hypothesis(self._folder))
        try:
            with self._open() as session_pool:
                try:
                    self._serve(line, session_pool)
                finally:
                    # The parent may ask for the end a second time while we clean up.
                    signal.signal(signal.SIGINT, signal.SIG_IGN)
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
        except (KeyboardInterrupt, BrokenPipeError):
            return

    def _serve(self, line: Connection, session_pool: SessionPool) -> None:
        while True:
            try:
                batch, hidden = line.recv()
            except (EOFError, OSError):
                return
            for number, item in enumerate(batch):
                line.send(self._try(session_pool, item, hidden, own_server=number == 0))

    def _try(self, session_pool: SessionPool, item: WorkItem, hidden: dict[str, str], *, own_server: bool) -> Result:
        try:
            opened = session_pool.open(self._target, item.build)
            if opened is None:
                return Result(item)
            opened.prerequisites.learn(hidden)
            tried, build = properties()[item.index], item.build
            return Result(item, try_property(tried, opened, build, self._profile, own_server=own_server))
        except Exception:  # noqa: BLE001 - whatever fails in one item is told, and the others go on
            return Result(item, fault=traceback.format_exc()[-_MOST_WORDS:])


def last_line(log: Path) -> list[str]:
    """The last line that a worker printed, if it printed one: that of a traceback says what went wrong."""
    said = log.read_text(errors="replace")[-_MOST_WORDS:] if log.exists() else ""
    return [line for line in said.splitlines() if line.strip()][-1:]


def _print_to(log: Path) -> None:
    """What a worker prints is for its log: the terminal is the parent's."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)
