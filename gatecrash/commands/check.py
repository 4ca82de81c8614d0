"""`gatecrash check`: judge a target and say which rules it breaks."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from gatecrash import last_run
from gatecrash.commands import absolute
from gatecrash.contract import Contract
from gatecrash.errors import GatecrashError, TargetError
from gatecrash.judging import missing_instruments
from gatecrash.profiles import profile
from gatecrash.record import Judgement, RunRecord, judgements
from gatecrash.references import default_target
from gatecrash.reports import formats, terminal
from gatecrash.rulebook import Rule, load
from gatecrash.verdicts import Verdict, merge
from gatecrash.workers import default_workers
from gatecrash.workshop import Prepared, Workshop


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "target", nargs="?", help="a .c, .cpp or .py file, a folder, a command (with {port}), or HOST:PORT"
    )
    parser.add_argument("--profile", default="quick", choices=("quick", "default", "thorough"), help="how long to try")
    parser.add_argument(
        "--only", action="append", default=[], metavar="IDS", help="rules or areas to try: ACC-03, fork, RES-*"
    )
    parser.add_argument("--skip", action="append", default=[], metavar="IDS", help="rules or areas to leave out")
    parser.add_argument("--strict", action="store_true", help="a broken SHOULD fails the run, too")
    parser.add_argument(
        "--jobs",
        type=_jobs,
        default=None,
        metavar="N",
        help="worker processes (default: by the processors this process may use)",
    )
    parser.add_argument(
        "--report",
        action="append",
        default=[],
        metavar="FORMAT=FILE",
        help="write a report: json=result.json; may be repeated",
    )
    parser.add_argument(
        "--contract", metavar="FILE", help="the gatecrash.toml to use (default: the one beside the target)"
    )
    parser.add_argument(
        "--patience", type=_seconds, default=5.0, metavar="SECONDS", help="when a wait that proves nothing is given up"
    )
    parser.add_argument(
        "--arena", choices=("auto", "namespace", "loopback"), default="auto", help="where the target runs"
    )


def _jobs(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= 256:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of workers; give one from 1 to 256")
    return number


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; give seconds, above 0 and at most 600")
    return number


@dataclass
class Progress:
    """A live line on a terminal; elsewhere a line for each broken rule as it is found."""

    console: Console
    total: int
    verdicts: list[Verdict] = field(default_factory=list)
    live: Live | None = None

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self.live = Live(self._line(), console=self.console, transient=True, refresh_per_second=8)
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()

    def hear(self, verdict: Verdict) -> None:
        """Take one verdict in."""
        known = {v.rule for v in self.verdicts if v.outcome == "fail"}
        self.verdicts.append(verdict)
        if self.live is not None:
            self.live.update(self._line())
        elif verdict.outcome == "fail" and verdict.rule not in known:
            self.console.print(terminal.plain(f"  broken: {verdict.rule} {load().get(verdict.rule).title}"))

    def _line(self) -> Text:
        merged = merge(self.verdicts)
        broken = sorted(v.rule for v in merged.values() if v.outcome == "fail")
        line = Text(f"  {len(merged)} of {self.total} rules")
        if broken:
            line.append(f", broken: {' '.join(broken)}", "bold red")
        return line


def run(options: argparse.Namespace) -> int:
    """Judge the target; returns the exit code."""
    reports = [formats.requested(text) for text in options.report]
    rules = load().select(options.only, options.skip)
    console = Console(highlight=False, soft_wrap=True)
    target = absolute(options.target) or default_target()
    folder = Workshop.new_folder()
    run = _Run(options, folder, target, rules, reports, console)
    try:
        record = run.judge()
    except GatecrashError as error:
        run.write(run.failed(error))
        raise
    finally:
        Workshop.remove_folder(folder)
    run.write(record)
    last_run.save(record, target, absolute(options.contract))
    return _show(record, options, console)


@dataclass
class _Run:
    options: argparse.Namespace
    folder: Path
    target: str
    rules: tuple[Rule, ...]
    reports: list[formats.Report]
    console: Console
    started: float = field(default_factory=time.monotonic)

    def write(self, record: RunRecord, *, live: bool = False) -> None:
        """Write the reports; with `live`, those that are written anew after every rule."""
        for report in self.reports:
            if report.live or not live:
                report.write(record)

    def failed(self, error: GatecrashError) -> RunRecord:
        """The record of a run without verdicts: the target did not build or start, or the fault is ours."""
        theirs = isinstance(error, TargetError)
        prepared = Prepared(Path(self.target).name, Contract(), {}, error=str(error) if theirs else None)
        return self._record(prepared, {}, (), None if theirs else str(error), interrupted=False)

    def judge(self) -> RunRecord:
        """Build, discover, try every rule. Raises TargetError when the target does not build or start."""
        # The suites and Hypothesis are imported while compilers run; the workers are forked with all in place.
        with ThreadPoolExecutor(1) as aside:
            suites = aside.submit(_import_suites)
            prepared = self._workshop().prepare(self.target)
            suites.result()
        from gatecrash.runner import Crew, orders

        missing = missing_instruments(remote=prepared.arena == "remote")
        terminal.header(self.console, prepared, missing)
        work = orders((rule.id for rule in self.rules), prepared.launches)
        jobs = min(self.options.jobs or default_workers(), len(work))
        faults: list[str] = []
        interrupted = False
        with (
            Crew(self.folder, self._workshop, self.target, profile(self.options.profile), jobs=jobs) as crew,
            Progress(self.console, len(self.rules)) as progress,
        ):
            self.write(self._record(prepared, missing, (), None, interrupted=True), live=True)
            try:
                for result in crew.results(work):
                    faults += [result.fault] if result.fault is not None else []
                    for verdict in result.verdicts:
                        progress.hear(verdict)
                    known = judgements(progress.verdicts, self.rules)
                    self.write(self._record(prepared, missing, known, None, interrupted=True), live=True)
            except KeyboardInterrupt:
                interrupted = True
        judged = judgements(progress.verdicts, self.rules)
        fault = "\n".join(faults) or (None if interrupted else _unjudged(self.rules, judged))
        return self._record(prepared, missing, judged, fault, interrupted=interrupted)

    def _workshop(self) -> Workshop:
        options = self.options
        contract = absolute(options.contract)
        return Workshop(self.folder, arena=options.arena, patience=options.patience, contract=contract)

    def _record(
        self,
        prepared: Prepared,
        missing: dict[str, str],
        judged: tuple[Judgement, ...],
        fault: str | None,
        *,
        interrupted: bool,
    ) -> RunRecord:
        return RunRecord(
            target=prepared.name,
            prepared=prepared,
            missing=missing,
            judgements=judged,
            seconds=time.monotonic() - self.started,
            profile=self.options.profile,
            fault=fault,
            interrupted=interrupted,
            named=self.options.target or "",
        )


def _import_suites() -> None:
    from gatecrash import catalogue, runner

    assert runner
    catalogue.properties()


def _unjudged(rules: tuple[Rule, ...], judged: tuple[Judgement, ...]) -> str | None:
    """A rule that was asked for and got no verdict is a fault of ours, and never silently a pass."""
    lost = sorted({rule.id for rule in rules} - {j.rule.id for j in judged})
    return f"no verdict for {', '.join(lost)}" if lost else None


def _show(record: RunRecord, options: argparse.Namespace, console: Console) -> int:
    terminal.areas(console, record)
    terminal.unjudged(console, record)
    terminal.failures(console, record, options.target or "")
    if record.fault is not None:
        console.print(Text("Gatecrash itself failed; this says nothing of the target. Its last words:", "bold yellow"))
        console.print(terminal.plain(record.fault))
    terminal.closing(console, record, strict=options.strict)
    return record.exit_code(strict=options.strict)
