"""A record as plain values, with all that a report needs, and back: to be kept in a file or sent to somebody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatecrash.config.scheme import Scheme
from gatecrash.model.prepared import Prepared
from gatecrash.model.verdicts import Verdict
from gatecrash.results.baseline import Baseline
from gatecrash.results.record import JudgedRule, RunRecord
from gatecrash.rulebook import load

_AS_THEY_ARE = ("seconds", "profile", "fault", "interrupted", "named")


def to_row(record: RunRecord) -> dict[str, Any]:
    """Values that JSON can hold."""
    return {
        "prepared": record.prepared.to_json(),
        "missing": dict(record.missing),
        "strict": record.strict,
        "baseline": None if record.baseline is None else record.baseline.to_json(),
        "grading": None if record.grading is None else record.grading.to_json(),
        "verdicts": [judgement.verdict.to_json() for judgement in record.judgements],
        **{name: getattr(record, name) for name in _AS_THEY_ARE},
    }


def from_row(row: Mapping[str, Any]) -> RunRecord:
    """What `to_row` made. Raises KeyError, TypeError, ValueError for what another version has written."""
    verdicts = [Verdict.from_json(one) for one in row["verdicts"]]
    return RunRecord(
        target=row["prepared"]["name"],
        prepared=Prepared.from_json(row["prepared"]),
        missing=row["missing"],
        judgements=tuple(JudgedRule(load().get(one.rule), one) for one in verdicts),
        strict=row.get("strict", False),
        baseline=None if row.get("baseline") is None else Baseline.from_json(row["baseline"]),
        grading=None if row.get("grading") is None else Scheme.from_json(row["grading"]),
        **{name: row[name] for name in _AS_THEY_ARE},
    )
