"""Scenarios played by nobody, for the tests of oracles: steps with what came of them, and what an oracle says of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from gatecrash.model import calls as fates
from gatecrash.model.contract import Contract, Protocol
from gatecrash.model.scenario import Close, Connect, HalfClose, Receive, Reset, Send, Settle, Step
from gatecrash.model.transcript import (
    CallTrace,
    Connected,
    Ended,
    Event,
    Got,
    Looked,
    Sent,
    ServerEnded,
    Silent,
    Snapshot,
    TracedCall,
    Transcript,
)
from gatecrash.model.verdicts import Case, Finding, Held, Ruling
from gatecrash.oracles import oracle_of
from tests.sequences import PARENT, Part, transcript

Word = Literal["held", "broken", "perhaps broken", "not exercised", "not proven"]
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def played(*parts: Part | Iterable[Part], ends: ServerEnded | None = None) -> Transcript:
    """These steps with what came of them; what each client has sent in all is what its events say."""
    flat: list[Part] = []
    for part in parts:
        flat.extend([part] if isinstance(part, tuple) and part and isinstance(part[0], Step) else part)  # type: ignore[arg-type]
    made = transcript(*flat)
    events = made.events if ends is None else (*made.events, replace(ends, step=len(flat)))
    sent: dict[str, bytes] = {event.client: b"" for event in events if isinstance(event, Connected)}
    for event in events:
        if isinstance(event, Sent) and event.port is None:
            sent[event.client] = sent.get(event.client, b"") + event.data
    return replace(made, events=events, sent=sent, output="" if ends is None else ends.output)


def ruled(rule: str, made: Transcript, protocol: Protocol = "http", **promised: object) -> Ruling:
    """What the rule's oracle says of this transcript."""
    return oracle_of(rule)(Case(made, Contract.of(protocol=protocol, **promised)))


def word(ruling: Ruling) -> Word:
    """The ruling in a word."""
    if isinstance(ruling, Held):
        return "held"
    if isinstance(ruling, Finding):
        return "broken" if ruling.conclusive else "perhaps broken"
    return "not proven" if ruling.unproven else "not exercised"


def comes(client: str) -> Part:
    return Connect(client), [Connected(0, client)]


def sends(client: str, data: bytes, *, read: bool | None = True) -> Part:
    return Send(client, data), [Sent(0, client, data, read, len(data) if read else None)]


def gets(client: str, data: bytes, *then: Event) -> Part:
    return Receive(client), [Got(0, client, data), *then] if data else list(then)


def ends(client: str, how: Literal["FIN", "RST"] = "FIN") -> Ended:
    return Ended(0, client, how)


def silence(client: str, still: Literal["quiet", "resting", "spinning", "restless"] = "quiet") -> Silent:
    return Silent(0, client, still == "quiet", still, (PARENT,))


def finishes(client: str, *then: Event) -> list[Part]:
    return [(HalfClose(client), []), (Receive(client, "end"), list(then))]


def closes(client: str) -> Part:
    return Close(client), []


def resets(client: str) -> Part:
    return Reset(client), []


def looks(label: str, seen: Snapshot) -> Part:
    return Settle(label), [Looked(0, label, seen)]


def traced(*outcomes: fates.CallOutcome) -> CallTrace:
    return CallTrace(0, tuple(TracedCall(7, "send", "sendto", 4, outcome) for outcome in outcomes))


def asks(client: str, answer: bytes = OK) -> list[Part]:
    """A client that asks as everybody does, and gets this answer (b"": nothing, provably)."""
    return [comes(client), sends(client, GET, read=None), gets(client, answer, *([] if answer else [silence(client)]))]
