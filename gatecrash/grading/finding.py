"""What a folder of submissions holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gatecrash.errors import UsageError
from gatecrash.grading.platforms import METADATA, of_a_student, submissions
from gatecrash.grading.submission import UNOPENED_SUFFIXES, Submission, archive_suffix
from gatecrash.language import say
from gatecrash.target.resolve import SOURCE_SUFFIXES

_MOST_METADATA = 32 << 20  # bytes


@dataclass(frozen=True)
class Found:
    """The submissions, in the order of their ids, and the entries that are none, with the reason."""

    submissions: tuple[Submission, ...]
    left_out: tuple[tuple[str, str], ...] = ()


def find(folder: Path, output: Path) -> Found:
    """The submissions in a folder, which may hold `output`, where results go.

    Raises UsageError for what is no folder, or holds nothing to grade.
    """
    if not folder.is_dir():
        raise UsageError(
            say(
                "{folder} is not a folder. Name the one that holds the submissions, one entry a student.", folder=folder
            )
        )
    try:
        entries = sorted(one for one in folder.iterdir() if _counts(one) and one.resolve() != output.resolve())
        metadata = _metadata(folder / METADATA)
    except OSError as error:
        raise UsageError(say("{folder} cannot be read: {reason}.", folder=folder, reason=error.strerror)) from None
    taken, left_out = [], []
    for entry in entries:
        why = _why_not(entry)
        if why:
            left_out.append((entry.name, why))
        else:
            taken.append(entry)
    if not taken:
        raise UsageError(_nothing(folder, left_out))
    found = sorted(submissions(taken, metadata), key=lambda one: one.id)
    return Found(tuple(found), tuple(left_out))


def _counts(entry: Path) -> bool:
    return not entry.name.startswith((".", "__MACOSX")) and entry.name != METADATA


def _why_not(entry: Path) -> str:
    """Why an entry is no submission; empty for one that is."""
    if entry.is_symlink():
        return say("a link, and links are not followed")
    if entry.is_dir():
        return ""
    if not entry.is_file():
        return say("neither a file nor a folder")
    if archive_suffix(entry) or entry.suffix in SOURCE_SUFFIXES or of_a_student(entry):
        return ""
    if entry.name.lower().endswith(UNOPENED_SUFFIXES):
        return ""
    return say("neither a folder, nor source of a server, nor an archive that is opened (zip, tar)")


def _nothing(folder: Path, left_out: list[tuple[str, str]]) -> str:
    if not left_out:
        return say("{folder} is empty: there is nothing to grade. It should hold one entry a student.", folder=folder)
    name, why = left_out[0]
    return say(
        "{folder} holds no submission: {name!r} is {why}. It should hold a folder, an archive or a file a student.",
        folder=folder,
        name=name,
        why=why,
    )


def _metadata(path: Path) -> str:
    if not path.is_file() or path.stat().st_size > _MOST_METADATA:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")
