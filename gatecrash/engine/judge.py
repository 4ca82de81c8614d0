"""One scenario played and judged by one rule: the same for a trial, a prerequisite, a leak and a replay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gatecrash.engine.comparing import believed
from gatecrash.engine.session import Session
from gatecrash.model.scenario import Scenario
from gatecrash.model.transcript import Transcript
from gatecrash.model.verdicts import NOT_THEIRS, Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import Oracle, oracle_of
from gatecrash.oracles.invariants import broken_invariants, with_cause
from gatecrash.oracles.let_go import excused
from gatecrash.oracles.yardstick import unmeasured
from gatecrash.rulebook import Rule


@dataclass(frozen=True)
class Example:
    """What one rule says of one scenario, the transcript that shows it, and what else was found broken in it.

    `changed`: what a lone client gets was not what it had been, so only what stays the same was compared.
    """

    ruling: Ruling
    transcript: Transcript
    others: tuple[Finding, ...] = ()
    changed: bool = False

    @property
    def finding(self) -> Finding | None:
        """What is broken, if something is: it may rest on time alone (not `conclusive`)."""
        return self.ruling if isinstance(self.ruling, Finding) else None


def judge(
    session: Session,
    rule: Rule,
    scenario: Scenario,
    *,
    build: str = "plain",
    fresh: bool = False,
    sure: bool = False,
    real: float | None = None,
) -> Example:
    """Play a scenario on the running server, or on a `fresh` one, and ask the rule's oracle.

    `sure`: somebody may be blamed, so the server is watched for longer, and what rests on a comparison is looked into
    before it is believed. `real`: see Session.play. Raises TargetError when no server starts.
    """
    hasty = not (fresh or sure or rule.careful or rule.id in session.unhurried)
    example = _played(session, rule, scenario, build, fresh=fresh, hasty=hasty, sure=sure, real=real)
    if example.finding is not None and example.transcript.early:
        example = _played(session, rule, scenario, build, fresh=False, hasty=False, sure=sure, real=real)
        if example.finding is None:  # it only looked broken too early: for this rule nothing is guessed from now on
            session.unhurried.add(rule.id)
    return example


def _played(
    session: Session,
    rule: Rule,
    scenario: Scenario,
    build: str,
    *,
    fresh: bool,
    hasty: bool,
    sure: bool,
    real: float | None,
) -> Example:
    # What is answered does not matter to the sanitizers, and the memory suite's rude bytes may get no answer.
    if build == "plain" and rule.area != "memory":
        session.plain.learn(scenario)

    def play() -> Transcript:
        return session.play(scenario, build=build, fresh=True, sure=True)

    transcript = session.play(scenario, build=build, fresh=fresh, hasty=hasty, sure=sure, real=real)
    others = tuple(broken_invariants(session.case(transcript)))
    if build != "plain" and rule.area != "memory":
        return Example(_said_by_sanitizers(rule, others), transcript, others)
    return _ruled(session, rule, transcript, others, play if sure and real is None else None)


def _said_by_sanitizers(rule: Rule, others: tuple[Finding, ...]) -> Ruling:
    own = next((finding for finding in others if finding.rule == rule.id), None)
    return own or NOT_THEIRS


def _ruled(
    session: Session,
    rule: Rule,
    transcript: Transcript,
    others: tuple[Finding, ...],
    play: Callable[[], Transcript] | None,
) -> Example:
    oracle = _excusing(oracle_of(rule.id), rule)
    ruling, changed = oracle(session.case(transcript)), False
    # The rules of a stream judge what came by what was sent, whatever a lone client gets.
    if not isinstance(ruling, Held) and rule.area not in ("stream", "memory") and session.plain.learn_short(transcript):
        ruling = oracle(session.case(transcript))
    if isinstance(ruling, Finding) and play is not None:
        ruling, transcript, changed = _looked_into(session, oracle, transcript, play)
    return Example(_in_full(rule, session.case(transcript), ruling), transcript, others, changed)


def _excusing(oracle: Oracle, rule: Rule) -> Oracle:
    """The oracle; only the rules about time say something of a client that was let go by a time limit."""
    if rule.area == "time":
        return oracle
    return lambda case: excused(oracle(case), case.transcript, case.contract)


def _looked_into(
    session: Session, oracle: Oracle, transcript: Transcript, play: Callable[[], Transcript]
) -> tuple[Ruling, Transcript, bool]:
    finding, transcript, changed = believed(session, oracle, transcript, play)
    return finding if finding is not None else oracle(session.case(transcript)), transcript, changed


def _in_full(rule: Rule, case: Case, ruling: Ruling) -> Ruling:
    """The ruling with the cause that is known, and with what a lone client got in mind."""
    if isinstance(ruling, Finding):
        return with_cause(case, ruling)
    why = unmeasured(rule.measure, case)
    return ruling if why is None else NotExercised(why)
