"""`gatecrash explain ID`: one rule, for a reader who has just broken it."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from rich.console import Console
from rich.text import Text

from gatecrash.commands.screen import Screen
from gatecrash.errors import UsageError
from gatecrash.language import did_you_mean, say
from gatecrash.reports.rule_page import pages
from gatecrash.reports.terminal import hanging, show_code
from gatecrash.rulebook import Mistake, Rule, in_language, load
from gatecrash.rulebook.search import near, search

#: What somebody means for a rule's id: letters, perhaps a dash, a number.
_ID = re.compile(r"[A-Za-z]+-?\d+")


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "rule", metavar="ID", nargs="*", help="a rule's id, such as ACC-02, or words to look for, such as zombie"
    )
    parser.add_argument("--all", action="store_true", help="write a page for every rule, with --output")
    parser.add_argument("--output", metavar="FOLDER", help="where the pages of --all go, as Markdown")


def run(options: argparse.Namespace) -> int:
    """Print the rule, or write all of them."""
    if options.all != (options.output is not None) or options.all == bool(options.rule):
        raise UsageError(say("give a rule's id, as in gatecrash explain ACC-02, or --all and --output FOLDER."))
    if options.all:
        return _write(Path(options.output))
    found = _asked(options.rule)
    if len(found) > 1:
        _list(found)
    else:
        show(Screen(highlight=False, width=min(Console().width, 96)), in_language(found[0]))
    return 0


def _asked(words: list[str]) -> tuple[Rule, ...]:
    """The rules of these ids, or else those in which all these words stand. Raises UsageError where there is none."""
    ids = {rule.id for rule in load().rules}
    found = () if any(word.upper() in ids for word in words) else search(load().rules, words)
    if found:
        return found
    if any(map(_ID.fullmatch, words)):
        return tuple(dict.fromkeys(map(load().get, words)))
    alike = near(load().rules, words)
    hint = f" {did_you_mean(alike)}" if alike else ""
    known = say("`gatecrash rules` lists them all.")
    raise UsageError(f"{say('No rule speaks of {words}.', words=' '.join(words))}{hint} {known}")


def _list(rules: tuple[Rule, ...]) -> None:
    console = Screen(highlight=False, soft_wrap=True)
    for rule in map(in_language, rules):
        hanging(console, Text.assemble((f"{rule.id:<10}", "cyan"), rule.title), 10)
    command = f"gatecrash explain {rules[0].id}"
    console.print(Text.assemble(Text(say("Read one: "), "dim"), (command, "cyan")))


def _write(folder: Path) -> int:
    """Write the pages of docs/rules; files of other names are left alone."""
    written = pages(load())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        said = say("{folder} cannot be written: {reason}.", folder=str(folder), reason=error.strerror)
        raise UsageError(said) from None
    print(say("{count} pages are in {folder}", count=len(written), folder=str(folder)))
    return 0


def show(console: Console, rule: Rule) -> None:
    """One rule, whole."""
    console.print(Text.assemble((f"{rule.id}  ", "bold cyan"), (rule.title, "bold"), f"  ({rule.level})"))
    console.print(Text(rule.source, "dim"))
    for heading, text in (("", rule.statement), (say("Why"), rule.why), (say("How it is tried"), rule.how)):
        console.print(Text(f"\n{heading}" if heading else "", "bold"), end="\n" if heading else "")
        console.print(Text(" ".join(text.split())))
    for mistake in rule.mistakes:
        _mistake(console, mistake)
    if rule.after:
        after = ", ".join(rule.after)
        one = say("Judged only when {after} holds.", after=after)
        console.print(
            Text("\n" + (one if len(rule.after) == 1 else say("Judged only when {after} hold.", after=after)), "dim")
        )
    if rule.faulty and (Path("servers/faulty") / rule.faulty[0]).exists():
        command = f"gatecrash check servers/faulty/{rule.faulty[0]}"
        console.print(Text(say("Try it on a server that breaks it: {command}", command=command), "dim"))


def _mistake(console: Console, mistake: Mistake) -> None:
    console.print(Text("\n" + say("A usual mistake"), "bold"))
    console.print(Text(" ".join(mistake.text.split())))
    for name, language, code in ((say("In C"), "c", mistake.c), (say("In Python"), "python", mistake.python)):
        if code:
            console.print(Text(f"\n{name}:", "dim"))
            show_code(console, code, language)
