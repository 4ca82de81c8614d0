"""A class goes on wherever it was killed: what was finished stays, and nothing is counted twice."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Generator, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from gatecrash.config.scheme import Scheme
from gatecrash.grading.class_run import ClassRun, Graded, GradeRequest
from gatecrash.grading.finding import find
from gatecrash.grading.judges import Begun, Came, Progressed
from gatecrash.grading.results_folder import ResultsFolder
from gatecrash.grading.state import State
from gatecrash.grading.work import Course, Judged, Work
from tests.grade_doubles import Doubles, graded, record, submissions

_CLASS = 120
_KILLS = 50
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.test_grade_killed"])


class _Telling(Doubles):
    """Says over a pipe what it was asked for."""

    def __init__(self, line: Connection) -> None:
        super().__init__()
        self._line = line

    def results(self, works: Iterator[Work]) -> Generator[Progressed, None, None]:
        for work in works:
            self._line.send(("asked", work.id))
            yield Begun(work.id)
            yield Came(Judged(work.id, record("FORK-02"), page="<p>page</p>"))


def _grade(folder: Path, line: Connection) -> None:
    request = GradeRequest(folder, folder.parent / "results", Course(), Scheme())
    results = ResultsFolder(request.output)
    with State(request.output) as state:
        judged = ClassRun(request, find(folder, request.output), state, results)
        judged.open()
        line.send(("open", ""))
        for event in judged.events(_Telling(line)):
            if isinstance(event, Graded):
                line.send(("finished", event.student.submission.id))
        results.write_class(judged.record())


def _killed(folder: Path, sentences: int, seconds: float) -> list[tuple[str, str]]:
    """What a command said that was killed so many seconds after it had opened the class and said so many sentences."""
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_grade, args=(folder, theirs))
    process.start()
    theirs.close()
    said = [ours.recv() for _ in range(1 + sentences)]
    time.sleep(seconds)  # this is the moment that is chosen, and nothing waits for anything
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    try:
        while True:
            said.append(ours.recv())
    except EOFError:
        return said


@pytest.mark.slow
def test_it_is_killed_at_fifty_moments(tmp_path: Path) -> None:
    folder = submissions(tmp_path / "class", *(f"s{number:03}" for number in range(_CLASS)))
    chosen = random.Random(13)
    asked: list[str] = []
    finished: set[str] = set()
    for _ in range(_KILLS):
        for what, id in _killed(folder, chosen.randrange(5), chosen.uniform(0, 0.03)):
            if what == "asked":
                assert id not in finished
                asked.append(id)
            elif what == "finished":
                finished.add(id)
    last = Doubles()
    found = graded(folder, last)
    assert not finished & {work.id for work in last.asked}
    assert len(set(asked)) <= len(finished) + _KILLS  # one at most was under way each time
    assert [one.submission.id for one in found.scored] == [f"s{number:03}" for number in range(_CLASS)]
    assert len(list((tmp_path / "results" / "pages").glob("*.html"))) == _CLASS
