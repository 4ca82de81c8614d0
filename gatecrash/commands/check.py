"""`gatecrash check`: judge a target and say which rules it breaks."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO, cast

from rich.console import Console
from rich.live import Live
from rich.text import Text

from gatecrash.commands import absolute
from gatecrash.commands.options import add_args, add_contract, add_jobs, add_profile, add_rules, add_strict
from gatecrash.commands.outlet import Outlet
from gatecrash.commands.points import grading_asked, unused_grading
from gatecrash.commands.screen import Screen
from gatecrash.config.scheme import Scheme
from gatecrash.engine.events import RunEvent, TargetPrepared, listen
from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.profiles import profile, seconds
from gatecrash.engine.references import default_target
from gatecrash.engine.run import Run
from gatecrash.engine.run_request import RunRequest
from gatecrash.errors import GatecrashError, UsageError
from gatecrash.language import say
from gatecrash.reports import formats, links, short, terminal
from gatecrash.reports.live import LiveReports
from gatecrash.reports.progress import Progress
from gatecrash.results import exit_codes, last_run
from gatecrash.results.baseline import Baseline
from gatecrash.results.baseline_file import read_baseline, to_be_written, written
from gatecrash.results.exit_codes import ExitCode
from gatecrash.results.grading import score
from gatecrash.results.mending import to_mend
from gatecrash.results.record import RunRecord
from gatecrash.rulebook import Rule, load


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "target", nargs="?", help="a .c, .cpp or .py file, a folder, a command (with {port}), or HOST:PORT"
    )
    add_args(parser)
    add_profile(parser)
    add_rules(parser)
    parser.add_argument("--only-failed", action="store_true", help="try only the rules that the last run broke")
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first broken rule")
    add_strict(parser)
    add_jobs(parser)
    add_contract(parser)
    parser.add_argument(
        "--patience", type=seconds, default=5.0, metavar="SECONDS", help="when a wait that proves nothing is given up"
    )
    parser.add_argument(
        "--max-time",
        type=_longest,
        default=None,
        metavar="SECONDS",
        help="when the whole run is to be over (default: 100 with quick, 900 with default)",
    )
    parser.add_argument(
        "--arena", choices=("auto", "namespace", "loopback"), default="auto", help="where the target runs"
    )
    _add_what_is_told(parser)


def _add_what_is_told(parser: argparse.ArgumentParser) -> None:
    """Reports, what is known to fail, and points."""
    parser.add_argument(
        "--full", action="store_true", help="print everything of every broken rule, not of the one to mend first"
    )
    parser.add_argument(
        "--report",
        action="append",
        default=[],
        metavar="FORMAT=FILE",
        help="write a report: json=result.json; may be repeated",
    )
    parser.add_argument(
        "--docs",
        metavar="URL",
        help="where docs/rules is, for links in reports (default: GATECRASH_DOCS, else no links)",
    )
    parser.add_argument(
        "--baseline",
        metavar="FILE",
        help="known failures, which fail nothing (docs/ci.md); one that holds again is told",
    )
    parser.add_argument(
        "--write-baseline", metavar="FILE", help="write what is broken now as known; reasons that are there are kept"
    )
    parser.add_argument(
        "--grading",
        metavar="FILE",
        help="the gatecrash.toml whose [grading] gives points (default: that of --contract)",
    )
    parser.add_argument(
        "--graded",
        action=argparse.BooleanOptionalAction,
        help="exit with 0 whenever there is a score, whatever it is (implied by a course platform's report)",
    )


#: A score must not depend on how busy a machine is: a graded run has more time than a busy one needs.
_GRADED_SECONDS = 600.0


def _longest(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 1 <= number <= 86400:
        raise argparse.ArgumentTypeError(
            say("{text!r} is not a time for a run; give seconds, from 1 to 86400", text=text)
        )
    return number


class _Shown:
    """Shows a run while it goes on: a live line on a terminal, elsewhere a line an area as it is tried."""

    def __init__(self, console: Console, rules: Iterable[Rule]) -> None:
        self._console = console
        self._progress = Progress(rules)
        self._since = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> _Shown:
        if self._console.is_terminal:
            self._begin(Text(say("  it is being built, started and looked at")), refreshing=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is None and self._progress.begun:
            self._console.print()
        self._end()

    def hear(self, event: RunEvent) -> None:
        """Show what an event says of the target or of rules."""
        self._progress.hear(event, self._seconds())
        if isinstance(event, TargetPrepared):
            self._end()
            terminal.header(self._console, event.prepared, event.missing)
            if self._console.is_terminal:
                self._begin(Text(), refreshing=True)
        elif self._live is None:
            for line in self._progress.finished_areas(self._seconds()):
                self._console.print(Text(line))

    def _begin(self, shown: Text, *, refreshing: bool) -> None:
        """Nothing is refreshed before there is something to count: that takes a thread."""
        self._live = Live(
            shown,
            console=self._console,
            transient=True,
            auto_refresh=refreshing,
            refresh_per_second=8,
            get_renderable=(lambda: self._progress.lines(self._seconds())) if refreshing else None,
        )
        self._live.start(refresh=True)

    def _end(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _seconds(self) -> float:
        return time.monotonic() - self._since


def run(options: argparse.Namespace) -> int:
    """Judge the target; returns the exit code."""
    reports = formats.wanted(options.report)
    links.use(options.docs)
    known = _known(options)
    request = _wishes(options, known)
    grader = _grader(options, reports, request)
    if grader.asked and request.max_time is None:
        request = replace(request, max_time=max(_GRADED_SECONDS, profile(request.profile).run_seconds))
    console = Screen(file=cast(TextIO, Outlet(sys.stdout)), highlight=False, soft_wrap=True)
    folder = SessionPool.new_folder()
    judged = Run(request, folder)
    try:
        record = _judge(judged, reports, console)
    except GatecrashError as error:
        record = judged.failed(error)
        all_written = _write(reports, record)
        code = grader.code(record, exit_codes.of_error(error))
        if code:
            raise
        print(f"gatecrash: {error}", file=sys.stderr)
        grader.tell(console, record)
        return exit_codes.of_files(code, written=all_written)
    finally:
        SessionPool.remove_folder(folder)
    all_written = True
    if options.write_baseline is not None:
        record, all_written = _renew(record, Path(options.write_baseline), console)
    all_written = _write(reports, record) and all_written
    last_run.save(record, request.target, request.contract)
    code = _show(record, options, console)
    grader.tell(console, record)
    console.file.flush()
    return exit_codes.of_files(grader.code(record, code), written=all_written)


@dataclass(frozen=True)
class _Grader:
    """Whether points are asked for, and whether having them is a success."""

    asked: bool
    graded: bool
    ignored: str | None

    def code(self, record: RunRecord, code: ExitCode) -> ExitCode:
        """The exit code of a run that would end with `code`, where nobody wants points of it."""
        if not self.graded:
            return code
        return exit_codes.of_graded(code, scored=score(record, record.grading or Scheme()).valid)

    def tell(self, console: Console, record: RunRecord) -> None:
        """The line with the points."""
        if self.asked:
            console.print(terminal.plain(score(record, record.grading or Scheme()).line(), "bold"))
        if self.ignored is not None:
            console.print(terminal.plain(f"{self.ignored} has a [grading] that is not used: name it with --grading."))


def _grader(options: argparse.Namespace, reports: list[formats.Report], request: RunRequest) -> _Grader:
    for_a_course = any(report.graded for report in reports)
    graded = for_a_course if options.graded is None else options.graded
    asked = for_a_course or graded or request.grading is not None
    for name in ("fail_fast", "only_failed"):
        if asked and getattr(options, name):
            raise UsageError(f"--{name.replace('_', '-')} leaves rules out, and points are for all of them; drop one.")
    named = options.grading is not None or options.contract is not None
    return _Grader(asked, graded, None if named else unused_grading(request.target))


def _known(options: argparse.Namespace) -> Baseline | None:
    """What is known before the run. Raises UsageError for a baseline that cannot be read, or not be written."""
    known = None if options.baseline is None else read_baseline(Path(options.baseline))
    if options.write_baseline is None:
        return known
    before = to_be_written(Path(options.write_baseline))
    return Baseline(tuple(dict.fromkeys((*(known or Baseline()).known, *before.known))))


def _renew(record: RunRecord, path: Path, console: Console) -> tuple[RunRecord, bool]:
    """Write the baseline after a run that came to its end; the run is then judged by it. And whether it could be."""
    if record.error is not None or record.fault is not None or record.interrupted:
        console.print(Text(say("The baseline is left as it was: this run did not judge every rule."), "yellow"))
        return record, True
    before = record.baseline or Baseline()
    renewed = before.renewed(judgement.verdict for judgement in record.judgements)
    try:
        path.write_text(written(renewed), encoding="utf-8")
    except OSError as error:
        _tell(say("the baseline {path} could not be written: {strerror}.", path=path, strerror=error.strerror))
        return replace(record, baseline=renewed), False
    console.print(terminal.plain(say("  baseline: {path} lists {count} known", path=path, count=len(renewed.known))))
    return replace(record, baseline=renewed), True


def _wishes(options: argparse.Namespace, known: Baseline | None) -> RunRequest:
    target = default_target() if options.target is None else str(absolute(options.target))
    rules = load().select(options.only, options.skip)
    if options.only_failed:
        rules = _failed_last(rules, target)
    return RunRequest(
        target=target,
        rules=rules,
        named=options.target or "",
        profile=options.profile,
        arena=options.arena,
        patience=options.patience,
        contract=absolute(options.contract),
        jobs=options.jobs,
        max_time=options.max_time,
        fail_fast=options.fail_fast,
        strict=options.strict,
        baseline=known,
        grading=grading_asked(options.grading, options.contract),
    )


def _failed_last(rules: tuple[Rule, ...], target: str) -> tuple[Rule, ...]:
    failed = {judgement.rule.id for judgement in last_run.load(target).record.broken}
    chosen = tuple(rule for rule in rules if rule.id in failed)
    if not chosen:
        raise UsageError(
            say("--only-failed: the last run of this target broke none of the chosen rules; leave it out.")
        )
    return chosen


def _judge(judged: Run, reports: list[formats.Report], console: Console) -> RunRecord:
    with _Shown(console, judged.request.rules) as shown:
        return listen(judged.events(), shown.hear, LiveReports(reports, judged.record).hear)


def _write(reports: list[formats.Report], record: RunRecord) -> bool:
    return len(formats.write_all(reports, record, _tell)) == len(reports)


def _tell(sentence: str) -> None:
    print(f"gatecrash: {sentence}", file=sys.stderr)


def _show(record: RunRecord, options: argparse.Namespace, console: Console) -> ExitCode:
    target = options.target or ""
    asked = () if options.contract is None else ("--contract", str(options.contract))
    order = to_mend(record)
    terminal.areas(console, record, full=options.full)
    if options.full:
        terminal.unjudged(console, record, full=True)
        terminal.failures(console, record, target)
    else:
        short.broken(console, order, record.prepared.contract, target, asked)
        terminal.unjudged(console, record)
    terminal.baseline(console, record)
    if record.fault is not None:
        console.print(
            Text(say("Gatecrash itself failed; this says nothing of the target. Its last words:"), "bold yellow")
        )
        console.print(terminal.plain(record.fault))
    terminal.closing(console, record, strict=options.strict)
    short.first_again(console, order, target, asked)
    return exit_codes.of_record(record, strict=options.strict)
