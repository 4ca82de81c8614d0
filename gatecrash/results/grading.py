"""Points: how a run's verdicts become a score. Pure; exact fractions, rounded only when they are shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from gatecrash.config.scheme import Scheme, Unsure
from gatecrash.language import joined, marked, stated
from gatecrash.model.verdicts import Verdict
from gatecrash.results.record import JudgedRule, RunRecord
from gatecrash.rulebook import Rule, applicable, load


@dataclass(frozen=True)
class GradedRule:
    """What one rule brought. `possible` is 0 for what is not counted; `extra` points are above the total."""

    judgement: JudgedRule
    weight: Fraction
    counted: bool
    held: bool
    possible: Fraction
    earned: Fraction
    extra: bool
    hidden: bool
    why: str
    #: The other rule that took the points along, if one did.
    blames: Rule | None = None

    @property
    def rule(self) -> Rule:
        """The rule."""
        return self.judgement.rule


@dataclass(frozen=True)
class Score:
    """Points out of a maximum. Not `valid`: they are no grade, and `reason` says why; a student must not get them."""

    valid: bool
    reason: str
    points: Fraction
    maximum: Fraction
    marks: tuple[GradedRule, ...] = ()
    #: Why the target was not judged at all, when that is its own doing: it is worth 0 points.
    error: str | None = None

    @property
    def extra(self) -> Fraction:
        """The points above the total that are among `points`."""
        return sum((mark.earned for mark in self.marks if mark.extra), Fraction())

    def line(self) -> str:
        """One line for people: "Points: 87.5 of 100"."""
        if not self.valid:
            return stated("Points: none. {reason}", reason=self.reason)
        points, maximum = shown(self.points), shown(self.maximum)
        if not self.extra:
            return stated("Points: {points} of {maximum}", points=points, maximum=maximum)
        return stated(
            "Points: {points} of {maximum} (with {extra} of extra credit)",
            points=points,
            maximum=maximum,
            extra=shown(self.extra),
        )


def score(record: RunRecord, scheme: Scheme) -> Score:
    """The score of a run. A fault of ours or an interruption gives none, and no more does a run that judged little."""
    if record.error is not None:
        return Score(True, "", Fraction(), scheme.total, (), record.error)
    marks = _marks(record, scheme)
    points = sum((mark.earned for mark in marks), Fraction())
    reason = _why_none(record, scheme, marks)
    return Score(not reason, reason, points, scheme.total, marks)


def _why_none(record: RunRecord, scheme: Scheme, marks: tuple[GradedRule, ...]) -> str:
    if record.fault is not None:
        return stated("Gatecrash itself failed, which says nothing of the submission.")
    if record.interrupted:
        if len(marks) == 1:
            return stated("The run was cut short after 1 rule.")
        return stated("The run was cut short after {count} rules.", count=len(marks))
    if not any(mark.possible and not mark.extra for mark in marks):
        return stated("No rule that counts could be judged.")
    kept = [mark for mark in marks if mark.weight and not mark.extra]
    unseen = sum((m.weight for m in kept if _unseen(m, record)), Fraction())
    applying = sum((m.weight for m in kept if m.judgement.verdict.outcome != "not_applicable"), Fraction())
    judged = 100 * (applying - unseen)
    if judged < scheme.least_judged * applying:
        return stated(
            "Only {percent} % of what applies could be judged on this machine (least_judged = {least}).",
            percent=shown(judged / applying),
            least=shown(scheme.least_judged),
        )
    return ""


def _unseen(mark: GradedRule, record: RunRecord) -> bool:
    outcome = mark.judgement.verdict.outcome
    return outcome == "inconclusive" or (outcome == "not_observable" and record.hidden_behind(mark.judgement) is None)


# -- marks ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Draft:
    """A rule before it is known what a unit of weight is worth. `pending`: a run was cut short before it."""

    judgement: JudgedRule
    weight: Fraction
    counted: bool
    held: bool
    extra: bool
    why: str
    blames: Rule | None = None
    pending: bool = False

    @property
    def in_total(self) -> bool:
        return self.counted and not self.extra and self.weight > 0


def _marks(record: RunRecord, scheme: Scheme) -> tuple[GradedRule, ...]:
    drafts = [_draft(judgement, record, scheme) for judgement in record.judgements]
    # What is not known yet may still be lost: until then it takes its part of the total, and nobody has earned it.
    all_drafts = [*drafts, *_pending(record, scheme)]
    worth, spoilers = _worth(all_drafts, scheme), _spoilers(all_drafts, scheme)
    return tuple(_mark(draft, worth, spoilers, scheme) for draft in drafts)


def _pending(record: RunRecord, scheme: Scheme) -> list[_Draft]:
    """The rules that a run which was cut short did not come to, those that do not apply left out."""
    if not record.interrupted:
        return []
    known = {judgement.rule.id for judgement in record.judgements}
    waiting = [r for r in load().rules if r.id not in known and applicable(r, record.prepared.contract) is None]
    return [
        _Draft(
            JudgedRule(rule, Verdict(rule.id, "inconclusive")),
            scheme.weight(rule),
            counted=True,
            held=False,
            extra=scheme.is_extra(rule),
            why="not judged",
            pending=True,
        )
        for rule in waiting
    ]


def _draft(judgement: JudgedRule, record: RunRecord, scheme: Scheme) -> _Draft:
    rule, outcome = judgement.rule, judgement.verdict.outcome
    weight, extra = scheme.weight(rule), scheme.is_extra(rule)
    if outcome in ("pass", "fail"):
        return _Draft(
            judgement,
            weight,
            True,
            outcome == "pass",
            extra,
            stated("holds") if outcome == "pass" else stated("broken"),
        )
    behind = record.hidden_behind(judgement)
    fate: Unsure = scheme.blocked if behind else getattr(scheme, outcome)
    said = stated("cannot be seen while {rule} is broken", rule=behind) if behind else stated(_SAID[outcome])
    why = joined((said, stated(_FATES[fate])), ": ")
    blames = load().get(behind) if behind else None
    return _Draft(judgement, weight, fate != "exclude", fate == "earn", extra, why, blames)


_SAID = {
    "not_applicable": marked("does not apply"),
    "not_observable": marked("not observable here"),
    "inconclusive": marked("inconclusive"),
}
_FATES: Mapping[Unsure, str] = {
    "exclude": marked("not counted"),
    "earn": marked("counted as holding"),
    "lose": marked("earns nothing"),
}


def _worth(drafts: list[_Draft], scheme: Scheme) -> dict[str, Fraction]:
    """What a unit of weight is worth, in points, by area. Extra credit is worth what the rest of its area is, or,
    where nothing else of the area counts, what the dearest area's is.
    """
    weights = {d.judgement.rule.area: Fraction() for d in drafts}
    for draft in drafts:
        weights[draft.judgement.rule.area] += draft.weight if draft.in_total else 0
    whole = sum(weights.values(), Fraction())
    if scheme.scheme != "by-area":
        unit = scheme.total / whole if whole else Fraction()
        return dict.fromkeys(weights, unit)
    shares = {area: scheme.areas.get(area, Fraction(1)) if weight else Fraction() for area, weight in weights.items()}
    sum_of_shares = sum(shares.values(), Fraction())
    return {
        area: scheme.total * shares[area] / sum_of_shares / weight if weight and sum_of_shares else Fraction()
        for area, weight in weights.items()
    }


def _mark(draft: _Draft, worth: Mapping[str, Fraction], spoilers: Mapping[str, _Draft], scheme: Scheme) -> GradedRule:
    rule = draft.judgement.rule
    unit = worth[rule.area] or (max(worth.values()) if draft.extra else Fraction())
    possible = draft.weight * unit if draft.counted else Fraction()
    spoilt = None if draft.extra else spoilers.get(rule.area)
    why = draft.why
    if draft.weight == 0 and draft.counted:
        why = joined((why, stated("carries no points")), ": ")
    elif draft.held and spoilt is not None:
        values = {"why": why, "rule": spoilt.judgement.rule.id, "whole": stated(_WHOLE[scheme.scheme])}
        if spoilt.pending:
            why = stated("{why}, but {rule} was not judged, and {whole}", **values)
        else:
            why = stated("{why}, but {rule} does not, and {whole}", **values)
    return GradedRule(
        judgement=draft.judgement,
        weight=draft.weight,
        counted=draft.counted,
        held=draft.held,
        possible=possible,
        earned=possible if draft.held and spoilt is None else Fraction(),
        extra=draft.extra,
        hidden=scheme.is_hidden(rule),
        why=why,
        blames=draft.blames or (spoilt.judgement.rule if draft.held and spoilt is not None else None),
    )


_WHOLE = {
    "by-area": marked("an area counts only as a whole"),
    "all-or-nothing": marked("only the whole counts"),
    "by-rule": "",
}


def _spoilers(drafts: list[_Draft], scheme: Scheme) -> dict[str, _Draft]:
    """For each area the first rule whose loss takes the points of the others along."""
    lost = [draft for draft in drafts if draft.in_total and not draft.held]
    if scheme.scheme == "by-rule" or not lost:
        return {}
    if scheme.scheme == "all-or-nothing":
        return {draft.judgement.rule.area: lost[0] for draft in drafts}
    return {draft.judgement.rule.area: draft for draft in reversed(lost)}


# -- showing --------------------------------------------------------------------------------------------------------


def shown(number: Fraction, digits: int = 2) -> str:
    """A number for people: rounded half up to `digits` decimals, without needless zeros."""
    scaled = math.floor(number * 10**digits + Fraction(1, 2))
    whole, rest = divmod(abs(scaled), 10**digits)
    text = f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".")
    return f"-{text}" if scaled < 0 else text


def number(value: Fraction, digits: int = 2) -> int | float:
    """A number for JSON, as `shown` has it."""
    text = shown(value, digits)
    return float(text) if "." in text else int(text)


class Earning(Protocol):
    """Something that earned points of those that were possible; what is above the total was not possible."""

    @property
    def earned(self) -> Fraction:
        """Points."""

    @property
    def possible(self) -> Fraction:
        """Points of the total."""


@dataclass(frozen=True)
class WholePoints:
    """A score in whole points, for platforms that take no others. The rows' points add up to it."""

    points: int
    maximum: int
    #: Earned and possible, a pair for each row that was given.
    rows: tuple[tuple[int, int], ...]


def whole_points(score: Score, rows: Sequence[Earning]) -> WholePoints:
    """Points and maximum rounded half up, at most the maximum, and spread over the rows by largest remainder."""
    maximum = max(1, int(shown(score.maximum, 0)))
    points = min(maximum, int(shown(score.points * maximum / score.maximum, 0)))
    gained = _spread(points, [row.earned for row in rows])
    lost = _spread(maximum - points, [max(Fraction(), row.possible - row.earned) for row in rows])
    return WholePoints(points, maximum, tuple((g, g + one) for g, one in zip(gained, lost, strict=True)))


def _spread(amount: int, weights: list[Fraction]) -> list[int]:
    """`amount` in whole parts proportional to the weights; what is left over goes to the largest remainders."""
    total = sum(weights, Fraction())
    if not total:
        return [0] * len(weights)
    exact = [amount * weight / total for weight in weights]
    parts = [math.floor(one) for one in exact]
    order = sorted(range(len(exact)), key=lambda i: (parts[i] - exact[i], i))
    for i in order[: amount - sum(parts)]:
        parts[i] += 1
    return parts
