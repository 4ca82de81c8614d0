"""Does Gatecrash cry wolf? Runs `quick` over the correct servers again and again, half of the time on loaded cores.

    python -m benchmarks.false_alarms [runs]

Prints every verdict that is neither a pass nor "does not apply", and the counts. Exits 1 after a failing verdict.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import Process
from pathlib import Path

from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.profiles import profile
from gatecrash.engine.references import reference_servers
from gatecrash.engine.suite_run import try_all
from gatecrash.model.verdicts import Verdict, merge

_LONGEST_LOAD = 3600.0


def one_run(path: Path) -> list[Verdict]:
    """Every verdict of one run over one server, plain and sanitized."""
    found: list[Verdict] = []
    with tempfile.TemporaryDirectory(prefix="gatecrash-") as folder, SessionPool(Path(folder)) as session_pool:
        for build in ("plain", "sanitized"):
            opened = session_pool.open(str(path), build)
            if opened is not None:
                found += try_all(opened, build, lambda rule: profile("quick"))
    return list(merge(found).values())


def _burn(parent: int, until: float) -> None:
    while os.getppid() == parent and time.monotonic() < until:
        sum(range(10000))


@contextmanager
def loaded_cores() -> Iterator[None]:
    """Every core busy with one process of ours, bounded in time."""
    until = time.monotonic() + _LONGEST_LOAD
    burners = [Process(target=_burn, args=(os.getpid(), until)) for _ in os.sched_getaffinity(0)]
    for burner in burners:
        burner.start()
    try:
        yield
    finally:
        for burner in burners:
            burner.terminate()
            burner.join()


def _series(runs: int, label: str) -> Counter[str]:
    paths = reference_servers()
    counts: Counter[str] = Counter()
    with ProcessPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        chosen = [paths[number % len(paths)] for number in range(runs)]
        for path, verdicts in zip(chosen, pool.map(one_run, chosen), strict=True):
            name = f"{path.parent.name}/{path.name}"
            counts.update(v.outcome for v in verdicts)
            for verdict in verdicts:
                if verdict.outcome in ("fail", "inconclusive", "not_observable"):
                    said = verdict.finding.got if verdict.finding is not None else verdict.reason
                    print(
                        f"{label} {name} {verdict.rule} {verdict.outcome} {verdict.confirmed or ''}: {said}", flush=True
                    )
    print(f"{label}: {runs} runs, {dict(counts)}", flush=True)
    return counts


def main(runs: int) -> int:
    """Half of the runs idle, half loaded."""
    idle = _series(runs - runs // 2, "idle")
    with loaded_cores():
        loaded = _series(runs // 2, "loaded")
    return 1 if idle["fail"] + loaded["fail"] else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
