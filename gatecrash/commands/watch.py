"""`gatecrash watch TARGET`: build and judge again whenever a source is saved, the broken rules first."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from gatecrash.commands import absolute
from gatecrash.commands.changes import Changes
from gatecrash.commands.options import add_args, add_contract, add_jobs, add_profile, add_rules, add_strict
from gatecrash.commands.screen import Screen
from gatecrash.engine.events import Events, Finished, Interrupted, RuleJudged, RunEvent, TargetPrepared
from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.run import Run
from gatecrash.engine.run_request import RunRequest
from gatecrash.errors import TargetError, UsageError
from gatecrash.language import say, spoken
from gatecrash.reports import short, terminal, words
from gatecrash.reports.board import board
from gatecrash.reports.progress import Progress
from gatecrash.results import exit_codes, last_run
from gatecrash.results.exit_codes import ExitCode
from gatecrash.results.mending import to_mend
from gatecrash.results.record import RunRecord
from gatecrash.rulebook import Rule, load


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("target", help="a .c, .cpp or .py file, or a folder with a Makefile or a gatecrash.toml")
    add_args(parser)
    add_profile(parser)
    add_rules(parser)
    add_jobs(parser)
    add_strict(parser)
    add_contract(parser)


def run(options: argparse.Namespace) -> int:
    """0 when its user ends it."""
    path = watched(options.target)
    if not path.exists():
        raise UsageError(
            say("{target} is not a file or a folder; watch needs one whose changes it can see.", target=options.target)
        )
    request = RunRequest(
        target=str(absolute(options.target)),
        rules=load().select(options.only, options.skip),
        named=options.target,
        profile=options.profile,
        contract=absolute(options.contract),
        jobs=options.jobs,
        strict=options.strict,
    )
    console = Screen(highlight=False, soft_wrap=True)
    folder = path.resolve() if path.is_dir() else path.resolve().parent
    try:
        with Changes(folder) as changes:
            _rounds(request, changes, console)
    except KeyboardInterrupt:
        pass
    return 0


def watched(target: str) -> Path:
    """The file or folder of a target, which may have arguments behind it."""
    path = Path(target)
    return path if path.exists() else Path((shlex.split(target) or [target])[0])


def _rounds(request: RunRequest, changes: Changes, console: Console) -> None:
    broken: tuple[str, ...] = ()
    before: RunRecord | None = None
    number = 0
    while True:
        number += 1
        record = _round(request, changes, console, first=broken)
        if record is not None:
            broken = tuple(judgement.rule.id for judgement in record.broken) or broken
            _tell(console, record, number)
            if before is not None:
                _since(console, before, record)
            short.first_again(console, to_mend(record), request.named)
            before = record
        names = changes.wait()
        console.print(terminal.plain(say("saved: {names}", names=", ".join(names)), "dim"))


def _round(request: RunRequest, changes: Changes, console: Console, *, first: tuple[str, ...]) -> RunRecord | None:
    """Judge once; None when a file was saved meanwhile or the target does not build."""
    folder = SessionPool.new_folder()
    judged = Run(request, folder)
    try:
        with (
            Live(console=console, auto_refresh=False, transient=True) as live,
            closing(judged.events(first=first)) as events,
        ):
            record = _watched(events, _LiveBoard(request.rules, live), changes)
        if record is not None:
            last_run.save(record, request.target, request.contract)
        return record
    except TargetError as error:
        console.print(terminal.plain(str(error), "red"))
        return None
    finally:
        SessionPool.remove_folder(folder)


class _LiveBoard:
    """Hears a round, and draws the board anew after every rule."""

    def __init__(self, rules: Iterable[Rule], live: Live) -> None:
        self._rules = tuple(rules)
        self._live = live
        self._title = ""
        self._since = time.monotonic()
        self._progress = Progress(self._rules)

    def hear(self, event: RunEvent) -> None:
        now = time.monotonic() - self._since
        self._progress.hear(event, now)
        if isinstance(event, TargetPrepared):
            self._title = event.prepared.name
        elif self._live.console.is_terminal:
            doing = self._progress.far(now)
            self._live.update(board(self._title, self._rules, self._progress.verdicts, doing=doing), refresh=True)


def _watched(events: Events, shown: _LiveBoard, changes: Changes) -> RunRecord | None:
    """The record of a round; None when a file was saved before its end. Who interrupts a round has watched enough."""
    for event in events:
        shown.hear(event)
        match event:
            case Interrupted():
                raise KeyboardInterrupt
            case Finished():
                return event.record
            case RuleJudged() if changes.seen():
                return None
    return None


def _tell(console: Console, record: RunRecord, number: int) -> None:
    verdicts = {judgement.rule.id: judgement.verdict for judgement in record.judgements}
    rules = [judgement.rule for judgement in record.judgements]
    order = [rule for one in to_mend(record) for rule in one.rules]
    console.print(board(record.prepared.name, rules, verdicts, order=order))
    if record.fault is not None:
        console.print(terminal.plain(say("Gatecrash itself failed: {fault}", fault=record.fault), "bold yellow"))
    clock = time.strftime("%H:%M:%S")
    told = say(
        "round {number} at {clock}: {count} broken, {summary} hold",
        number=number,
        clock=clock,
        count=len(record.broken),
        summary=record.summary["pass"],
    )
    conforms = spoken(words.closing(record, strict=record.strict))
    good = exit_codes.of_record(record, strict=record.strict) == ExitCode.CONFORMS
    console.print(Text(f"{told}; {conforms} ({record.seconds:.1f} s)", "bold green" if good else "bold red"))


def _since(console: Console, before: RunRecord, now: RunRecord) -> None:
    """What was mended since the round before, and what broke."""
    mended, broke, seen = changed(before, now)
    if mended:
        console.print(Text(say("mended since then: {names}", names=" ".join(mended)), "bold green"))
    if broke:
        console.print(Text(say("broken since then: {names}", names=" ".join(broke)), "bold red"))
    if seen:
        console.print(Text(say("seen to be broken only now: {names}", names=" ".join(seen)), "bold red"))
    if not mended and not broke and not seen:
        console.print(Text(say("as before"), "dim"))


def changed(before: RunRecord, now: RunRecord) -> tuple[list[str], list[str], list[str]]:
    """The rules that were broken and hold, those that held and are broken, and those of which nothing was known."""
    was = {one.rule.id for one in before.broken}
    held, holds = _holding(before), _holding(now)
    broken = [one.rule.id for one in now.broken if one.rule.id not in was]
    return sorted(was & holds), [rule for rule in broken if rule in held], [rule for rule in broken if rule not in held]


def _holding(record: RunRecord) -> set[str]:
    return {one.rule.id for one in record.judgements if one.verdict.outcome == "pass"}
