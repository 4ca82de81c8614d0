"""`gatecrash show ID [TARGET]`: draw what happened when the last run broke a rule. Nothing is played again."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.text import Text

from gatecrash import language, languages
from gatecrash.commands.options import add_last_target
from gatecrash.commands.remembered import remembered
from gatecrash.commands.screen import Screen
from gatecrash.diagrams import diagram
from gatecrash.language import say, spoken
from gatecrash.model.contract import Contract
from gatecrash.model.transcript import Transcript
from gatecrash.model.verdicts import Finding
from gatecrash.reports import terminal
from gatecrash.reports.sequence_text import text
from gatecrash.results.last_run import LastRun
from gatecrash.results.mending import to_mend
from gatecrash.results.record import JudgedRule, RunRecord
from gatecrash.rulebook import load
from gatecrash.shell import command

_NARROWEST, _WIDEST, _USUAL = 40, 400, 80


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("rule", nargs="?", metavar="ID", help="the rule that was broken (default: list them)")
    add_last_target(parser)
    parser.add_argument(
        "--width",
        type=_columns,
        default=None,
        metavar="N",
        help="columns to draw in (default: the terminal's, 80 at most)",
    )


def _columns(words: str) -> int:
    try:
        number = int(words)
    except ValueError:
        number = 0
    if not _NARROWEST <= number <= _WIDEST:
        raise argparse.ArgumentTypeError(
            say(
                "{words!r} is not a width; give columns, from {narrowest} to {widest}",
                words=words,
                narrowest=_NARROWEST,
                widest=_WIDEST,
            )
        )
    return number


def run(options: argparse.Namespace) -> int:
    """Draw it, or list what can be drawn. Raises UsageError for a rule that does not exist or was not broken."""
    rule = None if options.rule is None else load().get(options.rule)
    saved = remembered(options.target)
    console = Screen(highlight=False, soft_wrap=True)
    if rule is None:
        _list(console, saved)
        return 0
    saved.broken(rule.id)  # says in a sentence what was broken, when this was not
    judgement = next(j for j in saved.record.broken if j.rule.id == rule.id)
    width = options.width or min(console.width, _USUAL)
    show(console, judgement, saved.record.prepared.contract, shown_target(saved), width)
    return 0


def shown_target(saved: LastRun) -> str:
    """The target as its user named it; empty for the default one."""
    return saved.record.named


def show(console: Console, judgement: JudgedRule, contract: Contract, target: str, width: int) -> None:
    """The diagram of one broken rule, then what was expected and what came, with the evidence and the usual mistake."""
    rule, verdict = judgement.rule, judgement.verdict
    console.print(Text.assemble((rule.id, "bold red"), "  ", terminal.plain(spoken(rule.title), "bold")))
    console.print()
    again = command("replay", rule.id, target=target)
    if verdict.transcript is None:
        console.print(
            Text.assemble(say("What was seen is too large to be kept. Play it again: "), terminal.plain(again, "cyan"))
        )
    else:
        for line in _drawn(verdict.transcript, verdict.finding, rule.id, width, console.encoding.lower()):
            console.print(line)
    terminal.expected_and_got(console, judgement)
    terminal.evidence(console, verdict.finding.lines if verdict.finding is not None else ())
    terminal.usual_mistake(console, judgement, contract)
    console.print()
    console.print(Text.assemble(say("See it again: "), terminal.plain(again, "cyan")))
    console.print(Text.assemble(say("Read about it: "), (f"gatecrash explain {rule.id}", "cyan")))


def _drawn(transcript: Transcript, finding: Finding | None, rule: str, width: int, encoding: str) -> list[Text]:
    """The diagram in lines. It is in English where the terminal lacks our reader's letters: "?" would be none."""
    if encoding.startswith("utf"):
        return text(diagram(transcript, finding, rule), width=width)
    tongue = language.current()
    languages.use(tongue if _writable(languages.LANGUAGES[tongue], encoding) else "en")
    try:
        return text(diagram(transcript, finding, rule), width=width, ascii_only=True, letters=encoding)
    finally:
        languages.use(tongue)


def _writable(words: str, encoding: str) -> bool:
    try:
        words.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _list(console: Console, saved: LastRun) -> None:
    broken = saved.record.broken
    if not broken:
        console.print(
            terminal.plain(
                say("The last run of {target} broke no rule: there is nothing to draw.", target=saved.record.target)
            )
        )
        return
    ordered = _first_to_mend_first(saved.record)
    console.print(Text(say("Broken, in the order in which to mend it:") if len(ordered) > 1 else say("Broken:")))
    for judgement in ordered:
        console.print(
            Text.assemble("  ", (f"{judgement.rule.id:<10}", "bold red"), terminal.plain(spoken(judgement.rule.title)))
        )
    first = command("show", ordered[0].rule.id, target=shown_target(saved))
    console.print(Text.assemble(say("Draw the first: "), terminal.plain(first, "cyan")))


def _first_to_mend_first(record: RunRecord) -> list[JudgedRule]:
    """What is broken, each with what probably comes of it, and what a baseline excuses at last."""
    told = [part for one in to_mend(record) for part in (one.judgement, *(c.judgement for c in one.consequences))]
    return [*told, *(judgement for judgement in record.broken if judgement not in told)]
