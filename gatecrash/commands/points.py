"""`gatecrash points [TARGET]`: how the score of the last run came about, rule by rule."""

from __future__ import annotations

import argparse
import tomllib
from fractions import Fraction
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gatecrash.commands.options import add_last_target
from gatecrash.commands.remembered import remembered
from gatecrash.commands.screen import Screen
from gatecrash.config.scheme import Scheme
from gatecrash.errors import UsageError
from gatecrash.language import say, spoken
from gatecrash.reports.terminal import plain
from gatecrash.reports.words import OUTCOME_WORDS
from gatecrash.results import exit_codes
from gatecrash.results.grading import GradedRule, Score, score, shown
from gatecrash.rulebook import load

#: The file that says what a target promises; beside a submission it is the student's.
_FILE = "gatecrash.toml"


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add_last_target(parser)
    parser.add_argument(
        "--grading", metavar="FILE", help="the gatecrash.toml whose [grading] is used (default: that of the run)"
    )


def run(options: argparse.Namespace) -> int:
    """Print the table and the total; 0, or 3 when the run has no score."""
    record = remembered(options.target).record
    scheme = grading_asked(options.grading, None) or record.grading
    found = score(record, scheme or Scheme())
    console = Screen(highlight=False, soft_wrap=True)
    console.print(plain(say("Points of {target} ({profile})", target=record.target, profile=record.profile), "bold"))
    console.print(plain(_basis(scheme), "dim"))
    console.print()
    if found.error is not None:
        console.print(plain(found.error))
    elif found.marks:
        console.print(_table(found))
        _areas(console, found)
        _left_out(console, found)
    console.print(plain(found.line(), "bold green" if found.valid else "bold yellow"))
    return exit_codes.of_points(scored=found.valid)


def grading_asked(grading: str | None, contract: str | None) -> Scheme | None:
    """The scheme that the command line names: --grading's, else the contract's. A file beside a target never counts.

    Raises UsageError for a file with a mistake, and for a --grading without the table.
    """
    if grading is None and contract is None:
        return None
    from gatecrash.config.contract_file import read_grading  # brings pydantic

    scheme = read_grading(Path(grading if grading is not None else contract or ""))
    if scheme is None and grading is not None:
        raise UsageError(
            say(
                "--grading {grading}: the file has no [grading] table. `total = 100` under it is enough.",
                grading=grading,
            )
        )
    return scheme


def unused_grading(target: str) -> str | None:
    """The file beside a target that has a [grading], which would be its author's own word for their points."""
    place = Path(target)
    try:
        file = (place if place.is_dir() else place.parent) / _FILE
        if place.exists() and "grading" in tomllib.loads(file.read_text(encoding="utf-8")):
            return str(file)
    except (OSError, ValueError):
        return None
    return None


def _basis(scheme: Scheme | None) -> str:
    if scheme is None:
        return say("No [grading] was given: 100 points, every MUST weighs the same, a SHOULD is advice.")
    return say("[grading] {scheme}, {total} points", scheme=scheme.scheme, total=shown(scheme.total))


def _table(found: Score) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in (say("rule"), say("verdict")):
        table.add_column(name, no_wrap=True)
    for name in (say("weight"), say("earned"), say("of")):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(say("why"), overflow="fold")
    for mark in found.marks:
        if mark.counted and (mark.weight or not mark.held):
            table.add_row(*_cells(mark))
    return table


def _cells(mark: GradedRule) -> tuple[str, ...]:
    notes = [spoken(mark.why), *([say("extra credit")] if mark.extra else [])]
    notes += [say("hidden")] if mark.hidden else []
    return (
        mark.rule.id,
        spoken(OUTCOME_WORDS[mark.judgement.verdict.outcome]),
        shown(mark.weight),
        shown(mark.earned),
        "+" if mark.extra else shown(mark.possible),
        "; ".join(notes),
    )


def _areas(console: Console, found: Score) -> None:
    console.print()
    for area in dict.fromkeys(mark.rule.area for mark in found.marks):
        marks = [mark for mark in found.marks if mark.rule.area == area]
        possible = sum((mark.possible for mark in marks if not mark.extra), Fraction())
        earned = sum((mark.earned for mark in marks), Fraction())
        if possible or earned:
            console.print(
                plain(
                    say(
                        "  {area:<11} {earned:>7} of {possible}",
                        area=area,
                        earned=shown(earned),
                        possible=shown(possible),
                    )
                )
            )


def _left_out(console: Console, found: Score) -> None:
    reasons: dict[str, list[str]] = {}
    for mark in found.marks:
        if not mark.counted and mark.weight:
            reasons.setdefault(mark.why, []).append(mark.rule.id)
    for why, ids in reasons.items():
        console.print(plain(f"  {spoken(why)}: {' '.join(ids)}", "dim"))
    lost = len(load().rules) - len(found.marks)
    if lost:
        console.print(plain(say("  not part of this run: {lost} rules", lost=lost), "dim"))
    console.print()
