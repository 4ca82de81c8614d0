"""The exit codes of every command and of pytest's side, and the one place where they are decided.

README.md has the table. A command that did what it was asked, whatever came of it, ends with DONE.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from gatecrash.errors import GatecrashError, TargetError, UsageError

if TYPE_CHECKING:  # the command `gatecrash` imports this before it knows which command is to run
    from gatecrash.results.record import RunRecord


class ExitCode(IntEnum):
    """What a process of ours ends with (exit(3))."""

    CONFORMS = 0
    BROKEN = 1
    INTERRUPTED = 2
    OUR_FAULT = 3
    USAGE = 4
    TOO_LITTLE_SEEN = 5
    NOT_STARTED = 6

    DONE = 0  # another name of 0, for commands that judge nothing


def of_record(record: RunRecord, *, strict: bool) -> ExitCode:
    """What a run says of its target. `strict`: a broken SHOULD fails it too, and a baseline that must shrink."""
    if record.error is not None:
        return ExitCode.NOT_STARTED
    if record.interrupted:
        return ExitCode.INTERRUPTED
    if record.fault is not None:
        return ExitCode.OUR_FAULT
    excused = record.excused
    new = {judgement.rule.level for judgement in record.broken if judgement.rule.id not in excused}
    if "MUST" in new or (strict and ("SHOULD" in new or record.fixed)):
        return ExitCode.BROKEN
    nothing = not record.broken and not record.summary["pass"]
    if record.untried or record.unproven or record.unrepeated or record.mute or nothing:
        return ExitCode.TOO_LITTLE_SEEN
    return ExitCode.CONFORMS


def of_graded(code: ExitCode, *, scored: bool) -> ExitCode:
    """Where points are what is wanted, having them is the success, whatever the verdicts are.

    `code` is the run's own. Without a score there is no success, and no verdict to be told in its place.
    """
    if scored:
        return ExitCode.DONE
    return ExitCode.OUR_FAULT if code in (ExitCode.CONFORMS, ExitCode.BROKEN) else code


def of_files(code: ExitCode, *, written: bool) -> ExitCode:
    """No success without the files that were asked for; what else there is to say of the target is said all the same.

    `code` is the run's own, `written` whether all of them were.
    """
    return ExitCode.USAGE if code == ExitCode.CONFORMS and not written else code


def of_points(*, scored: bool) -> ExitCode:
    """`gatecrash points`: whether the last run has a score."""
    return ExitCode.DONE if scored else ExitCode.OUR_FAULT


def of_replay(broken: int) -> ExitCode:
    """`gatecrash replay`: whether the rule was broken again, `broken` times."""
    return ExitCode.BROKEN if broken else ExitCode.CONFORMS


def of_error(error: BaseException) -> ExitCode:
    """A command that could not go on. What nobody foresaw is our fault, and never reads as "does not conform"."""
    match error:
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case BrokenPipeError():  # who read what we print has seen enough
            return ExitCode.DONE
        case SystemExit():  # argparse: 2 for a mistake in the command line, 0 after --help
            return ExitCode.USAGE if error.code else ExitCode.DONE
        case UsageError():
            return ExitCode.USAGE
        case TargetError():
            return ExitCode.NOT_STARTED
        case GatecrashError():
            return ExitCode.OUR_FAULT
        case _:
            return ExitCode.OUR_FAULT


def of_tests(code: int, record: RunRecord, *, strict: bool) -> int:
    """The code of a session of pytest that ends with `code`, and of whose target this is the record.

    It is the record's, as `gatecrash check` would end: pytest's own says nothing of a target that did not start, or of
    which too little was seen. pytest's codes for passed and failed tests are CONFORMS and BROKEN; its others (usage,
    interrupted) stay its own, and a test that failed though no rule is broken is still a failed test.
    """
    ours = of_record(record, strict=strict)
    if code not in (ExitCode.CONFORMS, ExitCode.BROKEN):
        return code
    return code if code == ExitCode.BROKEN and ours in (ExitCode.CONFORMS, ExitCode.TOO_LITTLE_SEEN) else ours
