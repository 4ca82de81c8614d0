"""Whether one submission gets one score, however often and on however busy a machine it is judged.

    python -m benchmarks.same_scores [servers] [rounds] [loaded rounds]

Grades faulty servers of all kinds (20) several times (5), some of these (2) beside processes that keep every processor
busy, and prints each verdict that was not the same each time. Nothing printed but the last line is what is asked for.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.class_of_100 import judged
from gatecrash.config.scheme import Scheme
from gatecrash.engine.cpu_quota import default_workers
from gatecrash.grading.judges import LocalJudges
from gatecrash.grading.summary import summary
from gatecrash.grading.work import Course, Work

_FAULTY = Path(__file__).parent.parent / "servers" / "faulty"


def chosen(count: int) -> list[Path]:
    """So many of the faulty servers, spread over all of them."""
    every = sorted(one for one in _FAULTY.iterdir() if one.suffix in (".c", ".py"))
    return every[:: max(len(every) // count, 1)][:count]


def burn() -> None:
    while True:
        pass


@contextmanager
def busy(processes: int) -> Iterator[None]:
    started = [multiprocessing.Process(target=burn, daemon=True) for _ in range(processes)]
    for one in started:
        one.start()
    try:
        yield
    finally:
        for one in started:
            one.kill()
            one.join()


def main(words: list[str]) -> None:
    count, rounds, loaded = (int(words[at]) if len(words) > at else first for at, first in ((0, 20), (1, 5), (2, 2)))
    points: dict[str, set[str]] = defaultdict(set)
    verdicts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(rounds):
            works = (Work(one.name, (str(one),), Course()) for one in chosen(count))
            with busy(2 * (os.cpu_count() or 1) if number >= rounds - loaded else 0):
                done = judged(LocalJudges(default_workers(), Path(scratch)), works)
            for one in done:
                found = summary(one, Scheme())
                points[one.id].add(str(found.points) if found.scored else f"none: {found.why}")
                for rule, outcome in found.outcomes.items():
                    verdicts[one.id, rule][outcome] += 1
            print(f"round {number + 1} of {rounds} is done", file=sys.stderr, flush=True)
    for (id, rule), outcomes in sorted(verdicts.items()):
        if len(outcomes) > 1:
            print(f"{id} {rule}: {', '.join(f'{outcome} {times}' for outcome, times in outcomes.items())}")
    alike = sum(len(one) == 1 for one in points.values())
    print(f"{alike} of {len(points)} submissions had one score in {rounds} rounds, {loaded} of them loaded")


if __name__ == "__main__":
    main(sys.argv[1:])
