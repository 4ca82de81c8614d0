"""What every course platform is told: a row a rule that brings or costs points, its text escaped and bounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from gatecrash.config.scheme import Scheme
from gatecrash.reports.words import OUTCOME_WORDS, confirmed, played
from gatecrash.results.folding import folded_lines
from gatecrash.results.grading import GradedRule, Score, score
from gatecrash.results.record import RunRecord
from gatecrash.text import safe_text

#: Characters of a row's text, and of a compiler's words: a hundred rows stay below a platform's megabyte.
MOST_TEXT = 2000
_MOST_LINES = 12


@dataclass(frozen=True)
class MarkingRow:
    """One test as a platform shows it. Extra credit is earned without being possible: it is above the total."""

    id: str
    name: str
    area: str
    passed: bool
    earned: Fraction
    possible: Fraction
    text: str
    hidden: bool = False
    #: In a word or two, where it does not hold.
    lost: str = "broken"

    @property
    def word(self) -> str:
        """What is said of it: "holds", "broken", "not observable here"."""
        return "holds" if self.passed else self.lost


def scored(record: RunRecord) -> Score:
    """The score by the run's [grading], or by the scheme that holds when there is none."""
    return score(record, scheme_of(record))


def scheme_of(record: RunRecord) -> Scheme:
    """How the run is graded."""
    return record.grading or Scheme()


def rows(score: Score) -> tuple[MarkingRow, ...]:
    """A row for each rule that counts, and for each that is broken and only advice."""
    if score.error is not None:
        text = bounded(score.error)
        return (MarkingRow("build", "The server builds and starts", "build", False, Fraction(), score.maximum, text),)
    hidden = frozenset(mark.rule.id for mark in score.marks if mark.hidden)
    return tuple(_row(mark, hidden) for mark in score.marks if mark.counted and (mark.weight or not mark.held))


def _row(mark: GradedRule, hidden: frozenset[str]) -> MarkingRow:
    rule = mark.rule
    note = " (extra credit)" if mark.extra else "" if mark.weight else " (advice, no points)"
    possible = Fraction() if mark.extra else mark.possible
    name, lost = f"{rule.id} {rule.title}{note}", OUTCOME_WORDS[mark.judgement.verdict.outcome]
    return MarkingRow(rule.id, name, rule.area, mark.held, mark.earned, possible, told(mark, hidden), mark.hidden, lost)


def folded(rows: Iterable[MarkingRow]) -> tuple[MarkingRow, ...]:
    """The rows for a platform that cannot hide one: the hidden ones are one row without a name."""
    given = tuple(rows)
    hidden = [row for row in given if row.hidden]
    if not hidden:
        return given
    held = sum(row.passed for row in hidden)
    one = MarkingRow(
        id="hidden",
        name="Hidden rules",
        area="hidden",
        passed=held == len(hidden),
        earned=sum((row.earned for row in hidden), Fraction()),
        possible=sum((row.possible for row in hidden), Fraction()),
        text=f"{held} of {len(hidden)} hold. Which they are is not shown.",
        lost="not all hold",
    )
    return (*(row for row in given if not row.hidden), one)


def not_counted(score: Score) -> str:
    """Which visible rules were left out of the total, by reason; empty when none was."""
    reasons: dict[str, list[str]] = {}
    for mark in score.marks:
        outcome = mark.judgement.verdict.outcome
        if not mark.counted and mark.weight and not mark.hidden:
            reasons.setdefault(OUTCOME_WORDS[outcome], []).append(mark.rule.id)
    said = "; ".join(f"{reason}: {' '.join(ids)}" for reason, ids in reasons.items())
    return f"Left out of the total ({said})." if said else ""


def told(mark: GradedRule, hidden: frozenset[str] = frozenset(), limit: int = MOST_TEXT) -> str:
    """What a student reads of one rule: why it earned what it did, and for a broken one what was seen.

    The names of `hidden` rules stay out of it.
    """
    verdict, finding = mark.judgement.verdict, mark.judgement.verdict.finding
    secret = mark.blames.id if mark.blames is not None and mark.blames.id in hidden else None
    why = mark.why if secret is None else mark.why.replace(secret, "a hidden rule")
    lines = [why[0].upper() + why[1:] + "."]
    if verdict.outcome != "fail" and verdict.reason and secret is None:
        lines.append(verdict.reason)
    if verdict.outcome == "fail" and finding is not None:
        lines += [f"expected  {finding.expected}", f"got       {finding.got}"]
        lines += _some([f"  {line}" for line in finding.lines])
    if verdict.outcome == "fail" and verdict.scenario is not None and verdict.scenario.steps:
        steps = [f"{number:2}. {line}" for number, line in folded_lines(verdict.scenario.steps)]
        lines += [str(played(verdict)) + ":", *_some(steps)]
    if verdict.outcome == "fail" and (again := confirmed(verdict)):
        lines.append(f"Replayed on fresh servers: {again}")
    if verdict.outcome == "fail":
        lines.append(f"Read about it: gatecrash explain {mark.rule.id}")
    return bounded("\n".join(lines), limit)


def _some(lines: Sequence[str]) -> list[str]:
    if len(lines) <= _MOST_LINES:
        return list(lines)
    keep = _MOST_LINES // 2
    return [*lines[:keep], f"  ... {len(lines) - 2 * keep} lines ...", *lines[-keep:]]


def bounded(text: str, limit: int = MOST_TEXT) -> str:
    """Anybody's text with control and bidirectional characters escaped, and the middle left out when it is long."""
    # What is beyond the limit on both sides can only be left out: escaping 100 MB for that would take minutes.
    rough = text if len(text) <= 2 * limit else text[:limit] + text[-limit:]
    safe = safe_text(rough)
    if len(text) <= 2 * limit and len(safe) <= limit:
        return safe
    keep = limit // 2 - 20
    return f"{safe[:keep]}\n... left out ...\n{safe[-keep:]}"
