"""What runs on a worker of a cluster. It takes bytes and gives bytes (compressed JSON): nothing but the names of these
functions has to be alike on both sides before a worker has said which Gatecrash it has.

A judge (`judge.py`) for each thread is kept from one submission to the next. Dask's own process does nothing but wait.
"""

from __future__ import annotations

import contextlib
import json
import select
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from distributed import get_worker

from gatecrash.errors import EngineFault, GatecrashError
from gatecrash.grading import sight
from gatecrash.grading.judge import BESIDE_THE_RUN, Judge
from gatecrash.grading.work import Judged, Work
from gatecrash.language import say

#: Seconds beyond those a judge gives itself: then it is the judge that hangs.
_MORE = 60.0


def sent(row: dict[str, Any]) -> bytes:
    """A message as it travels."""
    return zlib.compress(json.dumps(row).encode())


def received(message: bytes) -> dict[str, Any]:
    """What `sent` made a message of. Raises ValueError, zlib.error for what it did not."""
    row: dict[str, Any] = json.loads(zlib.decompress(message))
    return row


def tell_sight() -> bytes:
    """What this machine judges with (`sight.py`); `fault` instead where that cannot be told."""
    try:
        return sent(sight.asked())
    except GatecrashError as error:
        return sent({"fault": str(error)})


def judge_sent(message: bytes) -> bytes:
    """What came of the work in a message, which says for which run it is."""
    row = received(message)
    folder = Path(get_worker().local_directory, "gatecrash")  # it goes when the worker does
    return sent(judge_here(Work.from_json(row["work"]), row["run"], folder).to_json())


def judge_here(work: Work, run: str, folder: Path) -> Judged:
    """What came of a work, judged on this machine below `folder`, for this run."""
    return _HOUSE.judged(work, run, folder)


def stop(run: str) -> None:
    """End what is being judged for this run: nobody waits for it any more."""
    _HOUSE.stop(run)


class _House:
    """The judges of this process."""

    def __init__(self) -> None:
        # A judge ends with the thread that started it (PR_SET_PDEATHSIG, prctl(2)), and those of Dask may go.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="gatecrash")
        self._lock = threading.Lock()
        self._free: list[Judge] = []
        self._busy: dict[Judge, str] = {}

    def judged(self, work: Work, run: str, folder: Path) -> Judged:
        """What a judge says of it."""
        judge = None
        try:
            judge = self._taken(run, folder)
            judge.send(work)
            most = work.course.seconds + BESIDE_THE_RUN + _MORE
            ready, _, _ = select.select([judge], [], [], most)
            if not ready:
                raise EngineFault(say("it took more than {seconds:g} s in all", seconds=most))
            judged = judge.receive()
        except (EngineFault, OSError) as fault:
            if judge is not None:
                self._given_back(judge, whole=False)
            return Judged(work.id, why=str(fault), ours=True)
        self._given_back(judge, whole=True)
        return judged

    def stop(self, run: str) -> None:
        """Whoever judges for this run ends."""
        with self._lock:
            for judge, its in self._busy.items():
                if its == run:
                    judge.stop()

    def _taken(self, run: str, folder: Path) -> Judge:
        with self._lock:
            judge = self._free.pop() if self._free else None
        if judge is None:
            folder.mkdir(exist_ok=True)
            judge = self._starter.submit(Judge, folder).result()
        with self._lock:
            self._busy[judge] = run
        return judge

    def _given_back(self, judge: Judge, *, whole: bool) -> None:
        with self._lock:
            del self._busy[judge]
            if whole:
                self._free.append(judge)
        if not whole:
            with contextlib.suppress(OSError):
                judge.close()


_HOUSE = _House()
