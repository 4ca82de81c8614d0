"""What discovery has learnt of a target so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatecrash.engine.session import Session
from gatecrash.model.contract import Contract


@dataclass
class Discovery:
    """What was learnt: the contract, filled in, and sentences for the header of the report."""

    contract: Contract
    notes: list[str] = field(default_factory=list)
    ports: tuple[int, ...] = ()
    address: str = ""
    backlog: int | None = None
    arena: str = ""  # the kind of arena it ran in
    unseen: str | None = None  # why only the wire was seen


def learn(session: Session, found: Discovery, **facts: object) -> None:
    """Write facts into the contract, unless its author did, and go on by it."""
    found.contract = found.contract.with_discovered(**facts)
    session.suppose(found.contract)
