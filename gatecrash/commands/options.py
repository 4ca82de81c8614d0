"""Options that several commands have: each is added in one place, and means and says the same everywhere."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from gatecrash.errors import UsageError
from gatecrash.language import say


def add_broken_rule(parser: argparse.ArgumentParser) -> None:
    """A rule of the last run, and the target that was judged."""
    parser.add_argument("rule", metavar="ID", help="the rule that was broken")
    add_last_target(parser)


def add_last_target(parser: argparse.ArgumentParser) -> None:
    """A target that was judged before."""
    parser.add_argument(
        "target",
        nargs="?",
        help="the target, with its arguments if it had any (default: the one judged last in this folder)",
    )
    add_args(parser)


def add_args(parser: argparse.ArgumentParser) -> None:
    """What the server is started with, beside the target."""
    parser.add_argument(
        "--args",
        metavar="WORDS",
        help="the server's arguments, {port} where the port goes: --args '{port} www' (default: the port alone)",
    )


def with_args(target: str | None, words: str | None) -> str | None:
    """The target and its arguments as one text, which is a target, too. Raises UsageError where there is no target."""
    if words is None:
        return target
    if not target:
        raise UsageError(say("--args are the arguments of a target; name the target, too."))
    return f"{shlex.quote(target) if Path(target).exists() else target} {words}"


def add_profile(parser: argparse.ArgumentParser) -> None:
    """How long to try; GATECRASH_PROFILE says it where no option does."""
    parser.add_argument(
        "--profile",
        default=os.environ.get("GATECRASH_PROFILE", "quick"),
        choices=("quick", "default", "thorough"),
        help="how long to try",
    )


def add_rules(parser: argparse.ArgumentParser) -> None:
    """Which rules are tried."""
    parser.add_argument(
        "--only", action="append", default=[], metavar="IDS", help="rules or areas to try: ACC-03, fork, RES-*"
    )
    parser.add_argument("--skip", action="append", default=[], metavar="IDS", help="rules or areas to leave out")


def add_contract(parser: argparse.ArgumentParser) -> None:
    """What the target promises."""
    parser.add_argument(
        "--contract", metavar="FILE", help="the gatecrash.toml to use (default: the one beside the target)"
    )


def add_strict(parser: argparse.ArgumentParser) -> None:
    """Whether advice counts."""
    parser.add_argument("--strict", action="store_true", help="a broken SHOULD fails the run, too")


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """How many rules are tried at once."""
    parser.add_argument(
        "--jobs",
        type=_jobs,
        default=None,
        metavar="N",
        help="worker processes (default: by the processors this process may use)",
    )


def _jobs(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= 256:
        raise argparse.ArgumentTypeError(say("{text!r} is not a number of workers; give one from 1 to 256", text=text))
    return number
