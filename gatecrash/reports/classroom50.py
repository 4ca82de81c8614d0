"""Classroom 50's result.json (schema classroom50/result/v1), as its wiki page "Advanced Autograding" has it.

Who the submission is by comes from the environment that Classroom 50's runner gives its autograders. Points are whole
there, and at most the maximum. A non-zero exit is an infrastructure error to it, so a graded run exits with 0; when
Gatecrash itself fails there is no file and the exit is not 0, and its runner records an error instead of a score.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime

from gatecrash.reports.marking import folded, rows, scored
from gatecrash.results.grading import whole_points
from gatecrash.results.record import RunRecord

LIVE = True
GRADED = True


def render(record: RunRecord, environment: Mapping[str, str] = os.environ) -> str | None:
    """The result; None when there is no score."""
    score = scored(record)
    if not score.valid:
        return None
    tests = folded(rows(score))
    whole = whole_points(score, tests)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    result = {
        "schema": "classroom50/result/v1",
        **_identity(environment),
        "datetime": now,  # the runner puts the time of the commit here
        "graded_at": now,
        "score": whole.points,
        "max-score": whole.maximum,
        "tests": [
            {
                "test-name": row.name,
                "passed": row.passed,
                "score": earned,
                "max-score": possible,
                "details": row.text,
            }
            for row, (earned, possible) in zip(tests, whole.rows, strict=True)
        ],
    }
    return json.dumps(result, indent=2, ensure_ascii=False) + "\n"


def _identity(environment: Mapping[str, str]) -> dict[str, str]:
    """Whose submission it is. Outside the runner nobody says, and the runner accepts none of these words."""

    def said(*names: str) -> str:
        return next((environment[name] for name in names if environment.get(name)), "unknown")

    kind = said("ASSIGNMENT_TYPE")
    tag = said("SUBMISSION_TAG")
    return {
        "classroom": said("CLASSROOM"),
        "assignment": said("ASSIGNMENT"),
        "assignment_type": kind if kind in ("individual", "group") else "individual",
        "owner": said("OWNER", "USERNAME"),
        "submission": tag if tag.startswith("submit/") else f"submit/{tag}",
        "commit": said("COMMIT_URL"),
        "release": said("RELEASE_URL"),
        "review": said("REVIEW_URL", "COMMIT_URL"),
    }
