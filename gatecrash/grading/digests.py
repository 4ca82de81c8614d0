"""What tells that a submission, or what it is judged by, is another one than before."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tomllib
from itertools import islice
from pathlib import Path

from gatecrash.grading.submission import Submission

_PIECE = 1 << 20
#: Bytes of a submission that are read; of a larger one the sizes and times of its files tell.
_MOST_READ = 256 << 20
_MOST_FILES = 20_000


def of_submission(submission: Submission) -> str:
    """Of its files: names and bytes. What cannot be read is told from itself by its error."""
    digest = hashlib.sha256()
    left = _MOST_READ
    for source in submission.sources:
        for path in _files(source):
            digest.update(f"\0{path.relative_to(source.parent)}\0".encode("utf-8", "surrogateescape"))
            try:
                seen = path.lstat()
                left -= seen.st_size
                if not stat.S_ISREG(seen.st_mode):  # no link is followed, and a copy of one has another time
                    led = os.fsencode(os.readlink(path)) if stat.S_ISLNK(seen.st_mode) else b""
                    digest.update(b"%d " % stat.S_IFMT(seen.st_mode) + led)
                    continue
                if left < 0:
                    digest.update(f"{seen.st_mode} {seen.st_size} {seen.st_mtime_ns}".encode())
                    continue
                with path.open("rb") as file:
                    while piece := file.read(_PIECE):
                        digest.update(piece)
            except OSError as error:
                digest.update(str(error.errno).encode())
    return digest.hexdigest()


def _files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    found = (Path(top, name) for top, _, names in os.walk(source) for name in names)
    return sorted(islice((one for one in found if ".git" not in one.parts), _MOST_FILES))


def of_contract(text: str | None) -> str:
    """Of all that decides verdicts. What they are worth, [grading], is no part of it, and no more is [submission]:

    it decides which file is taken, of those that have no score yet. The text is TOML.
    """
    table = {} if text is None else tomllib.loads(text)
    for name in ("grading", "submission"):
        table.pop(name, None)
    return hashlib.sha256(json.dumps(table, sort_keys=True, default=str).encode()).hexdigest()
