"""`gatecrash grade FOLDER`: judge a class of submissions, and say what each is worth."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TextIO, cast

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live

from gatecrash.commands.options import add_jobs, add_profile
from gatecrash.commands.outlet import Outlet
from gatecrash.commands.points import grading_asked
from gatecrash.commands.screen import Screen
from gatecrash.config.contract_file import read_contract
from gatecrash.config.scheme import Scheme
from gatecrash.engine.cpu_quota import default_workers
from gatecrash.errors import Unavailable, UsageError
from gatecrash.grading import example, platform_csv
from gatecrash.grading.board import Board, line
from gatecrash.grading.class_run import ClassEvent, ClassRun, Graded, GradeRequest, Told, known_rules, scratch_of
from gatecrash.grading.cluster_address import ClusterAddress, cluster_address
from gatecrash.grading.finding import find
from gatecrash.grading.judges import Judges, JudgesGone, LocalJudges
from gatecrash.grading.results_folder import GRADES, INDEX, ResultsFolder
from gatecrash.grading.short_ids import shortened
from gatecrash.grading.state import State, kept_or_told
from gatecrash.grading.summary import ClassRecord
from gatecrash.grading.work import Course
from gatecrash.language import current, say
from gatecrash.reports.terminal import plain
from gatecrash.results import exit_codes
from gatecrash.sandbox.arena import Arena
from gatecrash.sandbox.delegation import settle
from gatecrash.shell import command
from gatecrash.text import safe_text

#: Says --uncontained where it is set, as in the image of a container.
_UNCONTAINED = "GATECRASH_UNCONTAINED"
_MOST_UNSCORED = 20  # submissions without a score that are listed


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "folder", type=Path, nargs="?", help="the folder that holds the submissions, one entry a student"
    )
    parser.add_argument("--contract", type=Path, metavar="FILE", help="the course's gatecrash.toml")
    parser.add_argument(
        "--grading", type=Path, metavar="FILE", help="the file whose [grading] gives points (default: the contract's)"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where results go (default: results)")
    parser.add_argument(
        "--csv",
        action="append",
        default=[],
        metavar="PLATFORM=FILE",
        help="write the points as canvas or moodle imports them, too: moodle=points.csv; may be repeated",
    )
    parser.add_argument(
        "--example",
        type=Path,
        nargs="?",
        const=Path("example-class"),
        metavar="FOLDER",
        help="write a class of 12 submissions to try (default: to example-class), and grade it",
    )
    parser.add_argument("--only", action="append", default=[], metavar="ID", help="this submission; may be repeated")
    parser.add_argument(
        "--regrade", action="append", default=[], metavar="RULE", help="judge this rule anew, or all; may be repeated"
    )
    parser.add_argument(
        "--uncontained",
        action="store_true",
        help="judge them where namespaces are refused, too: they can do what you can (in a container, what it can)",
    )
    parser.add_argument(
        "--no-pages",
        action="store_true",
        help="for a very large class: no page and record file of each; --only ID writes those of one",
    )
    add_profile(parser)
    add_jobs(parser)
    parser.add_argument(
        "--cluster",
        type=_cluster,
        metavar="ADDRESS",
        help="judge on the workers of a Dask scheduler, tcp://HOST:8786, or on local:N processes of it here",
    )


def _cluster(text: str) -> ClusterAddress:
    try:
        return cluster_address(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(options: argparse.Namespace) -> int:
    """Judge what was not judged yet, write what is known; 0 when every submission has a score. Raises UsageError."""
    judges = _judges(options)
    console = Screen(file=cast(TextIO, Outlet(sys.stdout)), highlight=False, soft_wrap=True)
    request = _request(_placed(options, console))
    found = find(request.folder, request.output)
    if request.course.contained and (options.cluster is None or options.cluster.local):
        settle()  # before anything else is started, which would be in the group
        _refuse_open_doors()
    results = ResultsFolder(request.output)
    files = platform_csv.wanted(options.csv)
    with kept_or_told(request.output), State(request.output) as state:
        judged = ClassRun(request, found, state, results)
        ended: KeyboardInterrupt | JudgesGone | None = None
        try:
            _judge(judged, console, judges, state)
        except (KeyboardInterrupt, JudgesGone) as error:
            ended = error
        judged.write_asked()
        record = judged.record()
        results.write_class(record)
        platform_csv.write(files, record)
    _closing(console, record, request.output, files)
    if ended is not None:
        raise ended
    return exit_codes.of_points(scored=not record.unscored)


def _placed(options: argparse.Namespace, console: Console) -> argparse.Namespace:
    """Where everything is: as it is said, or in the folder of the example, which is written where it is not there."""
    if options.example is None:
        if options.folder is None:
            raise UsageError(
                say(
                    "Name the folder that holds the submissions. To try it with a class of ours: "
                    "gatecrash grade --example"
                )
            )
        options.output = options.output or Path("results")
        return options
    folder: Path = options.example
    if options.folder is not None:
        raise UsageError(say("--example is a class of its own: leave {folder} out.", folder=options.folder))
    new = example.write(folder)
    options.folder = folder / example.SUBMISSIONS
    options.contract = options.contract or folder / example.CONTRACT
    options.output = options.output or folder / "results"
    told = (
        say(
            "A class of {count} submissions was written to {folder}, and is graded as any other:",
            count=12,
            folder=folder,
        )
        if new
        else say("{folder} is there already, and is graded as any other:", folder=folder)
    )
    options_said = ("--contract", str(options.contract), "--output", str(options.output))
    console.print(plain(f"  {told}\n  {command('grade', target=str(options.folder), options=options_said)}\n"))
    return options


def _request(options: argparse.Namespace) -> GradeRequest:
    contract: Path | None = options.contract
    text = None
    if contract is not None:
        if read_contract(contract)[1].cwd is not None:
            raise UsageError(
                say(
                    "{contract} says cwd, and each submission has a folder of its own: leave it out.", contract=contract
                )
            )
        text = contract.read_text(encoding="utf-8")
    grading, named = (None if one is None else str(one) for one in (options.grading, contract))
    scheme = grading_asked(grading, named)
    return GradeRequest(
        folder=options.folder,
        output=options.output,
        course=Course(
            contract=text,
            profile=options.profile,
            contained=_contained(options),
            language=current(),
            page=not options.no_pages,
        ),
        scheme=scheme or Scheme(),
        contract_name=contract.name if contract is not None else "",
        only=tuple(options.only),
        regrade=known_rules(options.regrade),
    )


def _contained(options: argparse.Namespace) -> bool:
    return not (options.uncontained or os.environ.get(_UNCONTAINED))


def _refuse_open_doors() -> None:
    """Raise UsageError where submissions could not be kept from what is this user's."""
    try:
        Arena.open(kind="namespace").close()
    except Unavailable as refusal:
        raise UsageError(
            say(
                "this machine refuses what keeps submissions apart ({reason}): they could read and write what you can. "
                "In a container that holds nothing else, say --uncontained.",
                reason=refusal.reason,
            )
        ) from None


#: Judges for so many submissions, which may use this folder.
_Judges = Callable[[int, Path], Judges]


def _judges(options: argparse.Namespace) -> _Judges:
    """Who is to judge. Raises UsageError where that cannot be."""
    address: ClusterAddress | None = options.cluster
    if address is None:
        jobs: int = options.jobs or default_workers()
        return lambda waiting, scratch: LocalJudges(min(jobs, waiting), scratch)
    if options.jobs is not None:
        raise UsageError(say("--jobs is of this machine alone: with --cluster, each thread of its workers is one."))
    try:
        from gatecrash.grading.cluster import ClusterJudges
    except ModuleNotFoundError as error:
        raise UsageError(
            say(
                "--cluster needs {module}, which is not installed: pip install 'gatecrash[cluster]'.",
                module=error.name,
            )
        ) from None
    return lambda waiting, scratch: ClusterJudges(address, scratch, contained=_contained(options))


def _judge(judged: ClassRun, console: Console, judges: _Judges, state: State) -> None:
    opened = judged.open()
    if opened.total == 1:
        told = say("1 submission, {waiting} to be judged", waiting=opened.waiting)
    else:
        told = say("{total} submissions, {waiting} to be judged", total=opened.total, waiting=opened.waiting)
    console.print(plain(f"  {told}"))
    if not judged.request.contract_name:
        console.print(plain(f"  {say('no --contract: each is judged by what it turns out to be')}", "yellow"))
    for said in opened.said:
        console.print(plain(f"  {said}"))
    if not opened.waiting:
        return
    scratch = scratch_of(state)
    try:
        with _shown(console, judged) as hear, closing(judged.events(judges(opened.waiting, scratch))) as events:
            hear(opened)
            for event in events:
                hear(event)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Shown:
    """A live board on a terminal, and a line a submission above it; elsewhere the lines alone."""

    def __init__(self, console: Console, live: Live | None, ids: Mapping[str, str]) -> None:
        """`ids`: what is shown of each."""
        self._console, self._live, self._ids = console, live, ids
        self._longest = max(map(cell_len, ids.values()))
        self._board, self._since = Board(ids), time.monotonic()

    def __call__(self, event: ClassEvent) -> None:
        now = time.monotonic() - self._since
        self._board.hear(event, now)
        if isinstance(event, Graded) and not event.again:
            told = line(event.student, longest=self._longest, id=self._ids[event.student.submission.id])
            self._console.print(plain(f"  {self._board.counted}  {told}"))
        if isinstance(event, Told):
            self._console.print(plain(f"  {safe_text(event.text)}", "yellow"))
        if self._live is not None:
            self._live.update(self._board.lines(now), refresh=True)


@contextmanager
def _shown(console: Console, judged: ClassRun) -> Iterator[_Shown]:
    ids = shortened([one.id for one in judged.found.submissions])
    if not console.is_terminal:
        yield _Shown(console, None, ids)
        return
    # Refreshed by us alone: a thread of its own would be there when judges are started.
    console.print(plain(f"  {say('Ctrl-C ends it at any time; the same command goes on from there')}", "dim"))
    with Live(console=console, transient=True, auto_refresh=False) as live:
        yield _Shown(console, live, ids)


def _closing(console: Console, record: ClassRecord, output: Path, files: tuple[tuple[str, Path], ...]) -> None:
    """What came of the class, who has no score, and where all is written."""
    console.print()
    unscored = [student for student in record.unscored if student.summary is not None]
    ids = shortened([student.submission.id for student in record.students])
    for student in unscored[:_MOST_UNSCORED]:
        console.print(plain(f"  {line(student, longest=0, id=ids[student.submission.id])}", "yellow"))
    if len(unscored) > _MOST_UNSCORED:
        console.print(plain(say("  {count} more without a score", count=len(unscored) - _MOST_UNSCORED)))
    waiting = len(record.unscored) - len(unscored)
    if waiting:
        told = say("{count} not judged yet: `gatecrash grade` goes on with what waits", count=waiting)
        console.print(plain(f"  {told}", "yellow"))
    for name, why in record.left_out:
        console.print(plain(say("  left out: {name}: {why}", name=safe_text(name), why=why), "dim"))
    scored, total = len(record.scored), len(record.students)
    if total == 1:
        told = say("{scored} of 1 submission has a score", scored=scored)
    else:
        told = say("{scored} of {total} submissions have a score", scored=scored, total=total)
    console.print(plain(told, "bold green" if scored == total else "bold yellow"))
    written = [
        (output / INDEX, say("the class at a glance, and a page for each submission")),
        (output / GRADES, say("the points, for a spreadsheet")),
    ]
    for platform, path in files:
        told = say("the points, for {platform}", platform=platform.capitalize())
        written.append((path, platform_csv.missing(platform, record) or told))
    longest = max(cell_len(str(path)) for path, _ in written)
    for path, told in written:
        console.print(plain(f"  {path}{' ' * (longest - cell_len(str(path)))}  {told}"))
