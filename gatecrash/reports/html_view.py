"""What the HTML page shows of a record, decided before a template sees it: pure, every part bounded.

What is said of the run is said in the order in which the page is read from its top; what is folded under "All rules" is
read by itself, one rule at a time, so each explains its terms anew (`first_mentions`).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import CLexer, PythonLexer

from gatecrash import __version__
from gatecrash.diagrams import diagram
from gatecrash.language import Sentence, first_mentions, joined, marked, say, spoken, terms_alone
from gatecrash.model.verdicts import Outcome, Verdict
from gatecrash.reports import words
from gatecrash.reports.byte_diff import sides
from gatecrash.reports.html_page import Entry, Fact, Failure, First, Fix, Group, Page, TableRow, Tone, Unjudged
from gatecrash.reports.sequence_svg import svg
from gatecrash.reproduction import NotAlone, script
from gatecrash.results import exit_codes
from gatecrash.results.advice import fitting, language_of
from gatecrash.results.exit_codes import ExitCode
from gatecrash.results.folding import folded_lines
from gatecrash.results.mending import ToMend, to_mend
from gatecrash.results.record import JudgedRule, RunRecord
from gatecrash.rulebook import Mistake, Rule, in_language, prose
from gatecrash.shell import command
from gatecrash.text import safe_text

#: The longest text of a stranger's that is shown whole, in characters; of a longer one the middle is left out.
LONGEST = 4_000
_MOST_STEPS = 120
_MOST_EVIDENCE = 40
_MOST_LINES = 400
_LONGEST_SCRIPT = 400_000

_TONES: dict[ExitCode, Tone] = {ExitCode.CONFORMS: "good", ExitCode.BROKEN: "bad", ExitCode.NOT_STARTED: "bad"}

SYMBOLS: dict[Outcome, str] = {
    "pass": "✓",
    "fail": "✗",
    "inconclusive": "?",
    "not_observable": "–",
    "not_applicable": "·",
}


def page(record: RunRecord) -> Page:
    """The page of a record."""
    code = exit_codes.of_record(record, strict=record.strict)
    target = bounded(record.prepared.name, 120)
    closing = spoken(words.closing(record, strict=record.strict))
    tone: Tone = _TONES.get(code, "unsure")
    order = to_mend(record)
    return Page(
        title=f"{target} {closing}",
        target=target,
        closing=closing,
        tone=tone,
        symbol={"good": "✓", "bad": "✗", "unsure": "?"}[tone],
        counts=spoken(words.counts(record)) if record.judgements else "",
        advice=code == ExitCode.CONFORMS and any(j.rule.id not in record.excused for j in record.broken),
        fixed=tuple(one.rule for one in record.fixed),
        first=_first(order, record) if order else None,
        facts=_facts(record),
        error=bounded(record.error or ""),
        fault=bounded(record.fault or ""),
        interrupted=record.interrupted,
        contents=_contents(order, record),
        failures=tuple(_failure(j, record) for j in _in_order(order, record)),
        unjudged=_unjudged(record),
        groups=_groups(_explained(j, record) for j in record.judgements),
        outcomes=tuple(
            (name, SYMBOLS[name], _word(name, record.summary[name]), record.summary[name])
            for name in SYMBOLS
            if record.summary[name]
        ),
        levels=tuple(
            name for name in ("MUST", "SHOULD", "MAY") if any(j.rule.level == name for j in record.judgements)
        ),
        total=len(record.judgements),
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


def _first(order: Sequence[ToMend], record: RunRecord) -> First:
    judgement = order[0].judgement
    finding = judgement.verdict.finding
    return First(
        heading=say("Mend first: {rule}", rule=judgement.rule.id),
        entry=_entry(order[0], record),
        expected=bounded(finding.expected) if finding is not None else "",
        got=bounded(finding.got if finding is not None else judgement.verdict.reason),
    )


def _contents(order: Sequence[ToMend], record: RunRecord) -> tuple[Entry, ...]:
    known = [j for j in record.broken if j.rule.id in record.excused]
    return (*(_entry(one, record) for one in order), *(Entry(_row(j, record), "") for j in known))


def _entry(one: ToMend, record: RunRecord) -> Entry:
    hidden, count = "", len(one.hides)
    if count:
        single = say("1 more rule can be seen when it is mended.")
        hidden = single if count == 1 else say("{count} more rules can be seen when it is mended.", count=count)
    consequences = tuple((_row(c.judgement, record), bounded(c.why)) for c in one.consequences)
    return Entry(_row(one.judgement, record), hidden, consequences)


def _in_order(order: Sequence[ToMend], record: RunRecord) -> list[JudgedRule]:
    """The broken rules as they are listed: each with what goes with it, then those that the baseline knows."""
    mended = [j for one in order for j in (one.judgement, *(c.judgement for c in one.consequences))]
    return [*mended, *(j for j in record.broken if j.rule.id in record.excused)]


def _row(judgement: JudgedRule, record: RunRecord) -> TableRow:
    """The rule under its title alone."""
    rule, outcome = judgement.rule, judgement.verdict.outcome
    with terms_alone():
        title = prose(rule.title)
    known = bounded(record.excused[rule.id].reason, 1000) if rule.id in record.excused else None
    word = spoken(words.OUTCOME_WORDS[outcome])
    return TableRow(replace(rule, title=title), outcome, SYMBOLS[outcome], word, known=known)


def _explained(judgement: JudgedRule, record: RunRecord) -> TableRow:
    """The rule with its explanation. What a server cannot break is not explained with a mistake."""
    row, rule = _row(judgement, record), judgement.rule
    with first_mentions():
        reason = bounded(judgement.verdict.reason, 1000)
        if row.broken:
            return replace(row, rule=replace(row.rule, statement=prose(rule.statement)), reason=reason)
        fixes = () if row.outcome == "not_applicable" else _fixes_of(judgement, record)
        return replace(row, rule=in_language(rule), reason=reason, fixes=fixes)


def _fixes_of(judgement: JudgedRule, record: RunRecord) -> tuple[Fix, ...]:
    contract = record.prepared.contract
    return _fixes(fitting(judgement.rule, judgement.verdict, contract), language_of(contract))


def _fixes(mistakes: tuple[Mistake, ...], source: str) -> tuple[Fix, ...]:
    return tuple(Fix(" ".join(prose(one.text).split()), _code(one, source)) for one in mistakes)


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


def _unjudged(record: RunRecord) -> tuple[Unjudged, ...]:
    by_reason: dict[tuple[Outcome, str], list[str]] = {}
    for judgement in record.judgements:
        outcome = judgement.verdict.outcome
        if outcome in ("inconclusive", "not_observable"):
            by_reason.setdefault((outcome, judgement.verdict.reason), []).append(judgement.rule.id)
    return tuple(
        Unjudged(spoken(words.OUTCOME_WORDS[outcome]), SYMBOLS[outcome], bounded(reason, 1000), tuple(ids))
        for (outcome, reason), ids in by_reason.items()
    )


def _failure(judgement: JudgedRule, record: RunRecord) -> Failure:
    rule, verdict = judgement.rule, judgement.verdict
    finding, row = verdict.finding, _row(judgement, record)
    steps = [] if verdict.scenario is None else folded_lines(verdict.scenario.steps)
    kept = _kept(steps)
    evidence = finding.lines if finding is not None else ()
    difference = finding.difference if finding is not None else None
    statement = prose(rule.statement)
    failure = Failure(
        row=row,
        expected=bounded(finding.expected) if finding is not None else "",
        got=bounded(finding.got) if finding is not None else bounded(verdict.reason),
        difference=None if difference is None else sides(difference),
        offset=0 if difference is None else difference.offset,
        evidence=tuple(bounded(line) for line in evidence[:_MOST_EVIDENCE]),
        evidence_left_out=max(0, len(evidence) - _MOST_EVIDENCE),
        steps=tuple((number, bounded(line, 600)) for number, line in kept),
        steps_left_out=len(steps) - len(kept),
        diagram=_diagram(verdict),
        transcript=_transcript(verdict),
        sanitized=verdict.build != "plain",
        played=spoken(words.played(verdict)),
        confirmed=spoken(words.confirmed(verdict)),
        replay=_replay(rule.id, record.named),
        script=_script(verdict, rule, record),
        script_name=f"{rule.id.lower().replace('-', '_')}.py",
    )
    fixes = _fixes_of(judgement, record)
    told = replace(row.rule, statement=statement, why=prose(rule.why), how=prose(rule.how))
    return replace(failure, row=replace(row, rule=told, fixes=fixes))


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
    return bounded(command("replay", rule, target=named), 1000)


def _diagram(verdict: Verdict) -> Markup | None:
    if verdict.transcript is None:
        return None
    drawn = diagram(verdict.transcript, verdict.finding, verdict.rule)
    return Markup(svg(drawn, id_prefix=f"seq-{verdict.rule}"))  # svg escapes


def _script(verdict: Verdict, rule: Rule, record: RunRecord) -> Markup | None:
    """The stand-alone script as the address of a download; None where only Gatecrash can show the fault."""
    prepared = record.prepared
    try:
        return data_url(script(verdict, rule, prepared.contract, record.named, prepared.address))
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
