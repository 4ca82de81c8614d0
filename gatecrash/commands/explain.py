"""`gatecrash explain ID`: one rule, for a reader who has just broken it."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.text import Text

from gatecrash.reports.terminal import show_code
from gatecrash.rulebook import Mistake, Rule, load


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("rule", metavar="ID", help="a rule's id, such as ACC-02")


def run(options: argparse.Namespace) -> int:
    """Print the rule."""
    show(Console(highlight=False, width=min(Console().width, 96)), load().get(options.rule))
    return 0


def show(console: Console, rule: Rule) -> None:
    """One rule, whole."""
    console.print(Text.assemble((f"{rule.id}  ", "bold cyan"), (rule.title, "bold"), f"  ({rule.level})"))
    console.print(Text(rule.source, "dim"))
    for heading, text in (("", rule.statement), ("Why", rule.why), ("How it is tried", rule.how)):
        console.print(Text(f"\n{heading}" if heading else "", "bold"), end="\n" if heading else "")
        console.print(Text(" ".join(text.split())))
    for mistake in rule.mistakes:
        _mistake(console, mistake)
    if rule.after:
        console.print(
            Text(f"\nJudged only when {', '.join(rule.after)} hold{'s' if len(rule.after) == 1 else ''}.", "dim")
        )
    if rule.faulty:
        console.print(
            Text(f"Try it on a server that breaks it: gatecrash check servers/faulty/{rule.faulty[0]}", "dim")
        )


def _mistake(console: Console, mistake: Mistake) -> None:
    console.print(Text("\nA usual mistake", "bold"))
    console.print(Text(" ".join(mistake.text.split())))
    for name, language, code in (("In C", "c", mistake.c), ("In Python", "python", mistake.python)):
        if code:
            console.print(Text(f"\n{name}:", "dim"))
            show_code(console, code, language)
