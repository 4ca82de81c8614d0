"""Prints the detection matrix, faulty server by rule: `python -m tests.matrix > docs/detection-matrix.md`."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor

from tests.faulty import Planted, blamed, faulty_servers, verdicts_on

_HEAD = """# The detection matrix

Each faulty server of `servers/faulty/`, the mistake planted in it, and the rules the suites blame it for.
Made by `python -m tests.matrix > docs/detection-matrix.md`; a test asserts that each is blamed for exactly
the rules its own header names.

| server | model | the planted mistake | blamed |
|---|---|---|---|
"""


def _row(planted: Planted) -> frozenset[str]:
    verdicts = verdicts_on(
        planted.path, planted.breaks, others="matrix", contract=planted.contract, limits=planted.limits
    )
    return frozenset(blamed(verdicts))


def main() -> int:
    """Judge all and print the table; 1 when one was not blamed for exactly its mistake."""
    servers = faulty_servers()
    rows = []
    with ProcessPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        for planted, row in zip(servers, pool.map(_row, servers), strict=True):
            rows.append(row)
            right = "ok" if row == planted.breaks else f"expected {', '.join(sorted(planted.breaks))}"
            said = ", ".join(sorted(row)) or "nothing"
            print(f"{planted.path.name}: {said} ({right})", file=sys.stderr, flush=True)
    print(_HEAD, end="")
    wrong = 0
    for planted, rules in zip(servers, rows, strict=True):
        wrong += rules != planted.breaks
        mark = "" if rules == planted.breaks else f" (expected {', '.join(sorted(planted.breaks))})"
        cells = [planted.path.name, f"{planted.protocol}, {planted.model}", planted.mistake.replace("|", "\\|")]
        print(f"| {' | '.join(cells)} | {', '.join(sorted(rules)) or 'nothing'}{mark} |")
    print(f"\n{len(servers)} servers, {len({r for p in servers for r in p.breaks})} rules broken by at least one.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
