"""What a program that nobody trusts is given, and what it sees of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from gatecrash.language import marked, stated

#: "read-only": what is there; "copied": that, and what is written there is thrown away; "shared": nothing yet, and
#: what is written there the tester reads.
PlaceKind = Literal["read-only", "copied", "shared"]
#: What a program has hit that was ended for it.
LimitName = Literal["processes", "tasks", "memory", "disk", "file_size", "output", "cpu", "cpu_together"]


@dataclass(frozen=True)
class Confinement:
    """The limits of one program with all its processes, and of each build of it. The `[limits]` table of a contract.

    What a server needs under crowds of clients is well below these: a child for each of some hundred clients, a Java
    virtual machine.
    """

    #: MiB of memory that all processes have for themselves together: what they share with a file is not counted.
    memory: int = 512
    #: Processes at once; of tasks, threads included, there may be four times as many.
    processes: int = 1024
    #: Seconds of processor time that one process may use; all together, since the first was started, four times that.
    cpu_seconds: int = 300
    #: Descriptors of one process.
    open_files: int = 4096
    #: MiB of one file.
    file_size: int = 64
    #: MiB, and files, that it may write: into its folder, /tmp, /var/tmp and /dev/shm together.
    disk: int = 64
    inodes: int = 16384
    #: MiB that it may print.
    output: int = 64
    #: Seconds that one command of a build may take, and what all its processes may use: MiB of memory and of disk.
    build_seconds: int = 60
    build_memory: int = 1024
    build_disk: int = 256

    def for_builds(self) -> Confinement:
        """The same for a compiler, make, or a build command."""
        return Confinement(
            **{
                **asdict(self),
                "memory": self.build_memory,
                "disk": self.build_disk,
                "file_size": self.build_disk,
                "cpu_seconds": self.build_seconds,
            }
        )

    def to_json(self) -> dict[str, int]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Confinement:
        """What `to_json` wrote."""
        return cls(**row)


@dataclass(frozen=True)
class LimitHit:
    """What a program was ended for: the limit, what it was given and what it was seen to have, in the same unit."""

    limit: LimitName
    given: int
    had: int

    @property
    def said(self) -> str:
        """Half a sentence, of the program."""
        return stated(_SAID[self.limit], given=self.given)


_SAID: Mapping[LimitName, str] = {
    "processes": marked("it was given {given} processes, and wanted more"),
    "tasks": marked("it was given {given} processes and threads, and wanted more"),
    "memory": marked("it had {given} MiB of memory, and wanted more"),
    "disk": marked("it could write {given} MiB, or the number of files that goes with it, and wanted more"),
    "file_size": marked("a file of it could have {given} MiB, and was to have more"),
    "output": marked("it could print {given} MiB, and printed more"),
    "cpu": marked("a process of it used up the {given} s of processor time that it had"),
    "cpu_together": marked("its processes used up the {given} s of processor time that they had together"),
}


@dataclass(frozen=True)
class Place:
    """A folder that the program sees, under the path that it has outside, too."""

    path: Path
    kind: PlaceKind


@dataclass(frozen=True)
class Confined:
    """A program's limits, and the places it sees beside the system's."""

    limits: Confinement
    places: tuple[Place, ...] = ()
