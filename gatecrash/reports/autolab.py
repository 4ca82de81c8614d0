"""Autolab's autoresult: lines for people, the semantic presentation, and the scores as the last line of stdout.

As "Guide for Lab Authors" and "Formatted Feedback" in the Autolab documentation have it. The problem's name is that of
`problem` in [grading], and has to be the name of a problem of the assessment. Without a score nothing is written, and
Autolab shows an error of the autograder.
"""

from __future__ import annotations

import json
from typing import Any

from gatecrash.reports.marking import MarkingRow, folded, not_counted, rows, scheme_of, scored
from gatecrash.results.grading import number
from gatecrash.results.record import RunRecord

LIVE = True
GRADED = True


def render(record: RunRecord) -> str | None:
    """The three kinds of lines; None when there is no score."""
    score = scored(record)
    if not score.valid:
        return None
    tests = folded(rows(score))
    people = [score.line(), not_counted(score), *(f"{row.word:<6} {row.name}" for row in tests)]
    lines = [line for line in people if line]
    result = {"scores": {scheme_of(record).problem: number(score.points)}}
    return "\n".join([*lines, json.dumps(_presentation(tests)), json.dumps(result)]) + "\n"


def _presentation(tests: tuple[MarkingRow, ...]) -> dict[str, Any]:
    stages: dict[str, dict[str, Any]] = {}
    for row in tests:
        hint = {} if row.passed else {"hint": row.text}
        stages.setdefault(row.area.capitalize(), {})[row.name] = {"passed": row.passed, **hint}
    return {"_presentation": "semantic", "stages": list(stages), **stages}
