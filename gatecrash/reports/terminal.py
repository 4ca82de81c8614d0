"""The parts of the terminal report: a header, a line an area, a broken rule in full as its reader needs it, the end.

Prose is wrapped at words on a terminal, under where it began; in a log a line stays a line. Code and commands are never
folded: they are copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.cells import cell_len
from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from gatecrash.language import Sentence, joined, marked, say, spoken
from gatecrash.model.contract import Contract
from gatecrash.model.prepared import Prepared
from gatecrash.reports import words
from gatecrash.reports.differing import side_by_side
from gatecrash.results import exit_codes
from gatecrash.results.advice import fitting, language_of
from gatecrash.results.exit_codes import ExitCode
from gatecrash.results.folding import folded_lines
from gatecrash.results.record import JudgedRule, RunRecord
from gatecrash.rulebook import prose
from gatecrash.shell import command
from gatecrash.text import safe_text

_STYLES = {
    "pass": "green",
    "fail": "bold red",
    "not_observable": "yellow",
    "inconclusive": "yellow",
    "not_applicable": "dim",
}
_UNJUDGED = {"inconclusive": marked("inconclusive"), "not_observable": marked("not observable")}
_MOST_EVIDENCE = 12
_LABEL = 11  # columns of a label of the header, at least
_MOST_NAMED = 6  # rules that are named where the short form would count them
_NARROWEST = 20  # columns: in fewer nothing is wrapped


def plain(text: str, style: str = "") -> Text:
    """Text of anybody's: control characters escaped, never read as markup; a sentence of ours in our reader's words."""
    return Text(safe_text(spoken(text) if isinstance(text, Sentence) else text), style)


def column(text: str, width: int) -> str:
    """The text, filled up to so many columns of a terminal: a Korean letter takes two."""
    return text + " " * max(0, width - cell_len(text))


def hanging(console: Console, text: Text, indent: int) -> None:
    """Print it; on a terminal it is wrapped at words, and its further lines begin so many columns in."""
    room = console.width - indent
    if not console.is_terminal or room < _NARROWEST:
        console.print(text)
        return
    first, *further = text.wrap(console, console.width)
    end = len(first.plain)
    first.rstrip()
    console.print(first)
    if further:
        begin = end + len(text.plain[end:]) - len(text.plain[end:].lstrip())
        for line in text[begin:].wrap(console, room):
            line.rstrip()
            console.print(Text.assemble(" " * indent, line))


def header(console: Console, prepared: Prepared, missing: Mapping[str, str]) -> None:
    """What is judged: the target, how it was built, where it listens, what was discovered, what cannot be seen."""
    console.print(plain(say("Gatecrash judges {name}", name=prepared.name), "bold"))
    rows: list[tuple[str, str]] = [(say("built"), line) for line in prepared.how_built]
    rows.append((say("listens"), words.listens(prepared)))
    rows.append((say("discovered"), words.discovered(prepared.contract)))
    rows += ((say("note"), note) for note in prepared.notes)
    rows += ((say("missing"), joined((name, reason), ": ")) for name, reason in missing.items())
    width = max(_LABEL, *(cell_len(label) + 1 for label, _ in rows))
    for label, text in rows:
        hanging(console, Text.assemble((f"  {column(label, width)}", "dim"), plain(text)), width + 2)
    console.print()


def areas(console: Console, record: RunRecord, *, full: bool = False) -> None:
    """A line an area: how many rules hold, which are broken, which were not judged."""
    for area in dict.fromkeys(j.rule.area for j in record.judgements):
        rows = [j for j in record.judgements if j.rule.area == area]
        hanging(console, _area_line(area, rows, full=full), 14)
    console.print()


def _area_line(area: str, rows: list[JudgedRule], *, full: bool) -> Text:
    by = {name: [j.rule.id for j in rows if j.verdict.outcome == name] for name in _STYLES}
    if len(by["not_applicable"]) == len(rows):
        return Text(f"  {area:<11} {say('does not apply')}", "dim")
    sure = by["pass"] and not by["inconclusive"]
    mark = ("✗", "bold red") if by["fail"] else ("✓", "green") if sure else ("–", "yellow")
    held = len(by["pass"])
    told = say("1 holds") if held == 1 else say("{count} hold", count=held)
    line = Text.assemble(mark, f" {area:<11} ", (told, "green" if held else "dim"))
    counts = {
        "fail": say("{count} broken", count=len(by["fail"])),
        "inconclusive": say("{count} inconclusive", count=len(by["inconclusive"])),
        "not_observable": say("{count} not observable here", count=len(by["not_observable"])),
    }
    for name, counted in counts.items():
        if by[name]:
            named = full or name != "not_observable" or len(by[name]) <= _MOST_NAMED
            line.append(f", {counted}{': ' + ' '.join(by[name]) if named else ''}", _STYLES[name])
    if idle := len(by["not_applicable"]):
        line.append(", " + (say("1 does not apply") if idle == 1 else say("{count} do not apply", count=idle)), "dim")
    return line


def unjudged(console: Console, record: RunRecord, *, full: bool = False) -> None:
    """Why rules that apply were not judged: each reason once, with the rules it stands for; many are counted."""
    reasons: dict[tuple[str, str], list[str]] = {}
    behind: dict[str, list[str]] = {}
    for judgement in record.judgements:
        cause = None if full else record.hidden_behind(judgement)
        if cause is not None:
            behind.setdefault(cause, []).append(judgement.rule.id)
        elif judgement.verdict.outcome in ("inconclusive", "not_observable"):
            told = "" if judgement.verdict.late else _UNJUDGED[judgement.verdict.outcome]
            reasons.setdefault((told, judgement.verdict.reason), []).append(judgement.rule.id)
    for (told, reason), rules in reasons.items():
        said = f"{spoken(told)}: {spoken(reason)}" if told else spoken(reason)
        hanging(console, Text.assemble((f"  {_some(rules, full=full)} ", "yellow"), plain(said, "dim")), 4)
    if behind:
        named = ", ".join(f"{cause} ({_some(rules, full=full)})" for cause, rules in behind.items())
        hanging(console, Text(f"  {say('What is broken hides others: {named}', named=named)}", "dim"), 4)
    if reasons or behind:
        console.print()


def failures(console: Console, record: RunRecord, replay_target: str) -> None:
    """Every broken rule once; those that the baseline knows are not explained again."""
    excused = record.excused
    for judgement in record.broken:
        if judgement.rule.id in excused:
            continue
        failure(console, judgement, record.prepared.contract, replay_target)


def _some(rules: list[str], *, full: bool) -> str:
    """The rules, or how many they are."""
    return " ".join(rules) if full or len(rules) <= _MOST_NAMED else say("{count} rules", count=len(rules))


def baseline(console: Console, record: RunRecord) -> None:
    """The failures that are known, a line each, and those that are fixed."""
    for rule, known in record.excused.items():
        title = next(spoken(j.rule.title) for j in record.judgements if j.rule.id == rule)
        reason = f" ({known.reason})" if known.reason else ""
        console.print(
            Text.assemble((f"  {say('{rule} known:', rule=rule)} ", "yellow"), plain(f"{title}{reason}", "dim"))
        )
    for known in record.fixed:
        console.print(Text("  " + say("{rule} holds again: remove it from the baseline", rule=known.rule), "green"))
    if record.excused or record.fixed:
        console.print()


def failure(console: Console, judgement: JudgedRule, contract: Contract, replay_target: str) -> None:
    """One broken rule: the scenario, expected and got, the evidence, the usual mistake, how to see it again."""
    rule, verdict = judgement.rule, judgement.verdict
    console.rule(Text(f"{rule.id}  {rule.level}  {say('broken')}", "bold red"), align="left", style="red")
    hanging(console, plain(spoken(rule.title), "bold"), 0)
    hanging(console, plain(rule.source, "dim"), 0)
    if verdict.scenario is not None:
        console.print(Text(f"\n{spoken(words.played(verdict))}:"))
        for number, line in folded_lines(verdict.scenario.steps):
            hanging(console, Text.assemble(f"  {number:2}. ", plain(line)), 6)
    expected_and_got(console, judgement)
    evidence(console, verdict.finding.lines if verdict.finding is not None else ())
    usual_mistake(console, judgement, contract)
    console.print()
    if again := words.confirmed(verdict):
        console.print(Text.assemble(say("Replayed on fresh servers: "), (spoken(again), "bold")))
    console.print(Text.assemble(say("See it again: "), (command("replay", rule.id, target=replay_target), "cyan")))
    if verdict.transcript is not None:
        console.print(Text.assemble(say("Draw it: "), (command("show", rule.id, target=replay_target), "cyan")))
    console.print(Text.assemble(say("Read about it: "), (f"gatecrash explain {rule.id}", "cyan")))
    console.print()


def expected_and_got(console: Console, judgement: JudgedRule, *, spaced: bool = True) -> None:
    """What the rule wants and what came instead, with the byte where they part."""
    finding = judgement.verdict.finding
    if finding is None:
        return
    if spaced:
        console.print()
    hanging(console, Text.assemble((column(say("expected"), 10), "green"), plain(finding.expected)), 10)
    hanging(console, Text.assemble((column(say("got"), 10), "red"), plain(finding.got)), 10)
    if finding.difference is not None:
        expected, got, caret = side_by_side(finding.difference)
        console.print(Text.assemble((f"  {column(say('expected'), 9)}", "dim"), expected), soft_wrap=True)
        console.print(Text.assemble((f"  {column(say('got'), 9)}", "dim"), got), soft_wrap=True)
        console.print(Text.assemble("           ", (spoken(caret), "bold red")), soft_wrap=True)


def evidence(console: Console, lines: Iterable[str]) -> None:
    """What was seen from outside, bounded."""
    rows = list(lines)
    if not rows:
        return
    console.print(Text("\n" + say("Seen from outside:")))
    for line in rows[:_MOST_EVIDENCE]:
        hanging(console, Text.assemble("  ", plain(line)), 4)
    if len(rows) > _MOST_EVIDENCE:
        more = say("and {count} lines more (--report json=FILE has them all)", count=len(rows) - _MOST_EVIDENCE)
        console.print(Text(f"  {more}", "dim"))


def usual_mistake(console: Console, judgement: JudgedRule, contract: Contract, *, code: bool = True) -> None:
    """The likeliest of the mistakes that fit what was seen, and what to write instead; often there is none."""
    for mistake in fitting(judgement.rule, judgement.verdict, contract)[:1]:
        if code:
            console.print()
        hanging(console, Text.assemble((say("The usual mistake: "), "bold"), prose(mistake.text).strip()), 0)
        language = language_of(contract)
        if code:
            show_code(console, {"c": mistake.c, "python": mistake.python}.get(language), language)


def show_code(console: Console, code: str | None, language: str) -> None:
    """A few lines of code, in colour where there is colour."""
    if not code:
        return
    colours = Syntax("", language, theme="ansi_dark", background_color="default")  # the terminal's own: light or dark
    text = colours.highlight(code.strip("\n"))
    text.rstrip()
    for line in text.split("\n"):
        console.print(Text.assemble("  ", line), soft_wrap=True)  # a line of code that is folded is wrong


def closing(console: Console, record: RunRecord, *, strict: bool) -> None:
    """The last line: the counts and what they mean."""
    code = exit_codes.of_record(record, strict=strict)
    style = {ExitCode.CONFORMS: "bold green", ExitCode.BROKEN: "bold red"}.get(code, "bold yellow")
    line = Text.assemble(
        (safe_text(f"{record.prepared.name} {spoken(words.closing(record, strict=strict))}"), style),
        f": {spoken(words.counts(record))} ({record.seconds:.1f} s, {record.profile})",
    )
    hanging(console, line, 2)
    if code == ExitCode.CONFORMS and any(j.rule.id not in record.excused for j in record.broken):
        hanging(console, Text(say("A broken SHOULD is advice; with --strict it fails the run."), "dim"), 0)
