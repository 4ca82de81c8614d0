"""Which reports there are, and writing them: refused before anything runs when they could not be written after."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType

from gatecrash.errors import Unwritable, UsageError
from gatecrash.language import say
from gatecrash.paths import why_not_writable
from gatecrash.results.record import RunRecord

#: Each format's module in gatecrash.reports, imported when it is asked for.
FORMATS = {
    "json": "json_report",
    "html": "html_report",
    "junit": "junit",
    "gitlab": "junit",  # the same file: GitLab reads the xunit1 family, with `file` of each case
    "sarif": "sarif",
    "tap": "tap",
    "github-summary": "github_summary",
    "github-annotations": "github_annotations",
    "gradescope": "gradescope",
    "classroom50": "classroom50",
    "classroom": "classroom",
    "prairielearn": "prairielearn",
    "autolab": "autolab",
    "codegrade": "codegrade",
    "codio": "codio",
    "check50": "check50_report",
}


@dataclass(frozen=True)
class Report:
    """A report that was asked for: its format's name and the file it goes to."""

    format: str
    path: Path

    @property
    def module(self) -> ModuleType:
        """The format's module."""
        return import_module(f"gatecrash.reports.{FORMATS[self.format]}")

    @property
    def live(self) -> bool:
        """Whether it is written anew after every rule; what is written to a pipe cannot be."""
        return bool(getattr(self.module, "LIVE", False)) and _is_ordinary(self.path)

    @property
    def graded(self) -> bool:
        """Whether it is a course platform's, for which a run that has a score is a success."""
        return bool(getattr(self.module, "GRADED", False))

    def write(self, record: RunRecord) -> None:
        """Write the whole report. Raises Unwritable when the file cannot be written.

        A format that has nothing to say renders None; what an earlier run wrote is then taken away, lest it be
        taken for this run's.
        """
        content = self.module.render(record)
        data = content if isinstance(content, bytes) else (content or "").encode("utf-8", "backslashreplace")
        try:
            if content is None:
                _take_away(self.path)
            elif getattr(self.module, "APPEND", False) or not _is_ordinary(self.path):
                with self.path.open("ab") as file:
                    file.write(data)
            else:
                _replace(self.path, data)
        except OSError as error:
            raise Unwritable(
                say("the report {path} could not be written: {strerror}.", path=self.path, strerror=error.strerror)
            ) from None


def requested(text: str) -> Report:
    """The report that FORMAT=FILE asks for. Raises UsageError for no such format, Unwritable for no such place."""
    kind, _, name = text.partition("=")
    if kind not in FORMATS or not name:
        near = get_close_matches(kind, FORMATS, n=1, cutoff=0.5) if kind not in FORMATS else []
        hint = say(" Did you mean {near}?", near=near[0]) if near else ""
        raise UsageError(
            say(
                "--report {text}: expected FORMAT=FILE with one of the formats {names}.{hint}",
                text=text,
                names=", ".join(sorted(FORMATS)),
                hint=hint,
            )
        )
    path = Path(name)
    reason = why_not_writable(path)
    if reason is not None:
        raise Unwritable(
            say("--report {text}: {name} cannot be written: {reason}.", text=text, name=name, reason=reason)
        )
    return Report(kind, path.absolute())


def wanted(texts: Iterable[str]) -> list[Report]:
    """The reports that are asked for. Raises Unwritable, a line for each that could not be written after the run."""
    found, refused = [], []
    for text in texts:
        try:
            found.append(requested(text))
        except Unwritable as error:
            refused.append(str(error))
    if refused:
        raise Unwritable("\n".join(refused))
    return found


def write_all(reports: Iterable[Report], record: RunRecord, tell: Callable[[str], None]) -> list[Report]:
    """Write them; those that were written. `tell` hears of one that was not: it costs neither the others nor a verdict.

    A run that would end with 0 does not, though (`exit_codes.of_files`).
    """
    written = []
    for report in reports:
        try:
            report.write(record)
            written.append(report)
        except Unwritable as error:
            tell(str(error))
    return written


def _take_away(path: Path) -> None:
    if not _is_ordinary(path) or not path.exists():
        return
    if os.access(path.parent, os.W_OK):
        path.unlink()
    else:
        path.write_bytes(b"")


def _is_ordinary(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True  # it is not there yet


def _replace(path: Path, data: bytes) -> None:
    """All or nothing, for readers that look while we write: a file beside it takes its place."""
    if path.exists() and not os.access(path.parent, os.W_OK):
        path.write_bytes(data)
        return
    target = path.resolve()
    descriptor, scratch = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(scratch, target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~mask)
        os.replace(scratch, target)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
