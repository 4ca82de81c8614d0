"""What is given to whoever judges a submission, and what comes back: plain data, so that both can travel."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gatecrash.grading.platforms import file_name

_MOST_SHIPPED = 256 << 20  # bytes of a submission that are sent elsewhere


@dataclass(frozen=True)
class Course:
    """What all submissions of a class are judged by. `contract` is the text of the file, None where there is none.

    `seconds`: what one run may take. `contained`: in an arena with a root and limits of its own. `page`: whether a page
    is made of each.
    """

    contract: str | None = None
    profile: str = "quick"
    seconds: float = 600.0
    contained: bool = True
    patience: float = 5.0
    language: str = "en"
    page: bool = True

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Course:
        """What `to_json` wrote."""
        return cls(**row)


@dataclass(frozen=True)
class Work:
    """One submission to be judged. Its files are where they were handed in, or `packed`, as a tar."""

    id: str
    sources: tuple[str, ...]
    course: Course
    rules: tuple[str, ...] | None = None  # None: all
    packed: bytes | None = None
    #: What is known of it already: only `rules` are judged anew.
    before: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "id": self.id,
            "sources": list(self.sources),
            "course": self.course.to_json(),
            "rules": None if self.rules is None else list(self.rules),
            "packed": None if self.packed is None else base64.b64encode(self.packed).decode("ascii"),
            "before": self.before,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Work:
        """What `to_json` wrote."""
        packed = row["packed"]
        return cls(
            id=row["id"],
            sources=tuple(row["sources"]),
            course=Course.from_json(row["course"]),
            rules=None if row["rules"] is None else tuple(row["rules"]),
            packed=None if packed is None else base64.b64decode(packed),
            before=row["before"],
        )


@dataclass(frozen=True)
class Judged:
    """What came of it: a record (`results/saved_record.py`), or `why` there is none (`ours`: a fault of ours).

    `seconds` are on the clock, `processor_seconds` of all that was started for it, `memory_kib` the most that one
    process of ours had. `page` is the HTML report.
    """

    id: str
    record: Mapping[str, Any] | None = None
    why: str = ""
    ours: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    processor_seconds: float = 0.0
    memory_kib: int = 0
    page: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "notes": list(self.notes)}  # asdict would copy the whole record

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Judged:
        """What `to_json` wrote."""
        return cls(**{**row, "notes": tuple(row["notes"])})


def packed(sources: Iterable[Path]) -> bytes:
    """Files as a tar, links and all, to be unpacked elsewhere as if they lay there. Raises OSError, ValueError."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for source in sources:
            archive.add(source, arcname=file_name(source), filter=lambda one: _bounded(one, written))
    return written.getvalue()


def _bounded(member: tarfile.TarInfo, written: io.BytesIO) -> tarfile.TarInfo:
    if written.tell() + member.size > _MOST_SHIPPED:
        raise ValueError("too large to be sent")
    return member


def names(sources: Iterable[Path]) -> tuple[str, ...]:
    """Where the files are, as texts."""
    return tuple(str(source.resolve()) for source in sources)
