"""What a Codio grading script posts: a form with the points in percent and the feedback, ready for curl.

As "Partial Points" and "Auto-grading enhancements" in Codio's documentation have it: `points` for
CODIO_PARTIAL_POINTS_V2_URL, `grade` for CODIO_AUTOGRADE_V2_URL. The feedback is plain text (format=txt), so nothing a
server says is read as HTML or Markdown. Without a score there is nothing to post.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction
from urllib.parse import urlencode

from gatecrash.reports.marking import bounded, folded, not_counted, rows, scored
from gatecrash.results.grading import shown
from gatecrash.results.record import RunRecord

LIVE = True
GRADED = True

#: Characters; Codio takes a megabyte, and every byte may become three in a form.
_MOST_FEEDBACK = 60_000


def render(record: RunRecord, environment: Mapping[str, str] = os.environ) -> str | None:
    """The form's body; None when there is no score."""
    score = scored(record)
    if not score.valid:
        return None
    percent = min(Fraction(100), 100 * score.points / score.maximum)
    tests = folded(rows(score))
    lines = [score.line(), not_counted(score)]
    lines += [f"{row.word:<6}  {row.name}" for row in tests]
    lines += [f"\n{row.name}\n{row.text}" for row in tests if not row.passed]
    feedback = bounded("\n".join(line for line in lines if line), _MOST_FEEDBACK)
    partial = "CODIO_PARTIAL_POINTS_V2_URL" in environment or "CODIO_AUTOGRADE_V2_URL" not in environment
    key = "points" if partial else "grade"
    return urlencode({key: shown(percent), "format": "txt", "feedback": feedback}) + "\n"
