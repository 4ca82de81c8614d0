"""The folder of what came of a class: records, pages, grades.csv, index.html. Each file is whole, or not there."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from pathlib import Path

from gatecrash.errors import UsageError
from gatecrash.grading import class_page
from gatecrash.grading.state import unwritable
from gatecrash.grading.summary import ClassRecord, Student
from gatecrash.grading.work import Judged
from gatecrash.language import say
from gatecrash.reports import json_report
from gatecrash.results.grading import shown
from gatecrash.results.saved_record import from_row

RECORDS, PAGES, GRADES, INDEX = "records", "pages", "grades.csv", "index.html"

#: In front of what people open in a spreadsheet: without it Excel reads a file by the machine's old code page, and
#: makes other letters of Korean names. LibreOffice takes the mark for what it is. The files for Canvas and Moodle have
#: none (`platform_csv.py`).
_BYTE_ORDER_MARK = "\ufeff"


class ResultsFolder:
    """Writes into one folder."""

    def __init__(self, folder: Path) -> None:
        """Makes it. Raises UsageError where it cannot be made."""
        self.folder = folder
        try:
            for one in (folder, folder / RECORDS, folder / PAGES):
                one.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                say("{folder} cannot be made: {reason}. Name another --output.", folder=folder, reason=error.strerror)
            ) from None

    def write(self, judged: Judged) -> None:
        """The record and the page of one. Raises Unwritable."""
        if judged.record is None:
            return
        self._put(Path(RECORDS, f"{judged.id}.json"), json_report.render(from_row(judged.record)))
        if judged.page:
            self._put(Path(PAGES, f"{judged.id}.html"), judged.page)

    def remove(self, id: str) -> None:
        """The record and the page of one, which are of an earlier judgement. Raises Unwritable."""
        for name in (Path(RECORDS, f"{id}.json"), Path(PAGES, f"{id}.html")):
            try:
                (self.folder / name).unlink(missing_ok=True)
            except OSError as error:
                raise unwritable(self.folder / name, error.strerror) from None

    def has_page(self, id: str) -> bool:
        """Whether the page of one is there."""
        return (self.folder / PAGES / f"{id}.html").exists()

    def write_class(self, record: ClassRecord) -> None:
        """What is of all of them. Raises Unwritable."""
        self._put(Path(GRADES), _BYTE_ORDER_MARK + grades(record))
        pages = {page.stem for page in (self.folder / PAGES).glob("*.html")}
        self._put(Path(INDEX), class_page.render(record, pages))

    def _put(self, name: Path, text: str) -> None:
        put(self.folder / name, text)


def put(path: Path, text: str) -> None:
    """Write a file whole, or not at all; into a pipe or a device as it is. Raises Unwritable.

    What is no text in a stranger's file name (a byte that is no UTF-8: half a surrogate pair) is escaped.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    data = text.encode("utf-8", "backslashreplace")
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        scratch.write_bytes(data)
        scratch.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise unwritable(path, error.strerror) from None


_COLUMNS = ("id", "name", "number", "email", "points", "of", "broken", "said", "seconds")


def grades(record: ClassRecord) -> str:
    """grades.csv: a line a student, in the order of the ids; points empty where there are none (RFC 4180)."""
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(_COLUMNS)
    for student in record.students:
        for person in student.submission.people:
            beside = (person.name, person.number, person.email)
            rows.writerow(map(harmless, (student.submission.id, *beside, *_of(student))))
    return written.getvalue()


def _of(student: Student) -> tuple[str, ...]:
    summary = student.summary
    if summary is None or not summary.scored:
        return ("", "", "", str(student.why_no_score), "" if summary is None else f"{summary.seconds:.1f}")
    return (
        shown(summary.points),
        shown(summary.maximum),
        " ".join(summary.broken),
        summary.error,
        f"{summary.seconds:.1f}",
    )


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: the names are strangers' (owasp.org, CSV Injection)."""
    return f"'{text}" if text.startswith(tuple("=+-@\t\r")) and text != "-" and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
