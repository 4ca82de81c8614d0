"""Scenarios: steps in one order, as plain data that prints, compares, saves and loads again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from gatecrash.errors import EngineFault, UsageError
from gatecrash.model.server_steps import (
    AwaitHeld,
    Fail,
    Family,
    Freeze,
    Hold,
    LetTimePass,
    LiftLimit,
    LimitDescriptors,
    ReadOutput,
    Release,
    Restart,
    Settle,
    Shorten,
    Signal,
    SmallBuffers,
    StartOnTakenPort,
    StartOnTerminal,
    StartSecond,
    Thaw,
    Watch,
    Who,
)
from gatecrash.model.steps import (
    AskWithRequests,
    Close,
    Connect,
    HalfClose,
    Receive,
    ReceiveDatagrams,
    Reset,
    Send,
    SendDatagram,
    Step,
    Until,
    optional_send,
)

__all__ = [
    "STEPS",
    "AskWithRequests",
    "AwaitHeld",
    "Close",
    "Connect",
    "Fail",
    "Family",
    "Freeze",
    "HalfClose",
    "Hold",
    "LetTimePass",
    "LiftLimit",
    "LimitDescriptors",
    "ReadOutput",
    "Receive",
    "ReceiveDatagrams",
    "Release",
    "Reset",
    "Restart",
    "Scenario",
    "Send",
    "SendDatagram",
    "Settle",
    "Shorten",
    "Signal",
    "SmallBuffers",
    "StartOnTakenPort",
    "StartOnTerminal",
    "StartSecond",
    "Step",
    "Thaw",
    "Until",
    "Watch",
    "Who",
    "optional_send",
    "played_by",
    "scenario",
]

STEPS: tuple[type[Step], ...] = (
    Connect, Send, Receive, HalfClose, Close, Reset, SendDatagram, ReceiveDatagrams, AskWithRequests, Freeze, Thaw,
    Fail, Watch, Hold, AwaitHeld, Release, Shorten, Signal, LimitDescriptors, LiftLimit, SmallBuffers, Settle,
    LetTimePass, ReadOutput, Restart, StartSecond, StartOnTakenPort, StartOnTerminal,
)  # fmt: skip
_BY_KIND = {step.kind: step for step in STEPS}


@dataclass(frozen=True)
class Scenario:
    """Steps in the order they are played. Equal scenarios are the same scenario."""

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return "\n".join(f"{number:2}. {step.line()}" for number, step in enumerate(self.steps, 1))

    def __repr__(self) -> str:
        """Short: Hypothesis makes a repr of every failing example, and a payload may be a megabyte."""
        return f"<scenario of {len(self.steps)} steps, {len(self.clients)} clients>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Hypothesis prints the fields of a dataclass unless it has this."""
        printer.text(repr(self))

    @cached_property
    def sent(self) -> dict[str, bytes]:
        """What each client sends in all, b"" for one that sends nothing."""
        pieces: dict[str, list[bytes]] = {client: [] for client in self.clients}
        for step in self.steps:
            if isinstance(step, Send):
                pieces[step.client].append(step.data)
        return {client: b"".join(data) for client, data in pieces.items()}

    @cached_property
    def clients(self) -> tuple[str, ...]:
        """The clients' names in order of appearance."""
        return tuple(dict.fromkeys(step.client for step in self.steps if hasattr(step, "client")))

    @property
    def traps(self) -> frozenset[str]:
        """The families of calls that have to be gated to play this."""
        named = {step.call for step in self.steps if isinstance(step, Fail | Hold | Watch)}
        return frozenset(named | ({"send"} if any(isinstance(s, Shorten) for s in self.steps) else set()))

    @property
    def lets_time_pass(self) -> bool:
        """Whether the server's own time passes in it."""
        return any(isinstance(step, LetTimePass) for step in self.steps)

    def sent_by(self, client: str) -> bytes:
        """All bytes `client` sends in this scenario."""
        return self.sent.get(client, b"")

    def to_json(self) -> list[dict[str, Any]]:
        """A list of steps with plain values; bytes are written as Latin-1 text."""
        return [
            {"kind": step.kind, **{f.name: _plain(getattr(step, f.name)) for f in fields(step)}} for step in self.steps
        ]

    @classmethod
    def from_json(cls, rows: Iterable[dict[str, Any]]) -> Scenario:
        """The scenario that `to_json` wrote. Raises UsageError for a step that does not exist."""
        return cls(tuple(_step(row) for row in rows))


def scenario(*parts: Step | Iterable[Step]) -> Scenario:
    """A scenario of these steps; sequences of steps are laid end to end."""
    steps: list[Step] = []
    for part in parts:
        steps.extend([part] if isinstance(part, Step) else part)
    stray = next((step for step in steps if not isinstance(step, Step)), None)
    if stray is not None:
        raise EngineFault(f"a scenario was given {stray!r}, which is not a step")
    return Scenario(tuple(steps))


def _plain(value: object) -> object:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _step(row: dict[str, Any]) -> Step:
    kind = row.get("kind")
    if kind not in _BY_KIND:
        raise UsageError(f"a saved scenario has the step {kind!r}; known are {', '.join(sorted(_BY_KIND))}.")
    step_type = _BY_KIND[str(kind)]
    values = {name: value for name, value in row.items() if name != "kind"}
    if isinstance(values.get("data"), str):
        values["data"] = values["data"].encode("latin-1")
    try:
        return step_type(**values)
    except TypeError as error:
        raise UsageError(f"the saved step {kind!r} does not fit: {error}.") from None


def played_by(name: str, step: Any) -> Step:
    """The same step by the client `name`; a step of nobody as it is."""
    acted: Step = replace(step, client=name) if hasattr(step, "client") else step
    return acted
