"""What the examples of a rule have shown, and what it comes to where none of them broke it."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatecrash.language import marked, stated
from gatecrash.model.verdicts import Finding, NotExercised, Outcome

_NOT_ALWAYS_THE_SAME = stated("what a lone client gets did not stay the same, so only what did was compared")


@dataclass
class Seen:
    """What was seen while one rule was tried, but for what broke it.

    `exercised`: examples in which the rule was put to the test. `unproved`: findings that rest on time alone.
    `broken_off`: why a scenario was not played to its end. `flooded`: who was sent more than is kept. `unstarted`: why
    the server could not be started again. `overrun`: why the rule cannot be seen: the server was ended for what it
    took. `unrepeated`: what was seen of a server that then served nobody more. `compared_less`: an example was let go
    because what a lone client gets is not what it was. `unheard`: why sanitizers that said nothing say nothing of it.
    """

    examples: int = 0
    exercised: int = 0
    unexercised: list[NotExercised] = field(default_factory=list)
    unproved: list[Finding] = field(default_factory=list)
    broken_off: str = ""
    flooded: str = ""
    unstarted: str = ""
    overrun: str = ""
    unrepeated: Finding | None = None
    compared_less: bool = False
    unheard: str = ""


@dataclass(frozen=True)
class Conclusion:
    """What is said of a rule: see the fields of Verdict."""

    outcome: Outcome
    reason: str = ""
    finding: Finding | None = None
    late: bool = False


def unbroken(seen: Seen) -> Conclusion:
    """What is said of a rule that no example broke: it has held where it was put to the test and nothing is doubtful.

    What could not be played to its end, or was not proven, is no pass.
    """
    if seen.overrun:
        return Conclusion("not_observable", seen.overrun)
    if seen.unstarted:
        return Conclusion("inconclusive", seen.unstarted)
    if seen.broken_off:
        begun, none = marked("not tried to its end: time: {why}"), marked("not tried: time: {why}")
        reason = stated(begun if seen.exercised else none, why=seen.broken_off)
        return Conclusion("inconclusive", reason, late=True)
    if seen.unproved and seen.flooded:
        return Conclusion("inconclusive", seen.flooded)
    if seen.unproved:
        finding = seen.unproved[0]
        reason = stated("{got}, but patience ran out before it was proven", got=finding.got)
        return Conclusion("inconclusive", reason, finding)
    if seen.unrepeated is not None:
        reason = stated(
            "{got}: seen on a server that then served nobody more, but on no fresh one", got=seen.unrepeated.got
        )
        return Conclusion("inconclusive", reason, seen.unrepeated)
    if not seen.exercised:
        return _never_exercised(seen)
    if seen.unheard:
        return Conclusion("not_observable", seen.unheard)
    return Conclusion("pass", _NOT_ALWAYS_THE_SAME if seen.compared_less else "")


def _never_exercised(seen: Seen) -> Conclusion:
    """No example put the rule to the test: the first reason stands for all, what proves nothing before others."""
    ordered = sorted(seen.unexercised, key=lambda unseen: not unseen.unproven)
    if not ordered:
        return Conclusion("inconclusive", stated("nothing could be tried"))
    if all(unseen.absent for unseen in ordered):
        return Conclusion("not_applicable", ordered[0].why)
    return Conclusion("inconclusive" if ordered[0].unproven else "not_observable", ordered[0].why)
