"""Gradescope's results.json, as "Autograder Specifications" in the Gradescope Autograder Documentation has it.

It is written anew after every rule. Of a run that was cut short it holds the rules that were judged, and says so. When
Gatecrash itself failed there is no file, which is what makes Gradescope say that the autograder failed
("Troubleshooting": The autograder failed to execute correctly) instead of showing the student a score.
"""

from __future__ import annotations

import json
import math
from typing import Any

from gatecrash.reports.marking import MarkingRow, bounded, not_counted, rows, scheme_of, scored
from gatecrash.results.grading import Score, number
from gatecrash.results.record import RunRecord

LIVE = True
GRADED = True

#: Gradescope's words for when a hidden test is shown.
_SHOWN = {"published": "after_published", "due": "after_due_date", "never": "hidden"}


def render(record: RunRecord) -> str | None:
    """The results so far; None when nothing may be said of the submission."""
    score = scored(record)
    tests = rows(score)
    if not score.valid and (record.fault is not None or not record.interrupted or not tests):
        return None
    hidden = _SHOWN[scheme_of(record).hidden_until]
    results: dict[str, Any] = {
        "output": _said(score),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "execution_time": math.ceil(record.seconds),
        "stdout_visibility": "hidden",
        "extra_data": {"gatecrash": {"complete": score.valid, "profile": record.profile}},
        "tests": [_test(place, row, hidden) for place, row in enumerate(tests, 1)],
    }
    if score.valid:
        results = {"score": number(score.points), **results}
    return json.dumps(results, indent=1, ensure_ascii=False) + "\n"


def _said(score: Score) -> str:
    if not score.valid:
        return (
            f"{score.reason} Below is what is known; it is not the final score. "
            "Submit again, or ask the course staff, who can raise the time limit."
        )
    if score.error is not None:
        return f"{score.line()}\n{bounded(score.error)}"
    return "\n".join(line for line in (score.line(), not_counted(score)) if line)


def _test(place: int, row: MarkingRow, hidden: str) -> dict[str, Any]:
    points = {"score": number(row.earned), "max_score": number(row.possible)}
    return {
        **(points if row.possible or row.earned else {}),
        "status": "passed" if row.passed else "failed",
        "name": row.name,
        "number": str(place),
        "output": row.text,
        "visibility": hidden if row.hidden else "visible",
        "tags": [row.area],
    }
