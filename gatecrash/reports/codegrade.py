"""The line that a Custom Test of CodeGrade's AutoTest takes on file descriptor 3: {"tag": "points", "points": "7/8"}.

As "How to use custom test blocks" in CodeGrade's guides has it. What the student reads is the test's stdout. Without
a score nothing is written, and the test fails by its exit code.
"""

from __future__ import annotations

import json
from fractions import Fraction

from gatecrash.reports.marking import scored
from gatecrash.results.record import RunRecord

LIVE = True
GRADED = True


def render(record: RunRecord) -> str | None:
    """The line, with an exact fraction of at most 1; None when there is no score."""
    score = scored(record)
    if not score.valid:
        return None
    part = min(Fraction(1), score.points / score.maximum)
    return json.dumps({"tag": "points", "points": f"{part.numerator}/{part.denominator}"}) + "\n"
