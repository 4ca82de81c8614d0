"""The one record of a run that every report is rendered from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gatecrash import __version__
from gatecrash.config.scheme import Scheme
from gatecrash.model.prepared import Prepared
from gatecrash.model.verdicts import Outcome, Verdict, hidden_by, is_broken, merge
from gatecrash.protocols import protocol_of
from gatecrash.results.baseline import Baseline, KnownFailure, by_rule
from gatecrash.rulebook import Rule, load

OUTCOMES: tuple[Outcome, ...] = ("pass", "fail", "not_applicable", "not_observable", "inconclusive")
_A_FEW = 8


@dataclass(frozen=True)
class JudgedRule:
    """A rule and what was said of it."""

    rule: Rule
    verdict: Verdict


@dataclass(frozen=True)
class RunRecord:
    """A whole run: the target and one judgement a rule, in the rulebook's order."""

    target: str
    prepared: Prepared
    missing: Mapping[str, str]
    judgements: tuple[JudgedRule, ...]
    seconds: float
    profile: str
    fault: str | None = None
    #: Ended by its user: some rules have no verdict.
    interrupted: bool = False
    #: The target as its user wrote it, for the commands a report shows; empty for the default one.
    named: str = ""
    #: How it is graded, when its user asked for points.
    grading: Scheme | None = None
    #: Its user wants a broken SHOULD to fail it.
    strict: bool = False
    #: Failures that are known and fail no gate.
    baseline: Baseline | None = None

    @property
    def error(self) -> str | None:
        """Why the target was not judged at all: it did not build, or did not come to listen."""
        return self.prepared.error

    @property
    def summary(self) -> dict[str, int]:
        """How many rules got each verdict."""
        return {name: sum(j.verdict.outcome == name for j in self.judgements) for name in OUTCOMES}

    @property
    def untried(self) -> tuple[JudgedRule, ...]:
        """The rules that nothing was found out about because there was no more time."""
        return tuple(j for j in self.judgements if j.verdict.late)

    @property
    def unproven(self) -> tuple[JudgedRule, ...]:
        """The basic rules (it accepts, it answers) that were asked for and neither seen to hold nor to be broken."""
        asked = protocol_of(self.prepared.contract).basic_rules
        basic = [j for j in self.judgements if j.rule.id in asked]
        if any(j.verdict.outcome == "fail" for j in basic):  # that one says what is wrong, and hides the others
            return ()
        return tuple(j for j in basic if j.verdict.outcome in ("inconclusive", "not_observable"))

    @property
    def unrepeated(self) -> tuple[JudgedRule, ...]:
        """The MUSTs that were seen broken for certain, though not again: who broke them is not said to conform."""
        seen = [j for j in self.judgements if j.verdict.outcome == "inconclusive" and j.verdict.finding is not None]
        return tuple(j for j in seen if j.rule.level == "MUST" and j.verdict.finding.conclusive)  # type: ignore[union-attr]

    @property
    def mute(self) -> bool:
        """Whether it answers nothing though no contract promises silence: then it was not seen to do anything right."""
        protocol = protocol_of(self.prepared.contract)
        asked = any(j.rule.id in protocol.basic_rules for j in self.judgements)
        return asked and protocol.is_silent_unpromised

    @property
    def seen(self) -> tuple[int, int]:
        """Of how many of the rules that apply something was really seen, and how many apply."""
        summary = self.summary
        judged = summary["pass"] + summary["fail"]
        return judged, judged + summary["inconclusive"] + summary["not_observable"]

    @property
    def broken(self) -> tuple[JudgedRule, ...]:
        """The broken rules: MUST first, then in the rulebook's order."""
        failed = [j for j in self.judgements if j.verdict.outcome == "fail"]
        return tuple(sorted(failed, key=lambda j: ("MUST", "SHOULD", "MAY").index(j.rule.level)))

    def hidden_behind(self, judgement: JudgedRule) -> str | None:
        """The rule, broken in this run, because of which this one cannot be seen; None where that is not why."""
        cause = hidden_by(judgement.verdict)
        return cause if any(one.rule.id == cause for one in self.broken) else None

    @property
    def excused(self) -> Mapping[str, KnownFailure]:
        """The broken rules that the baseline knows, each with its entry."""
        return by_rule(self.baseline or Baseline(), (j.verdict for j in self.judgements))

    @property
    def fixed(self) -> tuple[KnownFailure, ...]:
        """The baseline's entries whose rule holds again."""
        return (self.baseline or Baseline()).fixed(j.verdict for j in self.judgements)

    def to_json(self) -> dict[str, Any]:
        """The JSON report (docs/json.md)."""
        return {
            "gatecrash": __version__,
            "target": self.target,
            "profile": self.profile,
            "seconds": round(self.seconds, 3),
            "interrupted": self.interrupted,
            "error": self.error,
            "fault": self.fault,
            "contract": self.prepared.contract.to_json(),
            "capabilities_missing": dict(self.missing),
            "summary": self.summary,
            "seen": list(self.seen),
            "baseline": self._baseline_to_json(),
            "verdicts": [_row(j) for j in self.judgements],
        }

    def _baseline_to_json(self) -> dict[str, Any] | None:
        if self.baseline is None:
            return None
        return {
            "known": [one.to_json() for one in self.excused.values()],
            "fixed": [one.to_json() for one in self.fixed],
        }


def _row(judgement: JudgedRule) -> dict[str, Any]:
    rule, verdict = judgement.rule, judgement.verdict
    finding = verdict.finding
    evidence: dict[str, Any] = {"reason": verdict.reason} if verdict.reason else {}
    if finding is not None:
        evidence.update(expected=finding.expected, got=finding.got, seen=list(finding.lines))
    return {
        "rule": rule.id,
        "title": rule.title,
        "area": rule.area,
        "level": rule.level,
        "verdict": verdict.outcome,
        "evidence": evidence or None,
        "scenario": None if verdict.scenario is None else verdict.scenario.to_json(),
        "confirmed": None if verdict.confirmed is None else list(verdict.confirmed),
        "confirmed_in_real_time": verdict.in_real_time,
        "examples": verdict.examples,
        "exercised": verdict.exercised,
        "seconds": round(verdict.seconds, 3),
    }


def ended_by_clients(verdict: Verdict) -> bool:
    """Whether it says that clients alone make the server fork without end, or a few of them take it to a limit.

    What a server does when a call of its fails, or a descriptor lacks, costs only the rules that try that; so does what
    it takes for a crowd.
    """
    if verdict.rule not in (load().overrun, load().limits) or verdict.outcome != "fail" or verdict.scenario is None:
        return False
    if verdict.rule == load().limits and len(verdict.scenario.clients) > _A_FEW:
        return False
    return not any(step.on_server for step in verdict.scenario.steps)


def behind_overrun(verdicts: Iterable[Verdict]) -> dict[str, Verdict]:
    """One verdict a rule; of a server that is ended whatever it is asked, nothing else is said to have been seen.

    When it is ended is a matter of moments: what a rule found out before is chance. What is broken stays broken.
    """
    verdicts = tuple(verdicts)
    merged = merge(verdicts)
    ended = next((verdict for verdict in verdicts if ended_by_clients(verdict)), None)
    if ended is None:
        return merged
    hidden: dict[str, Any] = {
        "outcome": "not_observable",
        "reason": is_broken(merged[ended.rule]),
        "finding": None,
    }
    return {
        rule: replace(verdict, **hidden) if verdict.outcome in ("pass", "inconclusive") else verdict
        for rule, verdict in merged.items()
    }


def judgements(verdicts: Iterable[Verdict], rules: Iterable[Rule]) -> tuple[JudgedRule, ...]:
    """One judgement for each of these rules that has a verdict."""
    merged = behind_overrun(verdicts)
    order = {rule.id: rule for rule in load().rules}
    wanted = {rule.id for rule in rules}
    chosen = [rule for id, rule in order.items() if id in merged and (id in wanted or merged[id].outcome == "fail")]
    return tuple(JudgedRule(rule, merged[rule.id]) for rule in chosen)
