"""`gatecrash check`: judge a target and say which rules it breaks."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from gatecrash import last_run
from gatecrash.errors import UsageError
from gatecrash.judging import missing_instruments
from gatecrash.profiles import profile
from gatecrash.record import Judgement, RunRecord, judgements
from gatecrash.references import default_target
from gatecrash.reports import json_report, terminal
from gatecrash.rulebook import Rule, load
from gatecrash.verdicts import Verdict, merge
from gatecrash.workers import default_workers
from gatecrash.workshop import Workshop

_FORMATS = {"json": json_report.render}


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
    parser.add_argument("--report", action="append", default=[], metavar="json=FILE", help="write a report")
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
    reports = [_report(text) for text in options.report]
    rules = load().select(options.only, options.skip)
    console = Console(highlight=False, soft_wrap=True)
    target = _absolute(options.target) or default_target()
    folder = Workshop.new_folder()
    try:
        record = _judge(options, folder, target, rules, console)
    finally:
        Workshop.remove_folder(folder)
    for render, path in reports:
        _write(path, render(record))
    last_run.save(record, target, _absolute(options.contract))
    return _show(record, options, console)


def _judge(
    options: argparse.Namespace, folder: Path, target: str, rules: tuple[Rule, ...], console: Console
) -> RunRecord:
    started = time.monotonic()

    def opened() -> Workshop:
        return Workshop(folder, arena=options.arena, patience=options.patience, contract=_absolute(options.contract))

    # The suites and Hypothesis are imported while compilers run; the workers are forked with all of it in place.
    with ThreadPoolExecutor(1) as aside:
        suites = aside.submit(_import_suites)
        prepared = opened().prepare(target)
        suites.result()
    from gatecrash.runner import Crew, orders

    missing = missing_instruments(remote=prepared.arena == "remote")
    terminal.header(console, prepared, missing)
    work = orders((rule.id for rule in rules), prepared.launches)
    jobs = min(options.jobs or default_workers(), len(work))
    faults: list[str] = []
    interrupted = False
    with (
        Crew(folder, opened, target, profile(options.profile), jobs=jobs) as crew,
        Progress(console, len(rules)) as progress,
    ):
        try:
            for result in crew.results(work):
                faults += [result.fault] if result.fault is not None else []
                for verdict in result.verdicts:
                    progress.hear(verdict)
        except KeyboardInterrupt:
            interrupted = True
    judged = judgements(progress.verdicts, rules)
    fault = "\n".join(faults) or (None if interrupted else _unjudged(rules, judged))
    seconds = time.monotonic() - started
    return RunRecord(prepared.name, prepared, missing, judged, seconds, options.profile, fault, interrupted)


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


def _absolute(path: str | None) -> str | None:
    """A path that stays right when the working folder changes; anything else (a command, HOST:PORT) as it is."""
    if path is None or not Path(path).exists():
        return path
    return str(Path(path).resolve())


def _report(text: str) -> tuple[Callable[[RunRecord], str], Path]:
    kind, _, name = text.partition("=")
    if kind not in _FORMATS or not name:
        raise UsageError(f"--report {text}: expected FORMAT=FILE with one of the formats {', '.join(_FORMATS)}.")
    path = Path(name)
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK) or path.is_dir():
        raise UsageError(f"--report {text}: {name} cannot be written; name a file in a folder that exists.")
    return _FORMATS[kind], path


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise UsageError(f"the report {path} could not be written: {error.strerror}.") from None
