"""Worker processes that try properties on one target, each in an arena of its own.

The parent has imported everything when it forks them, hands out one order at a time to whoever is free, and hears
the verdicts. A worker that ends early loses one order; the others go on.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import TracebackType

from gatecrash.catalogue import holding, properties, try_property
from gatecrash.orphans import die_with_parent
from gatecrash.profiles import Profile
from gatecrash.verdicts import Verdict
from gatecrash.workshop import Workshop

_FORK = multiprocessing.get_context("fork")
_SECONDS_TO_END = 5.0
_MOST_WORDS = 6000  # characters of a fault that are shown


@dataclass(frozen=True)
class Order:
    """One piece of work: the property at `index` of the catalogue, on one build."""

    index: int
    build: str

    @property
    def rule(self) -> str:
        """The rule that is tried."""
        return properties()[self.index].rule


@dataclass(frozen=True)
class Result:
    """What came of an order: its verdicts, or why it has none (a fault of ours)."""

    order: Order
    verdicts: tuple[Verdict, ...] = ()
    fault: str | None = None


def orders(rules: Iterable[str], builds: Iterable[str], *, first: Iterable[str] = ()) -> list[Order]:
    """The orders for these rules, build by build so that few servers are started; `first` are tried before others."""
    wanted, ahead = set(rules), set(first)
    chosen = [index for index, one in enumerate(properties()) if one.rule in wanted]
    chosen.sort(key=lambda index: properties()[index].rule not in ahead)
    return [Order(index, build) for build in builds for index in chosen]


@dataclass
class _Worker:
    process: ForkProcess
    line: Connection
    log: Path
    order: Order | None = None
    #: Rules that hold, as far as this worker was told.
    told: set[str] = field(default_factory=set)


class Crew:
    """`jobs` workers for one target. Leaving the block ends them and what they started."""

    def __init__(
        self, folder: Path, open_workshop: Callable[[], Workshop], target: str, tried: Profile, *, jobs: int
    ) -> None:
        """`folder` is the run's own: the workers' logs go there."""
        self._folder = folder
        self._open = open_workshop
        self._target = target
        self._tried = tried
        self._jobs = jobs
        self._workers: list[_Worker] = []
        self._held: set[str] = set()

    def __enter__(self) -> Crew:
        gc.freeze()  # what was imported lives as long as the workers: nobody needs to look through it again
        for number in range(self._jobs):
            ours, theirs = _FORK.Pipe()
            log = self._folder / f"worker-{number}.log"
            others = [ours, *(worker.line for worker in self._workers)]
            process = _FORK.Process(target=self._work, args=(theirs, others, log, os.getpid()), daemon=True)
            process.start()
            theirs.close()
            self._workers.append(_Worker(process, ours, log))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.line.close()  # one that waits for an order sees the end and leaves
            if worker.order is not None or kind is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_SECONDS_TO_END)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()

    # -- the parent's side --------------------------------------------------------------------------------------

    def results(self, work: Iterable[Order]) -> Iterator[Result]:
        """Hand the work out and give each result as it comes, until all is done or nobody is left to do it."""
        waiting = deque(work)
        for worker in self._workers:
            self._hand_out(worker, waiting)
        while busy := {worker.line: worker for worker in self._workers if worker.order is not None}:
            for line in wait(list(busy)):
                worker = busy[line]  # type: ignore[index]
                result = self._hear(worker)
                self._held |= holding(result.verdicts)
                self._hand_out(worker, waiting)
                yield result
        for order in waiting:
            yield Result(order, fault="there was no worker left to try it")

    def _hand_out(self, worker: _Worker, waiting: deque[Order]) -> None:
        worker.order = None
        if not waiting or worker.line.closed:
            return
        worker.order = waiting.popleft()
        news = self._held - worker.told
        worker.told |= news
        with suppress(BrokenPipeError):  # it has ended: its end is heard next
            worker.line.send((worker.order, news))

    def _hear(self, worker: _Worker) -> Result:
        assert worker.order is not None
        try:
            result = worker.line.recv()
            assert isinstance(result, Result)
        except (EOFError, OSError):
            worker.process.join(_SECONDS_TO_END)
            worker.line.close()
            said = worker.log.read_text(errors="replace")[-_MOST_WORDS:] if worker.log.exists() else ""
            how = f"a worker ended (status {worker.process.exitcode}) while it tried {worker.order.rule}"
            return Result(worker.order, fault=f"{how}\n{said}".rstrip())
        return result

    # -- a worker's side ----------------------------------------------------------------------------------------

    def _work(self, line: Connection, others: list[Connection], log: Path, parent: int) -> None:
        die_with_parent(parent)
        for other in others:
            other.close()
        _print_to(log)
        try:
            with self._open() as workshop:
                try:
                    self._serve(line, workshop)
                finally:
                    # The parent may ask for the end a second time while we clean up.
                    signal.signal(signal.SIGINT, signal.SIG_IGN)
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
        except (KeyboardInterrupt, BrokenPipeError):
            return

    def _serve(self, line: Connection, workshop: Workshop) -> None:
        while True:
            try:
                order, held = line.recv()
            except (EOFError, OSError):
                return
            line.send(self._try(workshop, order, held))

    def _try(self, workshop: Workshop, order: Order, held: set[str]) -> Result:
        try:
            bench = workshop.bench(self._target, order.build)
            if bench is None:
                return Result(order)
            bench.prerequisites.hold(held)
            return Result(order, try_property(properties()[order.index], bench, order.build, self._tried))
        except Exception:  # noqa: BLE001 - whatever fails in one order is told, and the others go on
            return Result(order, fault=traceback.format_exc()[-_MOST_WORDS:])


def _print_to(log: Path) -> None:
    """What a worker prints is for its log: the terminal is the parent's."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)
