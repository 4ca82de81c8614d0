"""What somebody handed in: who, and where its files are. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Person:
    """Who handed it in. `number` and `email` are the platform's; empty where it does not say."""

    name: str
    number: str = ""
    email: str = ""

    def to_json(self) -> dict[str, str]:
        """Plain values."""
        return {"name": self.name, "number": self.number, "email": self.email}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Person:
        """What `to_json` wrote."""
        return cls(**row)


@dataclass(frozen=True)
class Submission:
    """One of a class. `id` is unique in it and fit for a file's name; `sources` are a folder, an archive, or files."""

    id: str
    people: tuple[Person, ...]
    sources: tuple[Path, ...]

    @property
    def name(self) -> str:
        """Whose it is, in one line."""
        return ", ".join(person.name for person in self.people)


#: The endings of archives that are opened (zipfile, tarfile).
ZIP_SUFFIXES = (".zip",)
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
ARCHIVE_SUFFIXES = (*ZIP_SUFFIXES, *TAR_SUFFIXES)


#: And those of archives that are not: what is in one cannot be looked at, which is no fault of its student.
UNOPENED_SUFFIXES = (".rar", ".7z", ".gz", ".bz2", ".xz", ".zst")


def archive_suffix(path: Path) -> str:
    """The ending that makes it an archive; empty for what is none."""
    return next((ending for ending in ARCHIVE_SUFFIXES if path.name.lower().endswith(ending)), "")
