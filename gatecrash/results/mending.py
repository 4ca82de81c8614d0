"""In which order broken rules are mended, and which of them probably come of another one. Pure.

MUST comes before SHOULD before MAY. Of one level, first what hides many other rules; then what any client can show
before what takes a call that fails, or a shortage; then what a sanitizer saw, which names the line and can be behind
anything, and what ends a process of the server; then what hides a few; then what most rules build on, so that a cause
stands before what builds on it; then the rulebook's order.

A broken rule is folded under an earlier one of at least its level, where something that was seen says they belong
together: its oracle named the memory fault of the other as its cause, the server ended in the same way, it was blocked
in the same place, or the other is one that this one builds on. The last is a guess, as all that says it *may* go away:
a folded rule is named, and never left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from gatecrash.language import stated, values_of
from gatecrash.model.blocked import read_together
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Signal
from gatecrash.model.signals import MEMORY_FAULTS, signal_name
from gatecrash.model.transcript import CrashedProcess, SanitizerReport, ServerEnded, Transcript
from gatecrash.model.verdicts import Verdict, hidden_by
from gatecrash.protocols import protocol_of
from gatecrash.results.record import JudgedRule, RunRecord
from gatecrash.rulebook import Rule, load

_MANY = 5  # rules that are hidden: so many are more than an end, which can hide as many where it comes first
_FAULTS = frozenset(map(signal_name, MEMORY_FAULTS))
_LEVELS = ("MUST", "SHOULD", "MAY")
#: Of these one task is all there is, or the one all clients depend on: where it is blocked, it hangs.
_ONE_FOR_ALL = ("iterative", "event_loop", "unknown")


@dataclass(frozen=True)
class Consequence:
    """A broken rule that may hold again when another is mended, and the sentence that says why."""

    judgement: JudgedRule
    why: str


@dataclass(frozen=True)
class ToMend:
    """A broken rule to be mended for itself. `hides`: the rules that could not be seen because it is broken."""

    judgement: JudgedRule
    consequences: tuple[Consequence, ...] = ()
    hides: tuple[str, ...] = ()

    @property
    def rule(self) -> Rule:
        """The rule that is broken."""
        return self.judgement.rule

    @property
    def rules(self) -> tuple[str, ...]:
        """The rule, and those that probably go with it."""
        return (self.rule.id, *(one.judgement.rule.id for one in self.consequences))

    def to_json(self) -> dict[str, Any]:
        """Plain values, in English."""
        return {
            "rule": self.rule.id,
            "consequences": [{"rule": one.judgement.rule.id, "why": str(one.why)} for one in self.consequences],
            "hides": list(self.hides),
        }


def to_mend(record: RunRecord) -> tuple[ToMend, ...]:
    """What is broken, in the order in which to mend it; what the baseline excuses is left out."""
    hides = _hidden(record.judgements)
    excused = record.excused
    wanted = [judgement for judgement in record.broken if judgement.rule.id not in excused]
    ordered = sorted(wanted, key=lambda judgement: _place_of(judgement, hides))
    folded: dict[str, list[Consequence]] = {}
    roots: list[JudgedRule] = []
    for judgement in ordered:
        for root in roots:
            why = _bond(root, judgement, record.prepared.contract)
            if why is not None and _LEVELS.index(root.rule.level) <= _LEVELS.index(judgement.rule.level):
                folded[root.rule.id].append(Consequence(judgement, why))
                break
        else:
            roots.append(judgement)
            folded[judgement.rule.id] = []
    return tuple(ToMend(one, tuple(folded[one.rule.id]), hides.get(one.rule.id, ())) for one in roots)


def _hidden(judgements: Iterable[JudgedRule]) -> Mapping[str, tuple[str, ...]]:
    """Of each rule those that could not be seen because it is broken, or because what comes of it is."""
    judged = {judgement.rule.id: judgement for judgement in judgements}
    found: dict[str, tuple[str, ...]] = {}
    for rule, judgement in judged.items():
        behind = hidden_by(judgement.verdict)
        if behind is not None:
            cause = next((one for one in _named(judged.get(behind)) if one in judged), behind)
            found[cause] = (*found.get(cause, ()), rule)
    return found


def _named(judgement: JudgedRule | None) -> tuple[str, ...]:
    """The rules about memory that the sentences of a finding name: its cause."""
    finding = None if judgement is None else judgement.verdict.finding
    lines = () if finding is None else finding.lines
    rules = (load().get(str(value)) for line in lines for name, value in values_of(line) if name == "rule")
    return tuple(rule.id for rule in rules if rule.area == "memory")


def _place_of(judgement: JudgedRule, hides: Mapping[str, Sequence[str]]) -> tuple[int, ...]:
    rule, hidden = judgement.rule, len(hides.get(judgement.rule.id, ()))
    many, built = hidden // _MANY, len(_built_upon().get(rule.id, ()))
    return _LEVELS.index(rule.level), -many, _takes_a_failure(judgement), _harm(judgement), -hidden, -built


def _takes_a_failure(judgement: JudgedRule) -> bool:
    """Whether it was shown by a call that we made fail, or by a shortage: what clients alone show is met sooner."""
    played = judgement.verdict.scenario
    return played is not None and any(step.injects for step in played.steps)


def _harm(judgement: JudgedRule) -> int:
    """0: a sanitizer's report, 1: a memory fault under its own rule, 2: another end, 3: none of these."""
    transcript = judgement.verdict.transcript
    if transcript is not None and any(isinstance(event, SanitizerReport) for event in transcript.events):
        return 0
    if judgement.rule.area == "memory":
        return 1
    return 3 if _end(judgement.verdict) is None else 2


@cache
def _built_upon() -> Mapping[str, frozenset[str]]:
    """Of each rule those that build on it, directly or by others."""
    found: dict[str, set[str]] = {}
    for rule in reversed(load().in_order()):
        for below in rule.after:
            found.setdefault(below, set()).update({rule.id}, found.get(rule.id, ()))
    return {rule: frozenset(above) for rule, above in found.items()}


def _bond(cause: JudgedRule, other: JudgedRule, contract: Contract) -> str | None:
    """Why the second probably comes of the first; None where nothing says so."""
    told = (bond(cause, other, contract) for bond in _BONDS)
    return next((why for why in told if why is not None), None)


def _named_fault(cause: JudgedRule, other: JudgedRule, _: Contract) -> str | None:
    named = cause.rule.id in _named(other)
    return stated("its cause is the memory fault of {rule}", rule=cause.rule.id) if named else None


def _same_end(cause: JudgedRule, other: JudgedRule, _: Contract) -> str | None:
    one, two = _end(cause.verdict), _end(other.verdict)
    if one is None or one != two:
        return None
    return stated("it ends in the same way: {how}", how=one)


def _damage(cause: JudgedRule, other: JudgedRule, _: Contract) -> str | None:
    died = _end(other.verdict)
    if _harm(cause) or cause.rule.area != "memory" or died not in _FAULTS:
        return None
    return stated("a process died of {signal}, which is how damaged memory ends", signal=died)


def _end(verdict: Verdict) -> str | None:
    """How the server, or a process of it, came to its end in front of us: by which signal, or with which last line.

    One that said nothing, or that was told to end, tells nothing about its end.
    """
    transcript = verdict.transcript
    if transcript is None or verdict.finding is None:
        return None
    for event in transcript.events:
        if isinstance(event, CrashedProcess):
            return _signal(event.signal, transcript)
        if isinstance(event, ServerEnded) and event.status < 0:
            return _signal(-event.status, transcript)
        if isinstance(event, ServerEnded) and event.status and event.output.strip():
            return event.output.strip().splitlines()[-1]
    return None


def _signal(number: int, transcript: Transcript) -> str | None:
    sent = {step.name for step in transcript.scenario.steps if isinstance(step, Signal)}
    return None if signal_name(number) in {"SIGKILL", *sent} else signal_name(number)


def _same_place(cause: JudgedRule, other: JudgedRule, contract: Contract) -> str | None:
    one, two = _places(cause.verdict), _places(other.verdict)
    if contract.concurrency not in _ONE_FOR_ALL or not one or one != two:
        return None
    call, number = min(one)
    return stated("the server is blocked in the same place: {call} on descriptor {number}", call=call, number=number)


def _places(verdict: Verdict) -> frozenset[tuple[str, int]]:
    """Where tasks were blocked on one descriptor; the wait for the next client is where a server rests."""
    tasks = () if verdict.finding is None else verdict.finding.tasks
    blocked = (task for task in tasks if task.state == "blocked" and not task.accepts)
    return frozenset((task.call, task.descriptor.number) for task in blocked if task.descriptor is not None)


def _shared_connection(cause: JudgedRule, other: JudgedRule, _: Contract) -> str | None:
    findings = (cause.verdict.finding, other.verdict.finding)
    if not all(finding is not None and read_together(finding.tasks) for finding in findings):
        return None
    return stated("in both, several threads wait for the bytes of one connection")


def _builds_on(cause: JudgedRule, other: JudgedRule, contract: Contract) -> str | None:
    """Directly, and of one area: that a client is served is what nearly every rule builds on, and says nothing."""
    if cause.rule.area != other.rule.area or cause.rule.id in protocol_of(contract).basic_rules:
        return None
    if cause.rule.id not in other.rule.after:
        return None
    return stated("it builds on {rule}", rule=cause.rule.id)


_BONDS = (_named_fault, _same_end, _damage, _same_place, _shared_connection, _builds_on)
