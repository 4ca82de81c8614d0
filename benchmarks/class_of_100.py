"""What it takes to grade a class, and what it costs to contain it.

    python -m benchmarks.class_of_100 [submissions] [jobs] [cluster]

The class: C fork servers of the usual quality, the reference and those of servers/faulty in turn. Prints seconds a
submission, on the clock and of the processor; then, for five of them by turns, contained against not contained; with
`cluster`, as many local workers of a cluster as jobs against the jobs. To reach, idle, on two cores, with 100 and 2:
under 5 s a submission; containment under 10 %; the cluster within 10 %.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from gatecrash.grading.cluster_address import ClusterAddress
from gatecrash.grading.judges import Came, Judges, LocalJudges
from gatecrash.grading.work import Course, Judged, Work

_SERVERS = Path(__file__).parent.parent / "servers"
_BY_TURNS = 5


def servers() -> list[Path]:
    """The reference, and the faulty servers in C that fork a child for each client."""
    faulty = [one for one in sorted((_SERVERS / "faulty").glob("*.c")) if "fork()" in one.read_text()]
    return [_SERVERS / "c" / "http_fork.c", *faulty]


def works(count: int, *, contained: bool = True) -> Iterator[Work]:
    chosen = servers()
    for number in range(count):
        yield Work(f"s{number:03}", (str(chosen[number % len(chosen)]),), Course(contained=contained))


def judged(judges: Judges, given: Iterator[Work]) -> list[Judged]:
    with closing(judges.results(given)) as results:
        return [event.judged for event in results if isinstance(event, Came)]


def timed(name: str, judges: Judges, given: Iterator[Work]) -> float:
    """Seconds a submission, printed."""
    began = time.monotonic()
    done = judged(judges, given)
    seconds = (time.monotonic() - began) / len(done)
    used = statistics.mean(one.processor_seconds for one in done)
    most = max(one.memory_kib for one in done) >> 10
    lost = [f"{one.id}: {one.why}" for one in done if one.record is None]
    print(f"{name:24} {seconds:6.2f} s each, {used:6.2f} s of processor time, {most} MiB at most", *lost, flush=True)
    return seconds


def contained_against_not(scratch: Path) -> None:
    ratios = []
    for work, open_work in zip(works(_BY_TURNS), works(_BY_TURNS, contained=False), strict=True):
        pair = [judged(LocalJudges(1, scratch), iter([one]))[0] for one in (work, open_work)]
        ratios.append(pair[0].processor_seconds / pair[1].processor_seconds)
    print(f"contained / not contained: {statistics.median(ratios):.2f} of processor time ({_BY_TURNS} by turns)")


def main(words: list[str]) -> None:
    count, jobs = (int(words[at]) if len(words) > at else first for at, first in ((0, 100), (1, 2)))
    with tempfile.TemporaryDirectory() as folder:
        here = timed(f"--jobs {jobs}", LocalJudges(jobs, Path(folder)), works(count))
        contained_against_not(Path(folder))
        if "cluster" in words[2:]:
            from gatecrash.grading.cluster import ClusterJudges

            cluster = ClusterJudges(ClusterAddress(f"local:{jobs}", jobs), Path(folder))
            there = timed(f"--cluster local:{jobs}", cluster, works(count))
            print(f"cluster / jobs: {there / here:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
