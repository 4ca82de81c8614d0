"""Transcripts of HTTP clients made by hand, and what an oracle says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Receive, Send, Settle
from gatecrash.model.transcript import Connected, Ended, Event, Got, Looked, Sent, Silent, Still, Transcript
from gatecrash.model.verdicts import Case, Plain, Ruling
from gatecrash.oracles import oracle_of
from gatecrash.protocols.http import get_request
from tests.sequences import Part, look, transcript

#: What a client receives.
Came = bytes | Event

GET = get_request("/")
HEAD = GET.replace(b"GET", b"HEAD", 1)
CONTRACT = Contract.of(protocol="http", large_path="/large", post_path="/echo")


def answer(body: bytes = b"ok", *, status: str = "200 OK", fields: bytes = b"", length: int | None = None) -> bytes:
    """A whole answer with a Content-Length; `length`: another one than the true one."""
    size = len(body) if length is None else length
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status.encode(), size, fields, body)


OK = answer()
CLOSES = answer(fields=b"Connection: close\r\n")


#: The connection ends, or is reset; nothing more comes, which is proven, or patience ran out.
FIN, RST = Ended(0, "A", "FIN"), Ended(0, "A", "RST")
SILENCE, UNPROVEN = Silent(0, "A", True, "quiet"), Silent(0, "A", False, "restless")
SPINS = Silent(0, "A", False, "spinning")


def here(client: str = "A") -> Part:
    """A client that is connected."""
    return Connect(client), [Connected(0, client)]


def says(data: bytes, client: str = "A", *, read: bool | None = True) -> Part:
    """A client sends something."""
    return Send(client, data), [Sent(0, client, data, read, len(data) if read else None)]


def gets(*came: Came, client: str = "A") -> Part:
    """A client receives bytes, and an end or a silence."""
    return Receive(client), [_to(client, one) for one in came]


def _to(client: str, came: Came) -> Event:
    if isinstance(came, bytes):
        return Got(0, client, came)
    return replace(came, client=client) if isinstance(came, Ended | Silent) else came


def asks(request: bytes, *came: Came, client: str = "A") -> list[Part]:
    """A client that connects, sends all of a request and sees this."""
    return [here(client), says(request, client), gets(*came, client=client)]


def looks(label: str = "answered", still: Still = "quiet") -> Part:
    """The server is looked at, with no connection that it still has open."""
    return Settle(label), [Looked(0, label, look(still=still))]


def seen(*parts: Part) -> Transcript:
    """The transcript of these, with what each client really sent."""
    made = transcript(*parts)
    sent: dict[str, bytes] = {}
    for event in made.events:
        if isinstance(event, Sent):
            sent[event.client] = sent.get(event.client, b"") + event.data
    return Transcript(made.scenario, made.events, sent=sent)


def ruling(
    rule: str, *parts: Part, plain: Mapping[bytes, bytes | Plain] | None = None, contract: Contract = CONTRACT
) -> Ruling:
    """What the oracle of a rule says; `plain`: what a lone client gets."""
    known = {
        sent: one if isinstance(one, Plain) else Plain(one, None, answered=True) for sent, one in (plain or {}).items()
    }
    return oracle_of(rule)(Case(seen(*parts), contract, known))


def kind(said: Ruling) -> str:
    """The kind of a ruling in one word."""
    unproven = getattr(said, "unproven", False)
    inconclusive = not getattr(said, "conclusive", True)
    return {"Held": "held", "Finding": "broken", "NotExercised": "unseen"}[type(said).__name__] + (
        " unproven" if unproven or inconclusive else ""
    )


def flat(*parts: Part | Sequence[Part]) -> list[Part]:
    """Parts, and lists of them, as one list."""
    found: list[Part] = []
    for one in parts:
        if isinstance(one, list):
            found += one
        else:
            found.append(one)  # type: ignore[arg-type]
    return found
