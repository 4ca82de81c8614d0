"""What does a cluster cost? One class by two processes of this machine (`--jobs 2`), and by two workers of a Dask
cluster on it, by turns.

    python -m benchmarks.cluster_overhead [submissions] [rounds] [RULE ...]

Two kinds of class: copies of the C fork server, by these rules (all, where none is named); and empty submissions, which
take next to nothing, so that what is between two of them can be measured. Machines are noisy, and seconds on the clock
with them: the processor's are of all that judged, and of who gave it out and carried it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from distributed import Client, LocalCluster

from gatecrash.grading.cluster import ClusterJudges
from gatecrash.grading.cluster_address import ClusterAddress
from gatecrash.grading.judges import Begun, Came, Judges, LocalJudges
from gatecrash.grading.work import Course, Work
from gatecrash.paths import tree_root

_EMPTY = 20


@dataclass(frozen=True)
class Cost:
    """Of one class from the first that is begun: seconds on the clock, of the processor for judging, and beside it."""

    clock: float
    judging: float
    beside: float


def cost(judges: Judges, works: list[Work], beside: Callable[[], float]) -> Cost:
    """Of these works. `beside`: processor seconds so far of who gives out and carries."""
    began = before = judging = clock = 0.0
    came = 0
    for event in judges.results(iter(works)):
        if isinstance(event, Begun) and not began:
            before, began = beside(), time.monotonic()
        if isinstance(event, Came):
            came += 1
            judging += event.judged.processor_seconds
            clock = time.monotonic() - began
    assert came == len(works)
    return Cost(clock, judging, beside() - before)


def _works(folder: Path, count: int, rules: tuple[str, ...] | None) -> dict[str, list[Work]]:
    (folder / "nothing").mkdir()
    server = str(tree_root() / "servers" / "c" / "http_fork.c")
    return {
        "C fork servers": [Work(f"s{number}", (server,), Course(), rules) for number in range(count)],
        "empty submissions": [Work(f"e{number}", (str(folder / "nothing"),), Course()) for number in range(_EMPTY)],
    }


def here(folder: Path, works: list[Work]) -> Cost:
    """By two processes of this machine."""
    return cost(LocalJudges(2, folder), works, time.process_time)


def there(folder: Path, works: list[Work]) -> Cost:
    """By two workers of a cluster that is started for it: its scheduler is in this process."""
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            local_directory=str(folder),
            memory_limit=None,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):

        def so_far() -> float:
            return time.process_time() + float(sum(client.run(time.process_time).values()))

        return cost(ClusterJudges(ClusterAddress(cluster.scheduler_address), folder), works, so_far)


def main(count: int, rounds: int, rules: tuple[str, ...] | None) -> None:
    """Measure by turns and print."""
    with tempfile.TemporaryDirectory(prefix="gatecrash-cluster-") as name:
        folder = Path(name)
        for what, works in _works(folder, count, rules).items():
            found: dict[str, list[Cost]] = {"--jobs 2": [], "--cluster": []}
            for _ in range(rounds):
                found["--jobs 2"].append(here(folder, works))
                found["--cluster"].append(there(folder, works))
            print(f"{len(works)} {what}, the median of {rounds}; seconds each")
            for way, costs in found.items():
                clock, judging, more = (
                    statistics.median(getattr(one, part) for one in costs) / len(works)
                    for part in ("clock", "judging", "beside")
                )
                print(
                    f"  {way:<12} {clock:7.3f} on the clock, {judging:7.3f} of the processor, {more:7.4f} beside it",
                    flush=True,
                )


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:3]]
    main(numbers[0] if numbers else 10, numbers[1] if len(numbers) > 1 else 3, tuple(sys.argv[3:]) or None)
