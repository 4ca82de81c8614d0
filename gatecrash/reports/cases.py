"""What every CI is told: one case a rule, whether it counts, and where in the sources it belongs."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from gatecrash.reports.differing import side_by_side
from gatecrash.reports.words import confirmed, played
from gatecrash.results.advice import fitting
from gatecrash.results.folding import folded_lines
from gatecrash.results.record import JudgedRule, RunRecord
from gatecrash.rulebook import Rule
from gatecrash.shell import command
from gatecrash.text import safe_text

#: failed counts against the gate; known is a failure of the baseline; advice is a broken SHOULD or MAY that fails
#: nothing; unjudged could not be said.
CaseStatus = Literal["passed", "failed", "known", "advice", "unjudged"]
_MOST_TITLE = 300
_MOST_DETAILS = 8_000
_MOST_FAULT = 8_000
_RULEBOOK = "gatecrash/rulebook"


@dataclass(frozen=True)
class SourceLine:
    """A line of a source file. `path` is taken from the checkout, with slashes; `ours`: a file of Gatecrash."""

    path: str
    line: int
    ours: bool = False


@dataclass(frozen=True)
class ReportedCase:
    """One rule of a run. All text is safe to print: escaped and bounded."""

    rule: Rule
    status: CaseStatus
    message: str
    details: str
    place: SourceLine
    seconds: float
    judgement: JudgedRule


@dataclass(frozen=True)
class Trouble:
    """Why there are no verdicts, or not all: nothing of it is said of the target's rules."""

    title: str
    text: str
    ours: bool


def cases(record: RunRecord) -> tuple[ReportedCase, ...]:
    """Every judged rule, in the rulebook's order."""
    return tuple(_case(record, judgement) for judgement in record.judgements)


def troubles(record: RunRecord) -> tuple[Trouble, ...]:
    """A build that failed, a fault of ours, an interruption."""
    found = []
    if record.error is not None:
        found.append(Trouble("The target did not build or start", bounded(record.error, _MOST_FAULT), ours=False))
    if record.fault is not None:
        found.append(Trouble("A fault of Gatecrash; it says nothing of the target", _last(record.fault), ours=True))
    if record.interrupted:
        found.append(Trouble("Interrupted: not every rule was judged", "", ours=True))
    return tuple(found)


def _case(record: RunRecord, judgement: JudgedRule) -> ReportedCase:
    rule, verdict = judgement.rule, judgement.verdict
    return ReportedCase(
        rule=rule,
        status=_status(record, judgement),
        message=bounded(_message(record, judgement), _MOST_TITLE),
        details=bounded(_details(record, judgement), _MOST_DETAILS),
        place=_place(record, judgement),
        seconds=verdict.seconds,
        judgement=judgement,
    )


def _status(record: RunRecord, judgement: JudgedRule) -> CaseStatus:
    outcome, rule = judgement.verdict.outcome, judgement.rule
    if outcome == "pass":
        return "passed"
    if outcome != "fail":
        return "unjudged"
    if rule.id in record.excused:
        return "known"
    counts = rule.level == "MUST" or (record.strict and rule.level == "SHOULD")
    return "failed" if counts else "advice"


def _message(record: RunRecord, judgement: JudgedRule) -> str:
    verdict = judgement.verdict
    if verdict.outcome != "fail":
        said = verdict.outcome.replace("_", " ")
        return "" if verdict.outcome == "pass" else f"{said}: {verdict.reason}"
    finding = verdict.finding
    got = judgement.rule.title if finding is None else f"expected {finding.expected}; got {finding.got}"
    known = record.excused.get(judgement.rule.id)
    if known is None:
        return got
    reason = f": {known.reason}" if known.reason else ""
    return f"known failure (baseline){reason}; {got}"


def _details(record: RunRecord, judgement: JudgedRule) -> str:
    """What a reader of a log needs: the claim, expected and got, the scenario, the evidence, the next step."""
    rule, verdict = judgement.rule, judgement.verdict
    if verdict.outcome != "fail":
        return ""
    lines = [f"{rule.id} {rule.level}: {rule.title}", f"source: {rule.source}"]
    if verdict.finding is not None:
        lines += ["", f"expected: {verdict.finding.expected}", f"got:      {verdict.finding.got}"]
        if verdict.finding.difference is not None:
            lines += [f"  {line}" for line in side_by_side(verdict.finding.difference)]
    if verdict.finding is not None and verdict.finding.lines:
        lines += ["", "seen from outside:", *(f"  {line}" for line in verdict.finding.lines)]
    if verdict.scenario is not None:
        lines += [
            "",
            str(played(verdict)) + ":",
            *(f"{number:2}. {line}" for number, line in folded_lines(verdict.scenario.steps)),
        ]
    lines += [
        f"\nthe usual mistake: {one.text.strip()}" for one in fitting(rule, verdict, record.prepared.contract)[:1]
    ]
    if again := confirmed(verdict):
        lines += ["", f"replayed on fresh servers: {again}"]
    lines += ["", f"see it again: {command('replay', rule.id, target=record.named)}"]
    return "\n".join([*lines, f"read about it: gatecrash explain {rule.id}"])


# -- places ---------------------------------------------------------------------------------------------------------


def source_place(record: RunRecord) -> SourceLine | None:
    """The first line of the target's source; None where it is none that we know of."""
    source = record.prepared.source
    return None if source is None else SourceLine(bounded(_from_checkout(source), 1000), 1)


def _place(record: RunRecord, judgement: JudgedRule) -> SourceLine:
    source = source_place(record)
    if source is None:
        return _in_the_rulebook(judgement.rule)
    return SourceLine(source.path, _named_line(judgement, Path(source.path).name))


def _named_line(judgement: JudgedRule, name: str) -> int:
    """The line that the finding names, as the sanitizers do ("server.c:42"); else 1."""
    finding = judgement.verdict.finding
    if finding is None:
        return 1
    place = re.compile(rf"(?<![\w.-]){re.escape(name)}:([1-9][0-9]{{0,5}})\b")
    found = (place.search(text) for text in (finding.got, *finding.lines))
    return next((int(one[1]) for one in found if one is not None), 1)


def _from_checkout(source: str) -> str:
    """The path from the checkout's root, which CI systems name, and else from the working folder."""
    path = Path(source)
    if not path.is_absolute():
        return path.as_posix()
    for root in (os.environ.get("GITHUB_WORKSPACE"), os.environ.get("CI_PROJECT_DIR"), os.getcwd()):
        if root and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.as_posix()


def _in_the_rulebook(rule: Rule) -> SourceLine:
    return SourceLine(f"{_RULEBOOK}/{rule.area}.toml", _lines_of(rule.area).get(rule.id, 1), ours=True)


@cache
def _lines_of(area: str) -> dict[str, int]:
    """The line of each rule's entry."""
    text = (files("gatecrash.rulebook") / f"{area}.toml").read_text(encoding="utf-8")
    ids = (re.match(r'id = "([^"]+)"', line) for line in text.splitlines())
    return {found[1]: number for number, found in enumerate(ids, 1) if found is not None}


# -- text -----------------------------------------------------------------------------------------------------------


def bounded(text: str, most: int) -> str:
    """Escaped, and cut with a word about it where it is longer than `most` characters."""
    safe = safe_text(text[: most + 1])
    if len(safe) <= most:
        return safe
    return f"{safe[:most]} … cut: --report json=FILE has all of it"


def _last(text: str) -> str:
    return bounded(text[-_MOST_FAULT:], _MOST_FAULT)


def one_line(text: str) -> str:
    """Without line ends."""
    return " ".join(text.split())
