"""The judges of a cluster: the workers of a Dask scheduler (distributed.dask.org).

We decide where each submission is judged: on a worker of whose sight we know, one for each of its threads at a time. So
the scheduler holds no more than what is being judged just now, and what becomes of a worker is seen by us: what was
judged there is done elsewhere, and an answer that comes from there after all is not heard. Whoever cannot judge as the
others do gets nothing, for the whole run.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from distributed import Client, Future, KilledWorker

from gatecrash import __version__
from gatecrash.grading import cluster_worker
from gatecrash.grading.cluster_address import ClusterAddress
from gatecrash.grading.cluster_connection import SECONDS_TO_ANSWER, connected, drop, first_line, gone, threads
from gatecrash.grading.judge import BESIDE_THE_RUN
from gatecrash.grading.judges import Begun, Came, JudgesGone, Progressed, Said, Tick
from gatecrash.grading.sight import ARENA, Sight, best
from gatecrash.grading.work import Judged, Work, packed
from gatecrash.language import say
from gatecrash.text import safe_text

_TICK = 0.25  # seconds after which whoever shows how far it is may show it again
_LOOK = 1.0  # seconds from one look at who is there to the next
_SECONDS_FOR_SIGHT = 150.0
_SECONDS_FOR_THE_REST = 20.0  # after the first worker has told its sight: those that come later have to be like it
_SECONDS_TO_TRAVEL = 180.0
#: So many workers may be lost while they judge one submission: then it is said that there is no score.
_MOST_LOSSES = 3
#: A worker that fails so often in a row is left alone: it would fail at once at all that is left.
_MOST_FAULTS = 3
_CLOSED = ("closing", "closed", "newly-created")


@dataclass
class _Worker:
    """One that is there. `sight` None: it was not told yet."""

    threads: int
    asked: Future[Any] | None = None
    until: float = 0.0
    sight: Sight | None = None
    idle: str = ""  # why it is given nothing
    busy: int = 0
    faults: int = 0

    @property
    def free(self) -> int:
        return 0 if self.sight is None or self.idle else self.threads - self.busy


@dataclass
class _UnderWay:
    """A work that was sent, where, and until when it has to be answered."""

    work: Work
    address: str
    until: float
    future: Future[Any] | None = None


_Heard = tuple[str, Judged | Future[Any]]  # the key, and what is there


class ClusterJudges:
    """The workers of one scheduler."""

    def __init__(
        self, address: ClusterAddress, scratch: Path, seconds: float = 60.0, *, contained: bool = True
    ) -> None:
        """`scratch`: a folder for what is done here; `seconds`: how long nobody may be there who can judge;
        `contained`: a worker that cannot keep submissions apart is not used.
        """
        self._address = address
        self._scratch = scratch
        self._seconds = seconds
        self._contained = contained

    def results(self, works: Iterator[Work]) -> Generator[Progressed, None, None]:
        """Hand the works out until there are no more, and tell. Raises JudgesGone."""
        with contextlib.ExitStack() as opened:
            client = connected(self._address, self._scratch, opened)
            run = _Run(client, self._address.text, works, self._scratch, self._seconds, self._contained)
            opened.callback(run.end)
            try:
                yield from run.events()
            except JudgesGone:
                raise
            except Exception as error:
                if client.status in _CLOSED or isinstance(error, OSError):  # TimeoutError is one
                    raise JudgesGone(gone(self._address.text, error)) from None
                raise


class _Run:
    """One class on one cluster."""

    def __init__(
        self, client: Client, name: str, works: Iterator[Work], scratch: Path, seconds: float, contained: bool
    ) -> None:
        self._client, self._name, self._works, self._scratch, self._seconds = client, name, works, scratch, seconds
        self._contained = contained
        self._id = uuid.uuid4().hex
        self._workers: dict[str, _Worker] = {}
        self._standard: Sight | None = None
        self._first_told: float | None = None
        self._under_way: dict[str, _UnderWay] = {}
        self._back: deque[Work] = deque()  # they were on a worker that was lost
        self._losses: Counter[str] = Counter()
        self._heard: queue.SimpleQueue[_Heard] = queue.SimpleQueue()
        self._here = ThreadPoolExecutor(1, thread_name_prefix="gatecrash-here")
        self._looked = self._somebody = time.monotonic()
        self._silent: set[str] = set()  # addresses that are given nothing more, whoever is there

    def events(self) -> Generator[Progressed, None, None]:
        """Until all is judged."""
        yield from self._look()
        while True:
            yield from self._hand_out()
            if not self._under_way and not self._back:
                work = next(self._works, None)
                if work is None:
                    return
                self._back.append(work)
            try:
                key, got = self._heard.get(timeout=_TICK)
            except queue.Empty:
                yield Tick()
            else:
                yield from self._hear(key, got)
            if time.monotonic() - self._looked >= _LOOK:
                yield from self._look()

    def end(self) -> None:
        """Nobody waits for what is still being judged."""
        self._here.shutdown(wait=False, cancel_futures=True)
        cluster_worker.stop(self._id)
        addresses = {one.address for one in self._under_way.values() if one.address in self._workers}
        for one in self._under_way.values():
            drop(one.future)
        self._under_way.clear()
        if addresses and self._client.status == "running":
            asked = threading.Thread(target=self._stop, args=(sorted(addresses),), daemon=True)
            asked.start()
            asked.join(5)

    def _stop(self, addresses: list[str]) -> None:
        with contextlib.suppress(Exception):
            self._client.run(cluster_worker.stop, self._id, workers=addresses, on_error="ignore")

    # -- who is there ----------------------------------------------------------------------------------------------

    def _look(self) -> Iterator[Progressed]:
        """Who came and who went, who should have answered. Raises JudgesGone where there is nobody for too long."""
        self._looked = time.monotonic()
        if self._client.status == "connecting":
            return  # Dask tries again for a while
        there = threads(self._client)
        for address in self._workers.keys() - there.keys():
            yield from self._lost(address)
        for address in there.keys() - self._workers.keys() - self._silent:
            self._ask(address, there[address])
        yield from self._overdue()
        yield from self._choose()
        if any(one.sight is not None and not one.idle for one in self._workers.values()):
            self._somebody = self._looked
        elif self._looked - self._somebody > self._seconds and not self._asking:
            raise JudgesGone(self._nobody())

    @property
    def _asking(self) -> bool:
        return any(one.sight is None and not one.idle for one in self._workers.values())

    def _nobody(self) -> str:
        why = "; ".join(f"{address}: {one.idle}" for address, one in list(self._workers.items())[:3] if one.idle)
        if why:
            return say("{address} has no worker that can judge: {why}.", address=self._name, why=why)
        return say(
            "{address} has had no worker for {seconds:g} s. Start some with `dask worker`; the same command goes on.",
            address=self._name,
            seconds=self._seconds,
        )

    def _ask(self, address: str, threads: int) -> None:
        """Ask a new one which Gatecrash it has, with nothing of ours: that would end a worker that has none."""
        self._workers[address] = _Worker(threads, until=time.monotonic() + _SECONDS_FOR_SIGHT)
        self._put(address, version, "gatecrash")

    def _put(self, address: str, question: Callable[..., bytes | str], *words: str) -> None:
        key = f"gatecrash-sight-{uuid.uuid4().hex}"
        asked = self._client.submit(question, *words, key=key, workers=[address], pure=False)
        self._workers[address].asked = asked
        asked.add_done_callback(lambda future: self._heard.put((address, future)))

    def _choose(self) -> Iterator[Progressed]:
        """By what the class is judged, once enough is known; and who is left idle for it."""
        told = [one.sight for one in self._workers.values() if one.sight is not None and not one.idle]
        if self._standard is None and told:
            self._first_told = self._first_told or time.monotonic()
            if self._asking and time.monotonic() - self._first_told < _SECONDS_FOR_THE_REST:
                return
            self._standard = best(told)
            yield from self._say_what_is_lacking(self._standard)
        if self._standard is not None:
            for address, one in self._workers.items():
                why = "" if one.sight is None or one.idle else one.sight.unlike(self._standard)
                if why:
                    yield self._left_idle(address, one, why)

    def _say_what_is_lacking(self, standard: Sight) -> Iterator[Progressed]:
        for name, reason in standard.lacks.items():
            yield Said(say("no worker has {name} ({reason}): the class is judged without", name=name, reason=reason))

    def _left_idle(self, address: str, one: _Worker, why: str) -> Said:
        one.idle = why
        return Said(say("worker {address} is not used: {why}", address=address, why=why))

    # -- giving out ------------------------------------------------------------------------------------------------

    def _hand_out(self) -> Iterator[Progressed]:
        if self._standard is None:
            return
        while (address := self._freest()) is not None:
            work = self._back.popleft() if self._back else next(self._works, None)
            if work is None:
                return
            yield from self._send(work, address)

    def _freest(self) -> str | None:
        free = {address: one.free for address, one in self._workers.items() if one.free > 0}
        return max(free, key=lambda address: free[address]) if free else None

    def _send(self, work: Work, address: str) -> Iterator[Progressed]:
        key = f"gatecrash-{uuid.uuid4().hex}"
        until = time.monotonic() + work.course.seconds + BESIDE_THE_RUN + _SECONDS_TO_TRAVEL
        try:
            whole = replace(work, packed=packed(map(Path, work.sources)), sources=())
        except (OSError, ValueError):  # too large, or it cannot be read: what comes of that is found out here
            self._under_way[key] = _UnderWay(work, "", until)
            yield Begun(work.id)
            self._here.submit(self._judge_here, key, work)
            return
        message = cluster_worker.sent({"run": self._id, "work": whole.to_json()})
        self._workers[address].busy += 1
        self._under_way[key] = _UnderWay(work, address, until)
        yield Begun(work.id)
        future = self._client.submit(cluster_worker.judge_sent, message, key=key, workers=[address], pure=False)
        self._under_way[key].future = future
        future.add_done_callback(lambda done: self._heard.put((key, done)))

    def _judge_here(self, key: str, work: Work) -> None:
        self._heard.put((key, cluster_worker.judge_here(work, self._id, self._scratch)))

    # -- hearing ---------------------------------------------------------------------------------------------------

    def _hear(self, key: str, got: Judged | Future[Any]) -> Iterator[Progressed]:
        if key in self._workers:
            yield from self._hear_sight(key, got)
            return
        one = self._under_way.pop(key, None)
        if one is None:
            return  # it was given up, and is judged elsewhere
        if isinstance(got, Judged):
            yield Came(got)
            return
        worker = self._workers.get(one.address)
        if worker is not None:
            worker.busy -= 1
        try:
            judged = Judged.from_json(cluster_worker.received(got.result(timeout=SECONDS_TO_ANSWER)))
        except Exception as error:  # noqa: BLE001 - whatever a worker raised is raised here
            yield from self._failed(one, got, error)
        else:
            yield from self._came(one, worker, judged)
        finally:
            drop(got)

    def _came(self, one: _UnderWay, worker: _Worker | None, judged: Judged) -> Iterator[Progressed]:
        yield Came(replace(judged, id=one.work.id))
        if worker is None:
            return
        worker.faults = worker.faults + 1 if judged.ours else 0
        if worker.faults >= _MOST_FAULTS:
            yield self._left_idle(one.address, worker, say("it failed {count} times in a row", count=worker.faults))

    def _failed(self, one: _UnderWay, future: Future[Any], error: Exception) -> Iterator[Progressed]:
        if self._client.status in _CLOSED:
            raise JudgesGone(gone(self._name, say("the connection was lost")))
        if future.status != "error" or isinstance(error, KilledWorker):
            yield from self._once_more(one)  # the worker, or the scheduler, is another one now
            return
        yield from self._came(
            one, self._workers.get(one.address), Judged(one.work.id, why=first_line(error), ours=True)
        )

    def _hear_sight(self, address: str, got: Judged | Future[Any]) -> Iterator[Progressed]:
        one = self._workers[address]
        if got is not one.asked or not isinstance(got, Future):
            return
        try:
            told = got.result(timeout=SECONDS_TO_ANSWER)
            if told == __version__:
                self._put(address, cluster_worker.tell_sight)
                return
            row = _told(told)
            sight = None if "fault" in row else Sight.from_json(row)
            why = safe_text(str(row["fault"])) if sight is None else self._unfit(sight)
        except PackageNotFoundError:
            sight, why = None, say("it has no Gatecrash")
        except Exception as error:  # noqa: BLE001 - its Gatecrash does not know this
            sight, why = None, first_line(error)
            if got.status != "error":
                del self._workers[address]  # the scheduler was lost with what was asked: ask anew
                return
        finally:
            drop(got)
        one.sight, one.asked = sight, None
        if why:
            yield self._left_idle(address, one, why)
        yield from self._choose()

    def _unfit(self, sight: Sight) -> str:
        """Why a worker cannot be used, whatever the others are; empty where it can."""
        if self._contained and ARENA in sight.lacks:
            return say("it refuses what keeps submissions apart ({reason})", reason=sight.lacks[ARENA])
        return sight.foreign()

    # -- losses ----------------------------------------------------------------------------------------------------

    def _lost(self, address: str) -> Iterator[Progressed]:
        """A worker is gone: what it judged is done elsewhere."""
        worker = self._workers.pop(address)
        theirs = [key for key, one in self._under_way.items() if one.address == address]
        if theirs or not worker.idle:
            yield Said(say("worker {address} was lost", address=address))
        for key in theirs:
            one = self._under_way.pop(key)
            drop(one.future)
            yield from self._once_more(one)

    def _once_more(self, one: _UnderWay) -> Iterator[Progressed]:
        self._losses[one.work.id] += 1
        if self._losses[one.work.id] < _MOST_LOSSES:
            self._back.append(one.work)
            return
        why = say("{count} workers were lost while they judged it", count=_MOST_LOSSES)
        yield Came(Judged(one.work.id, why=why, ours=True))

    def _overdue(self) -> Iterator[Progressed]:
        """Who did not answer in time is not asked any more."""
        now = time.monotonic()
        late = {one.address for one in self._under_way.values() if one.address and one.until < now}
        late |= {address for address, one in self._workers.items() if one.asked is not None and one.until < now}
        for address in late & self._workers.keys():
            self._silent.add(address)
            yield Said(say("worker {address} does not answer", address=address))
            yield from self._lost(address)


def _told(answer: bytes | str) -> dict[str, Any]:
    """What a worker tells of itself: its sight, or the version that is not ours."""
    if isinstance(answer, str):
        return {"fault": say("it has Gatecrash {theirs}, and this is {ours}", theirs=answer, ours=__version__)}
    return cluster_worker.received(answer)
