"""Transcripts of fork servers, made by hand: who came, who was looked at, and what a rule says of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gatecrash.model import calls as fates
from gatecrash.model.contract import Contract
from gatecrash.model.processes import Task
from gatecrash.model.scenario import Close, Connect, Receive, Send, Settle
from gatecrash.model.transcript import (
    ClientSide,
    Connected,
    Event,
    Got,
    Looked,
    Snapshot,
    Still,
    TracedCall,
    Transcript,
)
from gatecrash.model.verdicts import Case, Finding, Held, Ruling
from gatecrash.oracles import oracle_of
from tests.sequences import Part, asked, transcript

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FORKS = Contract(protocol="http", concurrency="fork")


def ruling(rule: str, parts: Iterable[Part], contract: Contract = FORKS) -> Ruling:
    """What a rule says of these steps and what came of them."""
    return oracle_of(rule)(case(transcript(*parts), contract))


def case(seen: Transcript, contract: Contract = FORKS) -> Case:
    """A transcript whose clients have sent all that they were to send."""
    return Case(replace(seen, sent=seen.scenario.sent), contract)


def said(rule: str, parts: Iterable[Part], contract: Contract = FORKS) -> str:
    """The same in a word or two."""
    return word(ruling(rule, parts, contract))


def word(ruled: Ruling) -> str:
    """held, broken, broken by time alone, not exercised, or unproven."""
    if isinstance(ruled, Held):
        return "held"
    if isinstance(ruled, Finding):
        return "broken" if ruled.conclusive else "broken by time alone"
    return "unproven" if ruled.unproven else "not exercised"


def visits(*names: str) -> list[Part]:
    """Clients that are served, one after the other."""
    return [part for name in names for part in asked(name, ANSWER)]


def connects(*names: str) -> list[Part]:
    """Clients that connect, and say nothing."""
    return [(Connect(name), [Connected(0, name)]) for name in names]


def knocks(name: str, *came: Event) -> list[Part]:
    """A client that asks, and does not wait for what it gets."""
    return [*connects(name), (Send(name, b"GET / HTTP/1.1\r\n\r\n"), list(came))]


def reads(name: str, *came: Event) -> list[Part]:
    """A client that is connected waits for its answer, and leaves."""
    return [(Receive(name), list(came) or [Got(0, name, ANSWER)]), (Close(name), [])]


def looked(label: str, seen: Snapshot) -> Part:
    """A look."""
    return Settle(label), [Looked(0, label, seen)]


def side(client: str, *holders: int, accepted: bool = True) -> ClientSide:
    """The server's end of a connection that these processes have open."""
    return ClientSide(client, "ESTABLISHED", accepted, 0, 0, 0, tuple((pid, 4) for pid in holders))


def doing(look: Snapshot, *calls: tuple[int, str, float | None], args: Sequence[int] = ()) -> Snapshot:
    """The look with these processes each asleep in a call: (process, call, its limit in seconds)."""
    return replace(
        look, tasks=tuple(Task(pid, pid, "S", call, tuple(args), 0, 0, 0, False, timed) for pid, call, timed in calls)
    )


def with_signals(look: Snapshot, pid: int, *, caught: int = 0, blocked: int = 0) -> Snapshot:
    """The look with these signals (numbers) caught or blocked by one of its processes."""
    masks = (caught and 1 << caught - 1, blocked and 1 << blocked - 1)
    return replace(
        look,
        processes=tuple(replace(p, caught=masks[0], blocked=masks[1]) if p.pid == pid else p for p in look.processes),
    )


def moving(parts: Iterable[Part], still: Still = "restless") -> list[Part]:
    """The same with every look at a server that was not still."""

    def changed(event: Event) -> Event:
        return replace(event, snapshot=replace(event.snapshot, still=still)) if isinstance(event, Looked) else event

    return [(step, [changed(event) for event in came]) for step, came in parts]


def failed(family: str, error: str = "EAGAIN", times: int = 1) -> tuple[TracedCall, ...]:
    """So many calls of this family that failed."""
    return tuple(TracedCall(7, family, "clone", 0, fates.failed(error)) for _ in range(times))
