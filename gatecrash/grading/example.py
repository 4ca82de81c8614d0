"""A class to try: twelve submissions as Moodle exports them, made from the servers that Gatecrash comes with."""

from __future__ import annotations

import io
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gatecrash.errors import UsageError
from gatecrash.language import say
from gatecrash.paths import tree_root

SUBMISSIONS, CONTRACT = "submissions", "course.toml"

_COURSE = """\
# The assignment: a small HTTP server, in C or Python. docs/contract.md explains every key.
[contract]
protocol = "http"

[grading]
total = 20
"""
_MAKEFILE = """\
CFLAGS = -Wall -Wextra -O1 -g -pthread

server: server.c
\t$(CC) $(CFLAGS) -o $@ $<
"""


@dataclass(frozen=True)
class Sample:
    """One of the class. `server`: a file in servers/; `handed_in`: how; `instead`: one text in it is another."""

    name: str
    number: int
    server: str
    handed_in: Literal["file", "zip", "tar", "make"] = "file"
    instead: tuple[str, str] | None = None


#: Two that are right, one that does not compile, and the usual mistakes of a first server.
CLASS = (
    Sample("Ada Lovelace", 7101, "c/http_fork.c"),
    Sample("김하늘", 7102, "python/http_fork.py"),
    Sample("Alan Turing", 7103, "faulty/never_reaps.c"),
    Sample("Grace Hopper", 7104, "faulty/accept_once.c"),
    Sample("Barbara Liskov", 7105, "faulty/short_write_ignored.c", "make"),
    Sample("Fionn O'Neill", 7106, "faulty/dies_of_sigpipe.c", "zip"),
    Sample("José de la Cruz", 7107, "faulty/one_recv_is_a_request.c"),
    Sample("이서연", 7108, "faulty/no_reuseaddr.c"),
    Sample("Dennis Ritchie", 7109, "faulty/parent_keeps_connection.c", "tar"),
    Sample("Margaret Hamilton", 7110, "faulty/descriptor_leak_file.py"),
    Sample("Edsger Dijkstra", 7111, "faulty/waits_after_fork.c"),
    Sample("Donald Knuth", 7112, "c/http_iterative.c", instead=('"8080");', '"8080")')),
)


def write(folder: Path) -> bool:
    """Put the class into a folder; False where it is there already. Raises UsageError where it cannot be written."""
    submissions, contract = folder / SUBMISSIONS, folder / CONTRACT
    if submissions.is_dir() and contract.is_file():
        return False
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            say(
                "{folder} holds something else. Name a new folder: --example FOLDER writes a class into it.",
                folder=folder,
            )
        )
    try:
        for sample in CLASS:
            _hand_in(sample, submissions / f"{sample.name}_{sample.number}_assignsubmission_file_")
        contract.write_text(_COURSE, encoding="utf-8")
    except OSError as error:
        raise UsageError(say("{folder} cannot be made: {reason}.", folder=folder, reason=error.strerror)) from None
    return True


def _hand_in(sample: Sample, folder: Path) -> None:
    source = tree_root() / "servers" / sample.server
    text = source.read_text(encoding="utf-8")
    if sample.instead is not None:
        text = text.replace(*sample.instead)
    folder.mkdir(parents=True)
    data, name = text.encode("utf-8"), f"server{source.suffix}"
    match sample.handed_in:
        case "zip":
            with zipfile.ZipFile(folder / "homework.zip", "w") as archive:
                archive.writestr(f"homework/{name}", data)
        case "tar":
            with tarfile.open(folder / "homework.tar.gz", "w:gz") as archive:
                member = tarfile.TarInfo(f"homework/{name}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        case "make":
            (folder / name).write_bytes(data)
            (folder / "Makefile").write_text(_MAKEFILE, encoding="utf-8")
        case "file":
            (folder / name).write_bytes(data)
