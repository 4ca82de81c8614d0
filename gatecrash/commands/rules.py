"""`gatecrash rules`: the rulebook, a line a rule."""

from __future__ import annotations

import argparse

from rich.text import Text

from gatecrash.commands.screen import Screen
from gatecrash.language import spoken
from gatecrash.rulebook import load


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("names", nargs="*", metavar="ID", help="rules, areas or patterns (default: all)")


def run(options: argparse.Namespace) -> int:
    """Print the rules."""
    console = Screen(highlight=False, soft_wrap=True)
    area = ""
    for rule in load().select(options.names):
        if rule.area != area:
            area = rule.area
            console.print(Text(f"\n{area}", "bold"))
        console.print(Text.assemble((f"  {rule.id:<10}", "cyan"), (f"{rule.level:<7}", "dim"), spoken(rule.title)))
    return 0
