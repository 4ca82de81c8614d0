"""`gatecrash doctor`: what can be observed on this machine, and why the rest cannot."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.text import Text

from gatecrash.capabilities import capabilities


def add(parser: argparse.ArgumentParser) -> None:
    """The command has no options."""


def run(options: argparse.Namespace) -> int:
    """Print the list; 0 when all that is needed is there."""
    console = Console(highlight=False, soft_wrap=True)
    found = capabilities()
    for one in found:
        mark = ("yes", "green") if one.reason is None else ("no", "yellow")
        console.print(Text.assemble(("  "), (f"{mark[0]:<4}", mark[1]), (f"{one.name:<22}", "bold"), one.what))
        if one.reason is not None:
            console.print(Text(f"      {one.reason}. {one.without}", "yellow"))
    return 0
