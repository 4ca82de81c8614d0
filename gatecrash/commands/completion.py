"""`gatecrash completion SHELL`: what makes the Tab key know the commands, the options, the rules and the servers.

shtab writes it from the parser, once: a key that is pressed starts no Python then.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from gatecrash.commands.serve import servers
from gatecrash.reports.formats import FORMATS
from gatecrash.rulebook import load

SHELLS = ("bash", "zsh", "fish")
#: What the words of an argument can be, by its name in the parser.
_FILES = frozenset({"target", "contract", "grading", "baseline", "write_baseline", "output"})


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("shell", choices=SHELLS, help="bash, zsh or fish")


def run(options: argparse.Namespace) -> int:
    """Print the script for that shell."""
    import shtab  # no other command needs it

    parser: argparse.ArgumentParser = options.whole()
    for action in _actions(parser):
        _teach(action, shtab.FILE)
    sys.stdout.write(shtab.complete(parser, options.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)


def _teach(action: argparse.Action, files: object) -> None:
    """Say what this argument can be: the parser takes any word, and refuses a wrong one in words of its own."""
    if action.dest in _FILES:
        action.complete = files  # type: ignore[attr-defined]
    elif action.choices is None and (words := _words(action.dest)):
        action.choices = words


def _words(name: str) -> list[str]:
    book = load()
    match name:
        case "rule":
            return [rule.id for rule in book.rules]
        case "only" | "skip":
            return [*(rule.id for rule in book.rules), *(area.name for area in book.areas)]
        case "name":
            return list(servers())
        case "report":
            return [f"{kind}=" for kind in FORMATS]
        case "lang":
            return ["en", "ko"]
    return []
