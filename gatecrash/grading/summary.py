"""What a class shows of one submission, and the class as a whole: pure, from a record and a grading scheme."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from typing import Any

from gatecrash.config.scheme import Scheme
from gatecrash.grading.submission import Submission
from gatecrash.grading.work import Judged
from gatecrash.model.verdicts import Outcome
from gatecrash.results.advice import fitting
from gatecrash.results.grading import score
from gatecrash.results.mending import to_mend
from gatecrash.results.record import RunRecord
from gatecrash.results.saved_record import from_row

#: Parts that a histogram divides the points into, beside its last, which is for all of them.
TENTHS = 10


@dataclass(frozen=True)
class Summary:
    """Of one submission. Without a score `why` says what stands in the way; with `error` it is 0 points for that.

    `mistakes`: of each broken rule the usual mistake that the evidence fits, in English, where one does.
    """

    scored: bool
    points: Fraction = Fraction()
    maximum: Fraction = Fraction()
    why: str = ""
    error: str = ""
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    mend_first: str = ""
    mistakes: Mapping[str, str] = field(default_factory=dict)
    seen: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    processor_seconds: float = 0.0
    memory_kib: int = 0

    @property
    def broken(self) -> tuple[str, ...]:
        """The broken rules, in the rulebook's order."""
        return tuple(rule for rule, outcome in self.outcomes.items() if outcome == "fail")

    @property
    def tenth(self) -> int:
        """In which tenth of the points it lies, from 0; who has all of them is beyond these, in the last."""
        return min(int(TENTHS * self.points / self.maximum), TENTHS) if self.maximum else 0

    def to_json(self) -> dict[str, Any]:
        """Plain values; exact numbers as texts."""
        return {**asdict(self), "points": str(self.points), "maximum": str(self.maximum)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Summary:
        """What `to_json` wrote."""
        exact = {name: Fraction(row[name]) for name in ("points", "maximum")}
        return cls(**{**row, **exact, "seen": tuple(row["seen"]), "notes": tuple(row["notes"])})


@dataclass(frozen=True)
class Student:
    """A submission and what came of it; None: it was not judged yet."""

    submission: Submission
    summary: Summary | None = None

    @property
    def why_no_score(self) -> str | None:
        """Why there are no points; None where there are."""
        if self.summary is None:
            return "not judged yet"
        return None if self.summary.scored else self.summary.why


@dataclass(frozen=True)
class ClassRecord:
    """A class: its students in the order of their ids."""

    title: str
    students: tuple[Student, ...]
    scheme: Scheme = field(default_factory=Scheme)
    profile: str = "quick"
    contract: str = ""  # the file's name
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def scored(self) -> tuple[Student, ...]:
        """Those with points."""
        return tuple(one for one in self.students if one.why_no_score is None)

    @property
    def unscored(self) -> tuple[Student, ...]:
        """Those without."""
        return tuple(one for one in self.students if one.why_no_score is not None)

    @property
    def broken(self) -> Mapping[str, int]:
        """How many submissions break each rule, the most broken first."""
        counted = Counter(rule for one in self.students if one.summary for rule in one.summary.broken)
        return dict(counted.most_common())


def summary(judged: Judged, scheme: Scheme) -> Summary:
    """What is shown of a submission when points are given by this scheme."""
    beside = {name: getattr(judged, name) for name in ("notes", "seconds", "processor_seconds", "memory_kib")}
    if judged.record is None:
        return Summary(False, why=judged.why, **beside)
    record = replace(from_row(judged.record), grading=scheme)
    found = score(record, scheme)
    order = to_mend(record)
    return Summary(
        scored=found.valid,
        points=found.points,
        maximum=found.maximum,
        why=str(found.reason),
        error=str(found.error or ""),
        outcomes={judgement.rule.id: judgement.verdict.outcome for judgement in record.judgements},
        mend_first=order[0].rule.id if order else "",
        mistakes=_mistakes(record),
        seen=record.seen,
        **beside,
    )


def _mistakes(record: RunRecord) -> dict[str, str]:
    fits = {one.rule.id: fitting(one.rule, one.verdict, record.prepared.contract) for one in record.broken}
    return {rule: mistakes[0].text for rule, mistakes in fits.items() if mistakes}
