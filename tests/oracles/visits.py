"""Clients of an echo server, and what came of them, made by hand for the tests of oracles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal, cast

from gatecrash.model.contract import Contract
from gatecrash.model.processes import ProcessEntry, Task
from gatecrash.model.scenario import Close, Connect, Receive, Send, Settle, Step
from gatecrash.model.transcript import (
    ClientSide,
    Connected,
    Ended,
    Event,
    Got,
    Looked,
    NotConnected,
    Sent,
    Silent,
    Snapshot,
)
from gatecrash.model.verdicts import Case, Finding, Held
from gatecrash.oracles import oracle_of
from tests.sequences import Part, look, transcript

Came = Literal["served", "silence", "unproven", "reset", "refused", "never"]
Said = Literal["held", "broken", "suspected", "not exercised", "unproven"]
#: By what is seen in each, in words: what the oracle says of it, and the case.
Cases = dict[str, tuple[Said, Case]]
ECHO = Contract(protocol="echo")
#: A server that answers nobody.
SILENT = Contract(protocol="none")
WORD = b"hello\n"


def visit(client: str, came: Came = "served", *, leaves: bool = True, left: Iterable[Part] = ()) -> list[Part]:
    """A client that asks; `left`: what happens before it leaves."""
    if came == "never":
        return [(Connect(client), []), (Send(client, WORD), []), (Receive(client), [])]
    if came == "refused":
        return [
            (Connect(client), [NotConnected(0, client, "refused")]),
            (Send(client, WORD), []),
            (Receive(client), []),
        ]
    answers: dict[str, Event] = {
        "served": Got(0, client, WORD),
        "silence": Silent(0, client, True, "quiet"),
        "unproven": Silent(0, client, False, "restless"),
        "reset": Ended(0, client, "RST"),
    }
    asks: list[Part] = [
        (Connect(client), [Connected(0, client)]),
        (Send(client, WORD), [Sent(0, client, WORD, None, None)]),
        (Receive(client), [answers[came]]),
    ]
    return [*asks, *left, *([(Close(client), [])] if leaves else [])]


def seen(label: str, snapshot: Snapshot | None = None, **facts: Any) -> Part:
    """A look with this label; without facts it finds a server that is asleep. None, and it did not come about."""
    return (Settle(label), [Looked(0, label, replace(snapshot or look(), **facts))])


def unseen(label: str) -> Part:
    """A look that did not come about."""
    return (Settle(label), [])


def case(*parts: Part | Iterable[Part], contract: Contract = ECHO, more: Iterable[Event] = ()) -> Case:
    """What an oracle judges: these steps and what came of them, then `more`."""
    made = transcript(*(one for part in parts for one in _flat(part)))
    said = {event.client: made.scenario.sent_by(event.client) for event in made.events if isinstance(event, Sent)}
    return Case(replace(made, events=(*made.events, *more), sent=said), contract)


def _flat(part: Part | Iterable[Part]) -> Iterable[Part]:
    if isinstance(part, tuple) and part and isinstance(part[0], Step):
        return [cast("Part", part)]
    return cast("Iterable[Part]", part)


def ruling(rule: str, judged: Case) -> Said:
    """What the rule's oracle says, in a word."""
    said = oracle_of(rule)(judged)
    match said:
        case Held():
            return "held"
        case Finding():
            return "broken" if said.conclusive else "suspected"
        case _:
            return "unproven" if said.unproven else "not exercised"


def side(client: str, *, accepted: bool = True, state: str = "ESTABLISHED", unread: int = 0, consumed: int = 0) -> Any:
    """The server's end of a connection."""
    return ClientSide(client, state, accepted, unread, 0, consumed, ())


def task(call: str = "accept", *, switches: int = 5, cpu: float = 0.001, tid: int = 7) -> Task:
    """The server's main task, asleep in a call after so many seconds on a processor."""
    return Task(tid, tid, "S", call, (), switches, int(cpu * 1e9), 0, False, None)


def process(*, state: str = "S", caught: int = 0, blocked: int = 0) -> ProcessEntry:
    """The server's first process; the masks have bit n-1 set for signal n."""
    return ProcessEntry(7, 1, state, "server", 1, caught, 0, blocked)
