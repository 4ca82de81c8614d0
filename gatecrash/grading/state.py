"""What is known of a class, in SQLite: what was finished stays, whatever ends the run (sqlite.org/atomiccommit.html).

One row a submission. What was under way when a run was ended is `waiting` again at the next; nothing is kept of half a
judgement. One process at a time has a class open.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gatecrash.errors import Unwritable, UsageError
from gatecrash.grading.submission import Person, Submission
from gatecrash.grading.work import Judged
from gatecrash.language import say
from gatecrash.paths import has_room

FILE_NAME = "grade.sqlite"
_LAYOUT = "1"
_TABLES = """
create table if not exists meta (key text primary key, value text not null);
create table if not exists submissions (
  id text primary key,
  people text not null,
  sources text not null,
  digest text not null,
  judged blob,           -- compressed JSON of a Judged; null: waiting
  summary text,          -- JSON of a Summary, by the scheme that `meta` names
  regrade text           -- JSON list of the rules that are to be judged anew; null: none
);
"""


@contextmanager
def kept_or_told(folder: Path) -> Iterator[None]:
    """Raises Unwritable where the class cannot be kept any more: a full disk, a file system that became read-only."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise unwritable(folder / FILE_NAME, _why(error, folder)) from None


def unwritable(path: Path, reason: str | None) -> Unwritable:
    """What is raised where a class cannot be written any more; nothing of it is lost."""
    return Unwritable(
        say(
            "{path} cannot be written: {reason}. What was judged so far is kept, and the same command goes on.",
            path=path,
            reason=reason,
        )
    )


def _why(error: sqlite3.DatabaseError, folder: Path) -> str:
    """SQLite's word, but for a full disk: what it says of one is often "disk I/O error"."""
    if isinstance(error, sqlite3.OperationalError) and not has_room(folder):
        return os.strerror(errno.ENOSPC)
    return str(error)


@dataclass(frozen=True)
class Kept:
    """A submission as it is kept. `judged`: it is done with, but for `regrade`; `scored`: and has points."""

    submission: Submission
    digest: str
    judged: bool
    scored: bool
    regrade: tuple[str, ...] = ()


class State:
    """The class in one file. Every change is one transaction."""

    def __init__(self, folder: Path) -> None:
        """`folder` is there. Raises UsageError where another process has it open, or the file is not ours."""
        self._lock = _locked(folder / f"{FILE_NAME}.lock")
        self._database = sqlite3.connect(folder / FILE_NAME, isolation_level=None)
        try:
            self._database.execute("pragma journal_mode = wal")
            self._database.execute("pragma synchronous = normal")  # a commit survives kill -9, not a loss of power
            self._database.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            self.close()
            raise UsageError(
                say(
                    "{path} cannot be used: {reason}. Name another --output.",
                    path=folder / FILE_NAME,
                    reason=_why(error, folder),
                )
            ) from None
        if self.meta("layout", _LAYOUT) != _LAYOUT:
            self.close()
            raise UsageError(
                say(
                    "{path} was written by another version of Gatecrash. Name another --output.",
                    path=folder / FILE_NAME,
                )
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let others have it."""
        self._database.close()
        os.close(self._lock)

    # -- what it is of ---------------------------------------------------------------------------------------------

    def meta(self, key: str, first: str = "") -> str:
        """A fact about the whole class; `first` is kept where there is none yet."""
        self._database.execute("insert or ignore into meta values (?, ?)", (key, first))
        return str(self._database.execute("select value from meta where key = ?", (key,)).fetchone()[0])

    def set_meta(self, key: str, value: str) -> None:
        """Keep a fact about the whole class."""
        self._database.execute("insert or replace into meta values (?, ?)", (key, value))

    # -- submissions -----------------------------------------------------------------------------------------------

    def submissions(self) -> tuple[Kept, ...]:
        """All, by their ids."""
        rows = self._database.execute(
            "select id, people, sources, digest, judged is not null, regrade,"
            " coalesce(json_extract(summary, '$.scored'), 0) from submissions order by id"
        )
        return tuple(_kept(row) for row in rows)

    def enter(self, submissions: Mapping[Submission, str]) -> None:
        """Take these into the class, each with its digest; one whose files have changed waits again."""
        rows = [
            (
                one.id,
                json.dumps([person.to_json() for person in one.people]),
                json.dumps(list(map(str, one.sources))),
                digest,
            )
            for one, digest in submissions.items()
        ]
        with closing(self._database.cursor()) as cursor:
            cursor.execute("begin immediate")
            cursor.executemany(
                "insert into submissions (id, people, sources, digest) values (?, ?, ?, ?)"
                " on conflict (id) do update set"
                " people = excluded.people, sources = excluded.sources, digest = excluded.digest,"
                " judged = iif(digest = excluded.digest, judged, null),"
                " summary = iif(digest = excluded.digest, summary, null),"
                " regrade = iif(digest = excluded.digest, regrade, null)",
                rows,
            )
            cursor.execute("commit")

    def regrade(self, ids: Iterable[str], rules: Iterable[str]) -> None:
        """These rules of them wait to be judged anew."""
        listed = json.dumps(list(rules))
        self._database.executemany(
            "update submissions set regrade = ? where id = ? and judged is not null", [(listed, id) for id in ids]
        )

    def again(self, ids: Iterable[str]) -> None:
        """These wait to be judged."""
        self._database.executemany(
            "update submissions set judged = null, summary = null, regrade = null where id = ?",
            [(id,) for id in ids],
        )

    def finished(self, judged: Judged, summary: Mapping[str, Any]) -> None:
        """Keep what came of it."""
        kept = zlib.compress(json.dumps({**judged.to_json(), "page": ""}).encode())
        self._database.execute(
            "update submissions set judged = ?, summary = ?, regrade = null where id = ?",
            (kept, json.dumps(summary), judged.id),
        )

    def judged(self, id: str) -> Judged | None:
        """What came of it, without its page; None where it waits."""
        found = self._database.execute("select judged from submissions where id = ?", (id,)).fetchone()
        if found is None or found[0] is None:
            return None
        return Judged.from_json(json.loads(zlib.decompress(found[0])))

    def summaries(self) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """By id what is shown of each in the class; None of those that wait."""
        for id, summary in self._database.execute("select id, summary from submissions order by id").fetchall():
            yield id, None if summary is None else json.loads(summary)

    def summarise(self, id: str, summary: Mapping[str, Any]) -> None:
        """Keep a summary made anew: points are worth something else now."""
        self._database.execute("update submissions set summary = ? where id = ?", (json.dumps(summary), id))


def _kept(row: tuple[Any, ...]) -> Kept:
    id, people, sources, digest, judged, regrade, scored = row
    persons = tuple(Person.from_json(one) for one in json.loads(people))
    submission = Submission(id, persons, tuple(map(Path, json.loads(sources))))
    return Kept(submission, digest, bool(judged), bool(scored), tuple(json.loads(regrade or "[]")))


def _locked(path: Path) -> int:
    """A lock that ends with this process (flock(2)); its descriptor."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(
            say("{path} cannot be used: {reason}. Name another --output.", path=path, reason=error.strerror)
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UsageError(
            say(
                "another `gatecrash grade` is writing to {folder}. Wait for it, or name another --output.",
                folder=path.parent,
            )
        ) from None
    return descriptor
