"""What the HTML page shows of a record, decided before a template sees it: pure, every part bounded."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import CLexer, PythonLexer

from gatecrash import __version__
from gatecrash.diagrams import diagram
from gatecrash.language import Sentence, joined, marked, say, spoken
from gatecrash.model.verdicts import Outcome, Verdict
from gatecrash.reports import words
from gatecrash.reports.byte_diff import Side, sides
from gatecrash.reports.sequence_svg import svg
from gatecrash.reproduction import NotAlone, script
from gatecrash.results import exit_codes
from gatecrash.results.exit_codes import ExitCode
from gatecrash.results.folding import folded_lines
from gatecrash.results.record import JudgedRule, RunRecord
from gatecrash.rulebook import Mistake, Rule, in_language
from gatecrash.text import safe_text

#: The longest text of a stranger's that is shown whole, in characters; of a longer one the middle is left out.
LONGEST = 4_000
_MOST_STEPS = 120
_MOST_EVIDENCE = 40
_MOST_LINES = 400
_LONGEST_SCRIPT = 400_000

Tone = Literal["good", "bad", "unsure"]

_TONES: dict[ExitCode, Tone] = {ExitCode.CONFORMS: "good", ExitCode.BROKEN: "bad", ExitCode.NOT_STARTED: "bad"}

SYMBOLS: dict[Outcome, str] = {
    "pass": "✓",
    "fail": "✗",
    "inconclusive": "?",
    "not_observable": "–",
    "not_applicable": "·",
}


@dataclass(frozen=True)
class Fact:
    """A line of the header. `literal`: a command or an address, shown in the typewriter face."""

    label: str
    texts: tuple[str, ...]
    literal: bool = False


@dataclass(frozen=True)
class Fix:
    """A usual mistake, and the code that mends it: (language, coloured source) each."""

    text: str
    code: tuple[tuple[str, Markup], ...]


@dataclass(frozen=True)
class TableRow:
    """A rule on the board, with its explanation. `detail` names what a broken rule's own part of the page adds."""

    rule: Rule
    outcome: Outcome
    symbol: str
    word: str
    reason: str
    fixes: tuple[Fix, ...]
    #: Why the baseline excuses it; None when it does not.
    known: str | None = None

    @property
    def broken(self) -> bool:
        """Whether the rule has a part of the page of its own."""
        return self.outcome == "fail"

    @property
    def anchor(self) -> str:
        """The rule's place in the page."""
        return self.rule.id


@dataclass(frozen=True)
class Group:
    """The rules of one area and their counts in words."""

    area: str
    rows: tuple[TableRow, ...]
    counts: str


@dataclass(frozen=True)
class Failure:
    """A broken rule: all that its reader needs."""

    row: TableRow
    steps: tuple[tuple[int, str], ...]
    steps_left_out: int
    expected: str
    got: str
    difference: tuple[Side, Side] | None
    offset: int
    evidence: tuple[str, ...]
    evidence_left_out: int
    diagram: Markup | None
    transcript: str
    sanitized: bool
    confirmed: str
    replay: str
    script: Markup | None
    script_name: str


@dataclass(frozen=True)
class Unjudged:
    """One reason for which rules were not judged."""

    word: str
    symbol: str
    reason: str
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """The whole page."""

    title: str
    target: str
    closing: str
    tone: Tone
    symbol: str
    counts: str
    advice: bool
    fixed: tuple[str, ...]
    facts: tuple[Fact, ...]
    error: str
    fault: str
    interrupted: bool
    groups: tuple[Group, ...]
    failures: tuple[Failure, ...]
    unjudged: tuple[Unjudged, ...]
    outcomes: tuple[tuple[Outcome, str, str, int], ...]
    levels: tuple[str, ...]
    total: int
    version: str


def page(record: RunRecord) -> Page:
    """The page of a record."""
    code = exit_codes.of_record(record, strict=record.strict)
    target = bounded(record.prepared.name, 120)
    closing = spoken(words.closing(record, strict=record.strict))
    tone: Tone = _TONES.get(code, "unsure")
    rows = {j.rule.id: _row(j, record) for j in record.judgements}
    return Page(
        title=f"{target} {closing}",
        target=target,
        closing=closing,
        tone=tone,
        symbol={"good": "✓", "bad": "✗", "unsure": "?"}[tone],
        counts=spoken(words.counts(record)) if record.judgements else "",
        advice=code == ExitCode.CONFORMS and any(j.rule.id not in record.excused for j in record.broken),
        fixed=tuple(one.rule for one in record.fixed),
        facts=_facts(record),
        error=bounded(record.error or ""),
        fault=bounded(record.fault or ""),
        interrupted=record.interrupted,
        groups=_groups(rows.values()),
        failures=tuple(_failure(j, rows[j.rule.id], record) for j in record.broken),
        unjudged=_unjudged(rows.values()),
        outcomes=tuple(
            (name, SYMBOLS[name], _word(name, record.summary[name]), record.summary[name])
            for name in SYMBOLS
            if record.summary[name]
        ),
        levels=tuple(name for name in ("MUST", "SHOULD", "MAY") if any(r.rule.level == name for r in rows.values())),
        total=len(rows),
        version=__version__,
    )


def bounded(text: str, longest: int = LONGEST) -> str:
    """Anybody's text made safe to show: control and bidirectional characters escaped, the middle of a long one cut."""
    text = spoken(text) if isinstance(text, Sentence) else text
    if len(text) > longest:
        keep = longest // 2
        left_out = say("… {count} characters left out …", count=len(text) - 2 * keep)
        text = f"{text[:keep]}\n{left_out}\n{text[-keep:]}"
    return safe_text(text.expandtabs(4))


def _facts(record: RunRecord) -> tuple[Fact, ...]:
    prepared, judged = record.prepared, record.error is None and bool(record.prepared.address)
    facts = [Fact(say("built"), tuple(bounded(line) for line in prepared.how_built), literal=True)]
    if judged:
        facts.append(Fact(say("listens"), (bounded(words.listens(prepared)),)))
        facts.append(Fact(say("discovered"), (bounded(words.discovered(prepared.contract)),)))
    facts.append(Fact(say("contract"), tuple(_promise(record, name) for name in sorted(prepared.contract.written))))
    facts.append(Fact(say("note"), tuple(bounded(note) for note in prepared.notes)))
    facts.append(
        Fact(
            say("cannot be seen here"),
            tuple(bounded(joined((name, why), ": ")) for name, why in record.missing.items()),
        )
    )
    tried = say("profile {profile}, {seconds:.1f} seconds", profile=record.profile, seconds=record.seconds)
    facts.append(Fact(say("tried"), (f"{tried}, Gatecrash {__version__}",)))
    return tuple(fact for fact in facts if fact.texts)


def _promise(record: RunRecord, name: str) -> str:
    return bounded(f"{name} = {record.prepared.contract.promise(name)}", 200)


def _row(judgement: JudgedRule, record: RunRecord) -> TableRow:
    rule, outcome = in_language(judgement.rule), judgement.verdict.outcome
    return TableRow(
        rule=rule,
        outcome=outcome,
        symbol=SYMBOLS[outcome],
        word=spoken(words.OUTCOME_WORDS[outcome]),
        reason=bounded(judgement.verdict.reason, 1000),
        # What a server cannot break is not explained with a mistake.
        fixes=()
        if outcome == "not_applicable"
        else _fixes(rule.likeliest(judgement.verdict.seen), record.prepared.contract.source),
        known=bounded(record.excused[rule.id].reason, 1000) if rule.id in record.excused else None,
    )


def _fixes(mistakes: tuple[Mistake, ...], source: str) -> tuple[Fix, ...]:
    return tuple(Fix(" ".join(one.text.split()), _code(one, source)) for one in mistakes)


def _code(mistake: Mistake, source: str) -> tuple[tuple[str, Markup], ...]:
    """In the target's language; in both where that is neither, or the mistake is known in the other alone."""
    known = [(name, code) for name, code in (("C", mistake.c), ("Python", mistake.python)) if code]
    own = [one for one in known if one[0].lower() == source]
    return tuple((name, coloured(code.strip("\n"), name)) for name, code in own or known)


@cache
def coloured(code: str, language: str) -> Markup:
    """Source as HTML with a class for each kind of word."""
    lexer = PythonLexer() if language == "Python" else CLexer()
    return Markup(highlight(code, lexer, HtmlFormatter(nowrap=True)).rstrip("\n"))  # pygments escapes


def _groups(rows: Iterable[TableRow]) -> tuple[Group, ...]:
    by_area: dict[str, list[TableRow]] = {}
    for row in rows:
        by_area.setdefault(row.rule.area, []).append(row)
    return tuple(Group(area, tuple(some), _counted(some)) for area, some in by_area.items())


def _word(outcome: Outcome, number: int) -> str:
    """What so many rules do: "holds", "hold"."""
    plural: dict[str, str] = {"pass": marked("hold"), "not_applicable": marked("do not apply")}
    return spoken(plural[outcome] if number > 1 and outcome in plural else words.OUTCOME_WORDS[outcome])


def _counted(rows: Sequence[TableRow]) -> str:
    counts = [(name, sum(row.outcome == name for row in rows)) for name in SYMBOLS]
    if counts[-1][1] == len(rows):
        return say("does not apply")
    return ", ".join(say("{count} {verdict}", count=n, verdict=_word(name, n)) for name, n in counts if n)


def _unjudged(rows: Iterable[TableRow]) -> tuple[Unjudged, ...]:
    by_reason: dict[tuple[Outcome, str], list[str]] = {}
    for row in rows:
        if row.outcome in ("inconclusive", "not_observable"):
            by_reason.setdefault((row.outcome, row.reason), []).append(row.rule.id)
    return tuple(
        Unjudged(spoken(words.OUTCOME_WORDS[outcome]), SYMBOLS[outcome], reason, tuple(ids))
        for (outcome, reason), ids in by_reason.items()
    )


def _failure(judgement: JudgedRule, row: TableRow, record: RunRecord) -> Failure:
    rule, verdict = judgement.rule, judgement.verdict
    finding = verdict.finding
    steps = [] if verdict.scenario is None else folded_lines(verdict.scenario.steps)
    kept = _kept(steps)
    evidence = finding.lines if finding is not None else ()
    difference = finding.difference if finding is not None else None
    return Failure(
        row=row,
        steps=tuple((number, bounded(line, 600)) for number, line in kept),
        steps_left_out=len(steps) - len(kept),
        expected=bounded(finding.expected) if finding is not None else "",
        got=bounded(finding.got) if finding is not None else bounded(verdict.reason),
        difference=None if difference is None else sides(difference),
        offset=0 if difference is None else difference.offset,
        evidence=tuple(bounded(line) for line in evidence[:_MOST_EVIDENCE]),
        evidence_left_out=max(0, len(evidence) - _MOST_EVIDENCE),
        diagram=_diagram(verdict),
        transcript=_transcript(verdict),
        sanitized=verdict.build != "plain",
        confirmed=spoken(words.confirmed(verdict)),
        replay=_replay(rule.id, record.named),
        script=_script(verdict, rule, record),
        script_name=f"{rule.id.lower().replace('-', '_')}.py",
    )


def _kept(steps: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Of very many lines the first two thirds and the last third."""
    return steps if len(steps) <= _MOST_STEPS else steps[: _MOST_STEPS * 2 // 3] + steps[-_MOST_STEPS // 3 :]


def _transcript(verdict: Verdict) -> str:
    """All that was seen, a line each."""
    if verdict.transcript is None:
        return ""
    lines = verdict.transcript.told().splitlines()
    more = [say("… {count} lines more", count=len(lines) - _MOST_LINES)] if len(lines) > _MOST_LINES else []
    return "\n".join(bounded(line, 600) for line in [*lines[:_MOST_LINES], *more])


def _replay(rule: str, named: str) -> str:
    return bounded(" ".join(["gatecrash", "replay", rule, *([shlex.quote(named)] if named else [])]), 1000)


def _diagram(verdict: Verdict) -> Markup | None:
    if verdict.transcript is None:
        return None
    drawn = diagram(verdict.transcript, verdict.finding, verdict.rule)
    return Markup(svg(drawn, id_prefix=f"seq-{verdict.rule}"))  # svg escapes


def _script(verdict: Verdict, rule: Rule, record: RunRecord) -> Markup | None:
    """The stand-alone script as the address of a download; None where only Gatecrash can show the fault."""
    try:
        return data_url(script(verdict, rule, record.prepared.contract, record.named))
    except NotAlone:
        return None


def data_url(text: str) -> Markup | None:
    """A Python file as the address of a download; None for one that browsers would refuse as too long.

    It is Markup, letters and digits alone: a text would be cut in the middle as too long to read.
    """
    data = text.encode("utf-8", "backslashreplace")
    if len(data) > _LONGEST_SCRIPT:
        return None
    return Markup("data:text/x-python;charset=utf-8;base64,") + base64.b64encode(data).decode("ascii")
