"""What does a large class cost beside its judging? The real finding, state, results and class page, with judges who
answer at once with a real record: of a server that conforms and of one that does not, by turns.

    python -m benchmarks.class_of_100000 [submissions] [--pages]

Seconds are of the processor (user and system), of this process: what a machine with nothing else to do would take.
`--pages` writes a page and a record file a submission, too.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from gatecrash.grading import cluster_worker
from gatecrash.grading.board import Board
from gatecrash.grading.class_run import ClassRun, Graded, GradeRequest
from gatecrash.grading.finding import find
from gatecrash.grading.judges import Begun, Came, LocalJudges, Progressed
from gatecrash.grading.results_folder import ResultsFolder
from gatecrash.grading.state import FILE_NAME, State
from gatecrash.grading.work import Course, Judged, Work, packed
from gatecrash.paths import tree_root

_SERVERS = ("c/http_fork.c", "faulty/never_reaps.c")
_T = TypeVar("_T")
_PARTS = 10  # of the judging, each timed: what grows with what is done shows in the last


class AtOnce:
    """Judges who have known it all along. Each work and what came of it are packed as for a cluster."""

    def __init__(self, known: list[Judged]) -> None:
        self._known = known
        self.sent = self.received = 0

    def results(self, works: Iterator[Work]) -> Generator[Progressed, None, None]:
        """As of `Judges`."""
        for number, work in enumerate(works):
            yield Begun(work.id)
            whole = replace(work, packed=packed(map(Path, work.sources)), sources=())
            self.sent += len(cluster_worker.sent({"run": "0" * 32, "work": whole.to_json()}))
            judged = replace(self._known[number % len(self._known)], id=work.id)
            if not work.course.page:
                judged = replace(judged, page="")
            answer = cluster_worker.sent(judged.to_json())
            self.received += len(answer)
            yield Came(Judged.from_json(cluster_worker.received(answer)))


def judged_here(folder: Path) -> list[Judged]:
    """What really comes of the servers."""
    works = [Work(Path(name).stem, (str(tree_root() / "servers" / name),), Course()) for name in _SERVERS]
    return [event.judged for event in LocalJudges(2, folder).results(iter(works)) if isinstance(event, Came)]


def _class(folder: Path, count: int) -> None:
    sources = [(tree_root() / "servers" / name).read_bytes() for name in _SERVERS]
    for number in range(count):
        mine = folder / f"student-{number:06}"
        mine.mkdir(parents=True)
        (mine / "server.c").write_bytes(sources[number % len(sources)])


def timed(what: str, act: Callable[[], _T]) -> _T:
    """Its result; its seconds are printed."""
    began, clock = time.process_time(), time.monotonic()
    result = act()
    print(
        f"{what:<44} {time.process_time() - began:9.2f} s   ({time.monotonic() - clock:.0f} s on the clock)", flush=True
    )
    return result


def _judge(run: ClassRun, judges: AtOnce, count: int) -> None:
    board, done, began, part = Board(), 0, time.process_time(), max(count // _PARTS, 1)
    board.hear(run.open(), 0.0)
    for event in run.events(judges):
        board.hear(event, time.process_time() - began)
        done += isinstance(event, Graded)
        if isinstance(event, Graded) and done % part == 0:
            board.lines(time.process_time() - began)
            each = (time.process_time() - began) / part
            print(f"  {done} judged, {each * 1000:.2f} ms each", flush=True)
            began = time.process_time()


def _size(folder: Path) -> int:
    return sum(Path(top, name).lstat().st_size for top, _, names in os.walk(folder) for name in names)


def main(count: int, *, pages: bool) -> None:
    """Grade a class of so many and say what it cost."""
    room = Path(tempfile.mkdtemp(prefix="gatecrash-class-"))
    try:
        known = judged_here(room)
        _class(room / "class", count)
        request = GradeRequest(room / "class", room / "results", Course(page=pages))
        found = timed("finding them", lambda: find(request.folder, request.output))
        results, judges = ResultsFolder(request.output), AtOnce(known)
        with State(request.output) as state:
            run = ClassRun(request, found, state, results)
            timed("judging them, by judges who answer at once", lambda: _judge(run, judges, count))
            timed("the same command again: nothing to do", lambda: run.open())
            record = timed("what is known of all", run.record)
            timed("grades.csv and index.html", lambda: results.write_class(record))
        for what, size in (
            ("sent to workers", judges.sent),
            ("sent back", judges.received),
            ("the state", (request.output / FILE_NAME).stat().st_size),
            ("grades.csv", (request.output / "grades.csv").stat().st_size),
            ("index.html", (request.output / "index.html").stat().st_size),
            ("all of results/", _size(request.output)),
        ):
            print(f"{what:<44} {size / 1e6:9.2f} MB   ({size / count:.0f} bytes each)")
        print(f"{'memory, at most':<44} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:9.0f} MiB")
    finally:
        shutil.rmtree(room)


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--pages"]
    main(int(words[0]) if words else 100_000, pages="--pages" in sys.argv)
