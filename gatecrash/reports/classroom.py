"""The older GitHub Classroom's autograding result: JSON in base64, as its autograding-grading-reporter reads it.

A workflow hands it on as the `result` of a step, and the reporter takes it from <STEP>_RESULTS in its environment. With
the status "error" and no maximum the reporter fails and posts no points: that is what a run without a score looks like.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from gatecrash.reports.marking import MarkingRow, bounded, folded, rows, scored
from gatecrash.results.grading import Score, whole_points
from gatecrash.results.record import RunRecord

LIVE = True
GRADED = True

#: A variable of the environment holds at most 128 KiB (MAX_ARG_STRLEN, execve(2)).
_MOST_BYTES = 100_000


def render(record: RunRecord) -> str:
    """The result, one line of base64."""
    score = scored(record)
    for limit in (1000, 400, 150, 60):
        text = json.dumps(_result(record, score, limit), ensure_ascii=False)
        encoded = base64.b64encode(text.encode()).decode()
        if len(encoded) <= _MOST_BYTES:
            break
    return encoded + "\n"


def _result(record: RunRecord, score: Score, limit: int) -> dict[str, Any]:
    if not score.valid:
        said = {"name": "Gatecrash", "status": "error", "message": score.reason, "score": 0}
        return {"version": 1, "status": "error", "max_score": 0, "tests": [said]}
    tests = folded(rows(score))
    whole = whole_points(score, tests)
    return {
        "version": 1,
        "status": "pass" if all(row.passed or not row.possible for row in tests) else "fail",
        "max_score": whole.maximum,
        "tests": [_test(row, earned, limit) for row, (earned, _) in zip(tests, whole.rows, strict=True)],
        "execution_time": round(record.seconds, 1),
    }


def _test(row: MarkingRow, earned: int, limit: int) -> dict[str, Any]:
    said = {} if row.passed else {"message": bounded(row.text, limit)}
    return {"name": bounded(row.name, 120), "status": "pass" if row.passed else "fail", "score": earned, **said}
