"""What a finding is about, as data: for a face that points at it in a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

About = Literal[
    "accept queue",
    "answer",
    "backlog",
    "connection",
    "descriptors",
    "failed accept",
    "listening socket",
    "output",
    "threads",
    "time limit",
]


@dataclass(frozen=True)
class Facts:
    """What is wrong. Clients and processes are told by the values of a finding's sentences (`language.values_of`).

    `about`: the thing itself; "answer" is a whole answer that is another one than it should be, "failed accept" what is
    done with the result of one, "time limit" what only skipped time shows. `processes` are blamed besides those that
    sentences name. `address` is the one that is listened on, `datagram` the one that is wrong as such, `port` the one
    that it came from.
    """

    about: About | None = None
    processes: tuple[int, ...] = ()
    address: str | None = None
    datagram: bytes | None = None
    port: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values; a peer's bytes as Latin-1 text."""
        datagram = None if self.datagram is None else self.datagram.decode("latin-1")
        processes = list(self.processes)
        return {**vars(self), "processes": processes, "datagram": datagram}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Facts:
        """The facts that `to_json` wrote."""
        datagram = None if row["datagram"] is None else row["datagram"].encode("latin-1")
        return cls(**{**row, "processes": tuple(row["processes"]), "datagram": datagram})


#: Those of a finding whose sentences say all.
NO_FACTS = Facts()
