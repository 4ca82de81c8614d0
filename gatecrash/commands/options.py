"""Options that several commands have: each is added in one place, and means and says the same everywhere."""

from __future__ import annotations

import argparse
import os


def add_broken_rule(parser: argparse.ArgumentParser) -> None:
    """A rule of the last run, and the target that was judged."""
    parser.add_argument("rule", metavar="ID", help="the rule that was broken")
    add_last_target(parser)


def add_last_target(parser: argparse.ArgumentParser) -> None:
    """A target that was judged before."""
    parser.add_argument("target", nargs="?", help="the target (default: the one judged last)")


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
