"""PrairieLearn's results.json, as "External Grading" in the PrairieLearn documentation has it ("Grading results").

A server that does not build is not gradable: no attempt is lost, and the compiler's words are its format errors. When
Gatecrash itself failed there is no file: PrairieLearn then takes the job as failed and the submission as not gradable,
without calling it the student's format error.
"""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from gatecrash.reports.marking import bounded, folded, not_counted, rows, scored
from gatecrash.results.grading import number
from gatecrash.results.record import RunRecord

LIVE = True
GRADED = True


def render(record: RunRecord) -> str | None:
    """The results; None when there is no score."""
    score = scored(record)
    if not score.valid:
        return None
    results: dict[str, Any]
    if score.error is not None:
        results = {"gradable": False, "format_errors": [bounded(score.error)], "message": bounded(score.error)}
    else:
        results = {
            "gradable": True,
            "score": float(number(min(Fraction(1), score.points / score.maximum), 6)),
            "message": score.line(),
            "output": not_counted(score),
            "tests": [
                {
                    "name": row.name,
                    "points": number(row.earned),
                    "max_points": number(row.possible),
                    "output": row.text,
                }
                for row in folded(rows(score))
            ],
        }
    return json.dumps(results, indent=1, ensure_ascii=False) + "\n"
