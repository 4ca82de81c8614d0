"""`gatecrash doctor`: what can be observed on this machine, and why the rest cannot."""

from __future__ import annotations

import argparse

from rich.cells import cell_len
from rich.text import Text

from gatecrash.commands.screen import Screen
from gatecrash.instruments.capabilities import capabilities, limits
from gatecrash.language import say, spoken
from gatecrash.reports.terminal import column


def add(parser: argparse.ArgumentParser) -> None:
    """The command has no options."""


def run(options: argparse.Namespace) -> int:
    """Print the list; 0 when all that is needed is there."""
    console = Screen(highlight=False, soft_wrap=True)
    found = capabilities()
    widest = max(cell_len(say("yes")), cell_len(say("no"))) + 1
    for one in found:
        mark = (say("yes"), "green") if one.reason is None else (say("no"), "yellow")
        console.print(
            Text.assemble(("  "), (column(mark[0], widest), mark[1]), (f"{one.name:<22}", "bold"), spoken(one.what))
        )
        if one.reason is not None:
            console.print(Text(f"      {spoken(one.reason)}. {spoken(one.without)}", "yellow"))
    what, *more = limits()
    console.print(Text.assemble("  ", column("", widest), (f"{'limits':<22}", "bold"), spoken(what)))
    for sentence in more:
        console.print(Text(f"      {spoken(sentence)}"))
    return 0
