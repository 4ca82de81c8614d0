"""TAP 14: a test point a rule, with a YAML block for each that is broken.

What the baseline knows and what is only advice is `not ok # TODO`, which no consumer counts as a failure; what could
not be judged is `ok # SKIP`. A build that failed and a fault of ours bail out.
"""

from __future__ import annotations

import json

from gatecrash.reports.cases import ReportedCase, Trouble, cases, one_line, troubles
from gatecrash.results.record import RunRecord


def render(record: RunRecord) -> str:
    """The whole stream. A run that was cut off bails out at its end."""
    rows = cases(record)
    lines = ["TAP version 14", f"1..{len(rows)}" if rows else "1..0 # SKIP no rule was judged"]
    for number, one in enumerate(rows, 1):
        lines += [_point(number, one), *_block(one)]
    lines += [_bail(trouble) for trouble in troubles(record)[:1]]
    return "\n".join(lines) + "\n"


def _point(number: int, one: ReportedCase) -> str:
    name = f"{number} - {one.rule.id} {_escaped(one.rule.title)}"
    reason = _escaped(one_line(one.message))
    if one.status == "passed":
        return f"ok {name}"
    if one.status == "unjudged":
        return f"ok {name} # SKIP {reason}"
    if one.status == "failed":
        return f"not ok {name}"
    return f"not ok {name} # TODO {'advice: ' if one.status == 'advice' else ''}{reason}"


def _block(one: ReportedCase) -> list[str]:
    """YAML, written as JSON scalars, which YAML 1.2 reads as they are: nothing of a stranger's can end it."""
    finding = one.judgement.verdict.finding
    if one.status not in ("failed", "known", "advice"):
        return []
    facts: dict[str, str | int] = {"severity": one.rule.level, "file": one.place.path, "line": one.place.line}
    if finding is not None:
        facts |= {"message": one.message}
    facts |= {"details": one.details}
    return ["  ---", *(f"  {key}: {json.dumps(value)}" for key, value in facts.items()), "  ..."]


def _bail(trouble: Trouble) -> str:
    first = one_line(trouble.text)[:500]
    return f"Bail out! {_escaped(trouble.title)}{': ' if first else ''}{_escaped(first)}"


def _escaped(text: str) -> str:
    """`#` begins a directive, and the backslash escapes it."""
    return text.replace("\\", "\\\\").replace("#", "\\#")
