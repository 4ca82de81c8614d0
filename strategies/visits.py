"""Polite clients: each asks once, is answered, and leaves in one of the ways a client may."""

from __future__ import annotations

from collections.abc import Iterable

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Close, Connect, HalfClose, Receive, Send, Step, played_by
from gatecrash.protocols import ask, protocol_of

VISITS = ("close", "half-close", "end")


def visit(client: str, contract: Contract, way: str = "close") -> tuple[Step, ...]:
    """One polite client. It closes first, half-closes and waits for the end, or lets the server end it ("end").

    Without connections there is nothing to end.
    """
    if protocol_of(contract).connectionless:
        return ask(client, contract)
    if way == "half-close":
        return (*ask(client, contract), HalfClose(client), Receive(client, "end"), Close(client))
    if way == "end" and protocol_of(contract).closes_behind_its_answer:
        protocol = protocol_of(contract)
        return (*protocol.come(client), *protocol.request(client), Receive(client, "end"), Close(client))
    return (*ask(client, contract), Close(client))


def saying(said: bytes) -> tuple[Step, ...]:
    """A client that says this in one piece, waits for whatever it is answered, and leaves."""
    return (Connect("A"), Send("A", said, until_read=False), Receive("A"), Close("A"))


def repeated_visits(steps: Iterable[Step], names: Iterable[str]) -> tuple[Step, ...]:
    """The steps of one client, played by each of these clients in turn."""
    steps = tuple(steps)
    return tuple(played_by(name, step) for name in names for step in steps)
