"""Points as the importers of course platforms take them: a line a student, found by the platform's own number.

- Canvas, Gradebook, "Import" (lib/gradebook_importer.rb): the columns Student, ID, SIS User ID, SIS Login ID, Section,
  one that is named as the assignment, and a row "Points Possible". It looks for a student by ID, then by the SIS
  columns, then by name.
- Moodle, Assignment, "Upload grading worksheet" (mod/assign/feedback/offline/importgradeslib.php): Identifier, Grade
  and Last modified (grade) have to be there; a line whose Identifier it does not know is skipped.

All are UTF-8 without a byte order mark. Both importers would take one (Canvas asks whether the first cell has "Student"
in it, Moodle cuts the mark off: lib/csvlib.class.php, trim_utf8_bom), and neither needs it.

Who has no score has no line, so that nothing a platform has of them is overwritten. Students read the comments: of
rules that are hidden from them nothing is said.
"""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from gatecrash.errors import UsageError
from gatecrash.grading.platforms import exported_by
from gatecrash.grading.results_folder import harmless, put
from gatecrash.grading.submission import Person, Submission
from gatecrash.grading.summary import ClassRecord, Summary
from gatecrash.language import say, terms_alone
from gatecrash.paths import why_not_writable
from gatecrash.results.grading import shown
from gatecrash.rulebook import load, prose
from gatecrash.text import safe_text

_LONGEST_COMMENT = 1000  # characters of what stood in the way of a server


def canvas(record: ClassRecord) -> str:
    """The file that Canvas imports; its last column is called by `problem` of the grading scheme."""
    head = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section", record.scheme.problem)
    possible = ("    Points Possible", "", "", "", "", shown(record.scheme.total))
    return _written(head, [possible, *(_of_canvas(*one) for one in _graded(record))])


def _of_canvas(submission: Submission, person: Person, summary: Summary) -> tuple[str, ...]:
    platform = exported_by(submission)
    number = person.number if platform == "canvas" else ""
    sis = person.number if platform == "gradescope" else ""
    login = person.email or ("" if platform else person.name)
    return (person.name, number, sis, login, "", shown(summary.points))


def moodle(record: ClassRecord) -> str:
    """The grading worksheet that Moodle takes back."""
    head = (
        "Identifier",
        "Full name",
        "Email address",
        "Grade",
        "Maximum Grade",
        "Grade can be changed",
        "Last modified (grade)",
        "Feedback comments",
    )
    return _written(head, (_of_moodle(*one, record) for one in _graded(record)))


def _of_moodle(submission: Submission, person: Person, summary: Summary, record: ClassRecord) -> tuple[str, ...]:
    identifier = f"Participant {person.number}" if exported_by(submission) == "moodle" else ""
    points = (shown(summary.points), shown(summary.maximum))
    return (identifier, person.name, person.email, *points, "Yes", "-", html.escape(_comment(summary, record)))


def _comment(summary: Summary, record: ClassRecord) -> str:
    """What a student reads."""
    if summary.error:
        return safe_text(summary.error.strip())[:_LONGEST_COMMENT]
    rules = [load().get(id) for id in summary.broken]
    with terms_alone():
        said = [f"{rule.id} {prose(rule.title)}" for rule in rules if not record.scheme.is_hidden(rule)]
    return say("broken: {rules}", rules="; ".join(said)) if said else ""


def _graded(record: ClassRecord) -> Iterator[tuple[Submission, Person, Summary]]:
    """Each person with a score."""
    for student in record.scored:
        for person in student.submission.people:
            assert student.summary is not None  # it has a score
            yield student.submission, person, student.summary


def _written(head: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(map(harmless, head))
    rows.writerows([harmless(cell) for cell in line] for line in lines)
    return text.getvalue()


#: What `--csv PLATFORM=FILE` may name.
PLATFORMS: Mapping[str, Callable[[ClassRecord], str]] = {"canvas": canvas, "moodle": moodle}


def wanted(texts: Iterable[str]) -> tuple[tuple[str, Path], ...]:
    """The files that are asked for. Raises UsageError for no such platform, and for a file that cannot be written."""
    return tuple(_wanted(text) for text in texts)


def _wanted(text: str) -> tuple[str, Path]:
    platform, _, name = text.partition("=")
    if platform not in PLATFORMS or not name:
        near = get_close_matches(platform, PLATFORMS, n=1, cutoff=0.5)
        hint = say(" Did you mean {near}?", near=near[0]) if near and near[0] != platform else ""
        raise UsageError(
            say(
                "--csv {text}: expected PLATFORM=FILE with one of the platforms {names}.{hint}",
                text=text,
                names=", ".join(PLATFORMS),
                hint=hint,
            )
        )
    reason = why_not_writable(Path(name))
    if reason:
        raise UsageError(say("--csv {text} cannot be written: {reason}.", text=text, reason=reason))
    return platform, Path(name)


def write(files: Iterable[tuple[str, Path]], record: ClassRecord) -> None:
    """Write them. Raises Unwritable."""
    for platform, path in files:
        put(path, PLATFORMS[platform](record))


def missing(platform: str, record: ClassRecord) -> str:
    """What the file cannot say, in a sentence; empty where it says all."""
    people = list(_graded(record))
    without = sum(exported_by(submission) != platform for submission, _, _ in people)
    if without and platform == "canvas":
        return say(
            "Canvas's number is missing for {count} of {total} students, as their submissions are not named as Canvas "
            "exports them: it looks for them by login and by name.",
            count=without,
            total=len(people),
        )
    if without:
        return say(
            "Moodle's Identifier is missing for {count} of {total} students, as their submissions are not named as "
            "Moodle exports them: a grading worksheet is taken without them. Fill it in, or import the file into the "
            "gradebook by email address.",
            count=without,
            total=len(people),
        )
    above = sum(summary.points > summary.maximum for _, _, summary in people)
    if above and platform == "moodle":
        return say(
            "extra credit is above the maximum for {count} of {total} students: Moodle skips these "
            "lines unless the assignment's maximum is raised.",
            count=above,
            total=len(people),
        )
    return ""
