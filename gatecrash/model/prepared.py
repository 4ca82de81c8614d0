"""A target that was built and discovered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatecrash.language import Sentence
from gatecrash.model.contract import Contract
from gatecrash.model.launch import Launch


@dataclass(frozen=True)
class Prepared:
    """A target built and discovered: everything another process needs to judge it."""

    name: str
    contract: Contract
    launches: Mapping[str, Launch]
    how_built: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    address: str = ""
    backlog: int | None = None
    arena: str = ""
    #: Why only the wire was seen; None where processes and sockets were, too.
    unseen: str | None = None
    #: The path of the source file, where the target is one.
    source: str | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        launches = {
            name: {"argv": list(one.argv), "cwd": str(one.cwd), "env": dict(one.env), "address": one.address}
            for name, one in self.launches.items()
        }
        return {
            **{key: value for key, value in self.__dict__.items() if key not in ("contract", "launches")},
            "contract": self.contract.to_json(),
            "launches": launches,
            "notes": [note.to_json() if isinstance(note, Sentence) else note for note in self.notes],
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Prepared:
        """What `to_json` wrote."""
        launches = {
            name: Launch(tuple(one["argv"]), Path(one["cwd"]), one["env"], _address(one["address"]))
            for name, one in row["launches"].items()
        }
        notes = tuple(Sentence.from_json(note) if isinstance(note, list) else note for note in row["notes"])
        tuples = {"how_built": tuple(row["how_built"]), "notes": notes}
        return cls(**{**row, **tuples, "contract": Contract.from_json(row["contract"]), "launches": launches})


def _address(row: list[Any] | None) -> tuple[str, int] | None:
    return None if row is None else (str(row[0]), int(row[1]))
