"""Findings and verdicts: what is said of a rule for a target. Pure data and pure decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gatecrash.language import Sentence, marked, stated
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.contract import Contract
from gatecrash.model.facts import NO_FACTS, Facts
from gatecrash.model.scenario import Scenario
from gatecrash.model.transcript import SanitizerReport, Transcript

Outcome = Literal["pass", "fail", "not_applicable", "not_observable", "inconclusive"]
#: What two answers to the same bytes can differ in; of one that is not HTTP, or not whole, all is its body.
Aspect = Literal["status", "body"]
EVERYTHING: frozenset[Aspect] = frozenset({"status", "body"})
#: From the one that says most to the one that says least; the first present wins when runs are merged.
PRECEDENCE: tuple[Outcome, ...] = ("fail", "inconclusive", "pass", "not_observable", "not_applicable")


@dataclass(frozen=True)
class Difference:
    """The byte where the expected and the received part: `offset` counts from 0 into both."""

    expected: bytes
    got: bytes
    offset: int


#: What was seen that shows it: a sentence, or where a task of the server was.
Evidence = str | BlockedTask


@dataclass(frozen=True)
class Finding:
    """A broken rule as one scenario shows it. Not `conclusive`: it rests on time alone and is no failure."""

    rule: str
    expected: str
    got: str
    evidence: tuple[Evidence, ...] = ()
    difference: Difference | None = None
    conclusive: bool = True
    facts: Facts = NO_FACTS

    @property
    def lines(self) -> tuple[str, ...]:
        """The evidence in sentences."""
        return tuple(one.line() if isinstance(one, BlockedTask) else one for one in self.evidence)

    @property
    def tasks(self) -> tuple[BlockedTask, ...]:
        """The tasks of the server that are part of the evidence."""
        return tuple(one for one in self.evidence if isinstance(one, BlockedTask))


@dataclass(frozen=True)
class Held:
    """The rule was put to the test in this scenario, and held. `evidence`: what was seen of that."""

    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class NotExercised:
    """Nothing is said of the rule: the scenario did not come to the point, or it could not be seen there.

    `why` is a sentence. `unproven`: it came to the point, but what was seen there proves nothing (the server was never
    still); else there was nothing to see. `absent`: this server has nothing that the rule is about; where no example
    shows anything else, it does not apply to it.
    """

    why: str
    unproven: bool = False
    absent: bool = False


#: What an oracle says of one scenario.
Ruling = Held | Finding | NotExercised


#: What a build with the sanitizers says of a rule that is not theirs, whatever came of its scenarios.
NOT_THEIRS = NotExercised(stated("on a build with the sanitizers only what they say counts"), absent=True)


@dataclass(frozen=True)
class Plain:
    """What a lone client got that sent the same bytes in one segment: the yardstick for every other way."""

    received: bytes
    end: str | None
    answered: bool
    #: What was another one each time, on fresh servers: such an answer changes by itself, and is not compared in that.
    varies: frozenset[Aspect] = frozenset()
    #: What was another one when it was asked again on the same server: what was asked before has changed it.
    moves: frozenset[Aspect] = frozenset()

    @property
    def body_changes(self) -> bool:
        """Whether what it says, besides its status, may be another thing the next time."""
        return "body" in self.varies | self.moves


@dataclass(frozen=True)
class Case:
    """What an oracle judges: the transcript, the contract, and the plain answers to the same bytes."""

    transcript: Transcript
    contract: Contract
    plain: Mapping[bytes, Plain] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """One rule's verdict for one target, with what a report needs."""

    rule: str
    outcome: Outcome
    reason: str = ""
    finding: Finding | None = None
    scenario: Scenario | None = None
    transcript: Transcript | None = None
    confirmed: tuple[int, int] | None = None
    #: One of the replays was made in real time, though the server's own time had been skipped before.
    in_real_time: bool = False
    examples: int = 0
    #: In how many of the examples the rule was put to the test.
    exercised: int = 0
    seconds: float = 0.0
    build: str = "plain"
    #: It was not tried, or not to its end, because there was no more time.
    late: bool = False
    #: Why rules that build on this one cannot be seen, as its probe (the first example) tells; "" where they can, None
    #: where no probe was played.
    hides: str | None = None

    @property
    def seen(self) -> str:
        """What was got and the evidence, as one text."""
        return "" if self.finding is None else "\n".join((self.finding.got, *self.finding.lines))

    def to_json(self) -> dict[str, Any]:
        """Plain values; peers' bytes as Latin-1 text, in the transcript as base64."""
        from gatecrash.model import saved_transcript  # brings pydantic, which a worker never needs

        finding = None
        if self.finding is not None:
            evidence = self.finding.evidence
            difference = self.finding.difference
            finding = {
                "rule": self.finding.rule,
                "expected": self.finding.expected,
                "got": self.finding.got,
                "evidence": [one if isinstance(one, str) else saved_transcript.task_to_json(one) for one in evidence],
                "conclusive": self.finding.conclusive,
                "facts": self.finding.facts.to_json(),
                "difference": None
                if difference is None
                else [difference.expected.decode("latin-1"), difference.got.decode("latin-1"), difference.offset],
            }
        return {
            "said": {text: text.to_json() for text in self._texts() if isinstance(text, Sentence)},
            "rule": self.rule,
            "outcome": self.outcome,
            "reason": self.reason,
            "finding": finding,
            "scenario": None if self.scenario is None else self.scenario.to_json(),
            "transcript": None if self.transcript is None else saved_transcript.to_json(self.transcript),
            "confirmed": None if self.confirmed is None else list(self.confirmed),
            "in_real_time": self.in_real_time,
            "examples": self.examples,
            "exercised": self.exercised,
            "seconds": self.seconds,
            "build": self.build,
            "late": self.late,
            "hides": self.hides,
        }

    def _texts(self) -> tuple[str, ...]:
        found, own = self.finding, (self.reason, self.hides or "")
        if found is None:
            return own
        return (*own, found.expected, found.got, *(one for one in found.evidence if isinstance(one, str)))

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Verdict:
        """The verdict that `to_json` wrote."""
        from gatecrash.model import saved_transcript

        values = dict(row)
        said = {text: Sentence.from_json(made) for text, made in values.pop("said", {}).items()}
        for name in ("reason", "hides"):
            values[name] = said.get(values[name], values[name])
        if values["transcript"] is not None:
            values["transcript"] = saved_transcript.from_json(values["transcript"])
        if values["finding"] is not None:
            f = dict(values["finding"])
            difference = f.pop("difference")
            values["finding"] = Finding(
                **{
                    **f,
                    **{name: said.get(f[name], f[name]) for name in ("expected", "got")},
                    "facts": Facts.from_json(f["facts"]),
                    "evidence": tuple(
                        said.get(one, one) if isinstance(one, str) else saved_transcript.task_from_json(one)
                        for one in f["evidence"]
                    ),
                },
                difference=None
                if difference is None
                else Difference(difference[0].encode("latin-1"), difference[1].encode("latin-1"), difference[2]),
            )
        values["scenario"] = None if values["scenario"] is None else Scenario.from_json(values["scenario"])
        values["confirmed"] = None if values["confirmed"] is None else tuple(values["confirmed"])
        return cls(**values)


def is_broken(verdict: Verdict) -> str:
    """Why a rule that builds on the broken one of this verdict cannot be seen."""
    return broken_here(verdict.rule, verdict.finding)


#: What is got where descriptors stay open, and all of them are files.
FILES_STAY = marked("{number} files more are open after {clients} clients more, all of whom have gone")
_HIDDEN = marked("{rule} is broken ({got}), so this cannot be seen")


def broken_here(rule: str, finding: Finding | None) -> str:
    """Why what builds on this rule cannot be seen: it is broken."""
    got = "" if finding is None else finding.got
    return stated(_HIDDEN, rule=rule, got=got)


def hidden_by(verdict: Verdict) -> str | None:
    """The broken rule because of which this one cannot be seen; None where that is not the reason."""
    reason = verdict.reason
    said = verdict.outcome == "not_observable" and isinstance(reason, Sentence) and reason.template == _HIDDEN
    return str(reason.values["rule"]) if said and isinstance(reason, Sentence) else None


def only_files_stay(hidden: str) -> bool:
    """Whether the reason why a rule cannot be seen is that files stay open: each connection ends all the same."""
    got = hidden.values.get("got") if isinstance(hidden, Sentence) else None
    return isinstance(got, Sentence) and got.template == FILES_STAY


def unproven_here(rule: str, finding: Finding) -> str:
    """Why what builds on this rule cannot be seen: it looks broken, and time alone says so."""
    return stated("{rule} could not be proven here ({got}), so this cannot be seen", rule=rule, got=finding.got)


def merge(verdicts: Iterable[Verdict]) -> dict[str, Verdict]:
    """One verdict a rule. A failure is told by the rule's own test, then by the build that shows more of it."""
    merged: dict[str, Verdict] = {}
    for verdict in verdicts:
        known = merged.get(verdict.rule)
        if known is None or _rank(verdict) < _rank(known):
            merged[verdict.rule] = verdict
    return merged


def _sanitizer_names(verdict: Verdict) -> bool:
    events = () if verdict.transcript is None else verdict.transcript.events
    return any(isinstance(event, SanitizerReport) for event in events)


def _rank(verdict: Verdict) -> tuple[int, int, int, int, int]:
    """What was seen again on fresh servers is the rule's own; another's trial shows it in what that was tried with.

    Why nothing was seen is told by the build that shows more: the plain one may say that it takes another one. Of a
    crash the sanitizers name the line.
    """
    length = len(verdict.scenario.steps) if verdict.scenario is not None else 0
    seen_again = int(verdict.outcome == "fail" and verdict.confirmed is None)
    if verdict.outcome == "fail" and _sanitizer_names(verdict):
        build = -1
    elif verdict.reason == NOT_THEIRS.why:
        build = 2
    else:
        build = int((verdict.build != "plain") != (verdict.outcome == "not_observable"))
    return (PRECEDENCE.index(verdict.outcome), seen_again, build, length, -verdict.examples)
