"""How course platforms name what they export: from the names in a folder to who handed what in. Pure.

- Gradescope, "Export Submissions": folders `submission_123456`, and `submission_metadata.yml` says whose they are.
- Moodle, "Download all submissions": `Ada Lovelace_1234567_assignsubmission_file_` as a folder, or before the name of
  each file.
- Canvas, "Download Submissions": files `lovelaceada_LATE_12345_678901_server-1.c`, all in one folder: the number of the
  user, that of the attempt, and -N for a file that was handed in again.
- GitHub Classroom, `gh classroom clone student-repos`: a repository a student, all of whose names begin with the
  assignment's.

Anything else is taken as it is: an entry a student.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from gatecrash.grading.submission import Person, Submission, archive_suffix

#: What Gradescope puts beside the folders.
METADATA = "submission_metadata.yml"
_GRADESCOPE = re.compile(r"submission_\d+")
_MOODLE = re.compile(r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_(?:file|onlinetext)(?:_(?P<file>.*))?")
_CANVAS = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<number>\d+)_\d+_(?P<file>.+)")
_LONGEST_ID = 80  # characters: results have names made of it


@dataclass(frozen=True)
class Named:
    """What the name of an entry says: who, and what of theirs it is."""

    key: str
    person: Person


def submissions(entries: Sequence[Path], metadata: str = "") -> tuple[Submission, ...]:
    """The submissions among the entries of a folder. `metadata`: the text of Gradescope's file, where there is one."""
    people = _gradescope_people(metadata)
    slug = _assignment(entries)
    grouped: dict[str, list[Path]] = {}
    persons: dict[str, tuple[Person, ...]] = {}
    for entry in entries:
        named = _named(entry, people, slug)
        grouped.setdefault(named.key, []).append(entry)
        persons.setdefault(named.key, people.get(entry.name, (named.person,)))
    ids = _unique(grouped)
    return tuple(Submission(ids[key], persons[key], tuple(paths)) for key, paths in grouped.items())


def _named(entry: Path, people: Mapping[str, tuple[Person, ...]], slug: str) -> Named:
    if entry.name in people or _GRADESCOPE.fullmatch(entry.name):
        return Named(entry.name, Person(entry.name))
    for pattern in (_MOODLE, _CANVAS):
        found = pattern.fullmatch(entry.name)
        if found is not None and (pattern is _MOODLE or entry.is_file()):
            return Named(f"{found['name']}_{found['number']}", Person(found["name"], number=found["number"]))
    stem = entry.name[: -len(archive_suffix(entry)) or None] if entry.is_file() else entry.name
    if entry.is_file() and not archive_suffix(entry):
        stem = entry.stem
    return Named(entry.name, Person(stem.removeprefix(slug)))


def of_a_student(entry: Path) -> bool:
    """Whether a platform has put a student's name before this one: then it is theirs, whatever it is."""
    return any(pattern.fullmatch(entry.name) for pattern in (_MOODLE, _CANVAS))


def _assignment(entries: Sequence[Path]) -> str:
    """What the names of all begin with where each is a repository, up to a hyphen: the assignment's name."""
    if len(entries) < 2 or not all((entry / ".git").exists() for entry in entries):
        return ""
    first, last = min(entry.name for entry in entries), max(entry.name for entry in entries)
    common = first[: next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), 0)]
    return common[: common.rfind("-") + 1]


def _gradescope_people(metadata: str) -> dict[str, tuple[Person, ...]]:
    """Whose each folder is; nothing where the text is not what Gradescope writes."""
    try:
        table = yaml.safe_load(metadata) if metadata else None
    except yaml.YAMLError:
        return {}
    if not isinstance(table, dict):
        return {}
    found = {name: _submitters(row) for name, row in table.items() if isinstance(name, str) and isinstance(row, dict)}
    return {name: people for name, people in found.items() if people}


def _submitters(row: Mapping[str, object]) -> tuple[Person, ...]:
    listed = row.get(":submitters")
    rows = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return tuple(
        Person(str(one[":name"]), str(one.get(":sid") or ""), str(one.get(":email") or ""))
        for one in rows
        if one.get(":name")
    )


def exported_by(submission: Submission) -> str:
    """The platform whose numbers its people have: "gradescope", "moodle", "canvas"; empty for none that is known."""
    name = submission.sources[0].name
    patterns = {"gradescope": _GRADESCOPE, "moodle": _MOODLE, "canvas": _CANVAS}
    fits = (platform for platform, pattern in patterns.items() if pattern.fullmatch(name))
    return next((one for one in fits if any(person.number for person in submission.people)), "")


def file_name(entry: Path) -> str:
    """A file's name as its student gave it: what a platform put before or behind it is taken off."""
    moodle = _MOODLE.fullmatch(entry.name)
    if moodle is not None and moodle["file"]:
        return moodle["file"]
    canvas = _CANVAS.fullmatch(entry.name)
    return re.sub(r"-\d+(?=\.[^.]+$)", "", canvas["file"]) if canvas is not None else entry.name


def _unique(keys: Iterable[str]) -> dict[str, str]:
    """An id for each key: letters and digits of any script, and no two alike where case does not count."""
    ids: dict[str, str] = {}
    taken: set[str] = set()
    for key in keys:
        plain = id = _plain(key)
        number = 1
        while id.lower() in taken:
            number += 1
            id = f"{plain}-{number}"
        taken.add(id.lower())
        ids[key] = id
    return ids


def _plain(key: str) -> str:
    """A name of a file without anything that a shell, a browser or a file system minds."""
    text = unicodedata.normalize("NFC", key)
    text = text[: -len(archive_suffix(Path(text))) or None]
    text = re.sub(r"_assignsubmission_\w*$|\.(?:c|cc|cpp|cxx|py)$", "", text)
    return re.sub(r"[^\w.-]+", "_", text).strip("._-")[:_LONGEST_ID] or "submission"
