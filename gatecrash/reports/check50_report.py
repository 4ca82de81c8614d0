"""check50's JSON, as "JSON specification" in the check50 documentation has it: slug, results, version.

A rule that could not be judged has `passed: null` with the reason. When Gatecrash itself failed there is `error`
instead of `results`, as when check50 itself fails.
"""

from __future__ import annotations

import json
from typing import Any

from gatecrash import __version__
from gatecrash.reports.marking import MarkingRow, bounded, folded, rows, scored, told
from gatecrash.results.grading import GradedRule, Score, number
from gatecrash.results.record import RunRecord

LIVE = True
GRADED = True


def render(record: RunRecord) -> str:
    """The results, or the error."""
    score = scored(record)
    slug = bounded(f"gatecrash/{record.target}", 200)
    body: dict[str, Any] = {"results": _results(score)} if score.valid else {"error": _error(score.reason)}
    return json.dumps({"slug": slug, **body, "version": __version__}, indent=4, ensure_ascii=False) + "\n"


def _error(reason: str) -> dict[str, Any]:
    actions = {"show_traceback": False, "message": reason}
    return {"type": "Error", "value": reason, "traceback": [], "actions": actions, "data": {}}


def _results(score: Score) -> list[dict[str, Any]]:
    tests = folded(rows(score))
    names = {row.id for row in tests}
    after = {mark.rule.id: mark.rule.after for mark in score.marks}
    judged = [_result(row, next((id for id in after.get(row.id, ()) if id in names), None)) for row in tests]
    hidden = frozenset(mark.rule.id for mark in score.marks if mark.hidden)
    unsure = [_unsure(mark, hidden) for mark in score.marks if _is_unsure(mark)]
    return judged + unsure


def _result(row: MarkingRow, dependency: str | None) -> dict[str, Any]:
    return {
        "name": row.id,
        "description": row.name,
        "passed": row.passed,
        "log": row.text.splitlines(),
        "cause": None if row.passed else {"rationale": row.text.split("\n", 1)[0], "help": row.text},
        "data": {"points": number(row.earned), "max_points": number(row.possible)},
        "dependency": dependency,
    }


def _is_unsure(mark: GradedRule) -> bool:
    return not mark.counted and not mark.hidden and mark.judgement.verdict.outcome != "not_applicable"


def _unsure(mark: GradedRule, hidden: frozenset[str]) -> dict[str, Any]:
    return {
        "name": mark.rule.id,
        "description": f"{mark.rule.id} {mark.rule.title}",
        "passed": None,
        "log": [],
        "cause": {"rationale": told(mark, hidden, 400), "help": None},
        "data": {},
        "dependency": None,
    }
