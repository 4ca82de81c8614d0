"""Clients that a time limit of the server's has ended while it owed them nothing: no other rule's affair.

A server may end a connection on which nothing was asked, or that has been answered, when it has been idle for long
enough (RFC 9112 9.5). Where the tester let that time pass, what such a client misses afterwards is nobody's mistake.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from gatecrash.language import stated, values_of
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Send
from gatecrash.model.transcript import Connected, Ended, Got, NotSent, Sent, TimePassed, Transcript
from gatecrash.model.verdicts import Finding, NotExercised, Ruling
from gatecrash.protocols import ApplicationProtocol, protocol_of
from gatecrash.text import duration


@dataclass
class _Line:
    """One connection, as far as the events have come."""

    idle: float = 0.0  # seconds that have passed since its client did something, or was answered
    sent: bytes = b""
    received: bytes = b""
    over: bool = False  # it was answered, though nobody could expect it yet: nothing more is waited for

    def owed(self, protocol: ApplicationProtocol) -> bool:
        """Whether its client waits for something."""
        return protocol.may_expect(self.sent) and not protocol.complete(self.sent, self.received)


def let_go(transcript: Transcript, contract: Contract) -> dict[str, float]:
    """The clients whose idle connection the server has ended, each with the seconds that it had been idle for."""
    return {name: seconds for name, (seconds, _) in _ended(transcript, contract).items()}


def waited_for_in_vain(transcript: Transcript, contract: Contract) -> dict[str, float]:
    """The same, but for who was answered before it had said all: a server may sleep before it closes."""
    return {name: seconds for name, (seconds, over) in _ended(transcript, contract).items() if not over}


def _ended(transcript: Transcript, contract: Contract) -> dict[str, tuple[float, bool]]:
    protocol = protocol_of(contract)
    lines: dict[str, _Line] = {}
    gone: dict[str, tuple[float, bool]] = {}
    for event in transcript.events:
        match event:
            case Connected():
                lines[event.client] = _Line()
            case TimePassed():
                busy = _unread(transcript, event)
                for name, line in lines.items():
                    line.idle = 0.0 if name == busy else line.idle + event.seconds
            case Sent() | NotSent() if event.client in lines and event.client not in gone:
                line = lines[event.client]
                line.sent += event.data if isinstance(event, Sent) else b""
                line.idle = 0.0 if isinstance(event, Sent) else line.idle
            case Got() if event.client in lines:
                line = lines[event.client]
                said = line.sent + _being_sent(transcript, event)
                line.over = line.over or (bool(said) and line.idle == 0.0 and not protocol.may_expect(said))
                line.idle = 0.0 if line.owed(protocol) else line.idle
                line.received += event.data
            case Ended() if event.client in lines:
                line = lines[event.client]
                if line.idle > 0 and not line.owed(protocol):
                    gone[event.client] = line.idle, line.over
    return gone


def _being_sent(transcript: Transcript, event: Got) -> bytes:
    """What its client is in the middle of sending when this comes: that it has sent is told behind it."""
    step = transcript.scenario.steps[event.step] if event.step < len(transcript.scenario.steps) else None
    return step.data if isinstance(step, Send) and step.client == event.client else b""


def _unread(transcript: Transcript, passed: TimePassed) -> str:
    """Who had just sent something that the server did not read before this time had passed: it waited for nobody.

    Such a client waits until it is read; that it has sent is told when it was. "": nobody.
    """
    for step in transcript.scenario.steps[passed.step : passed.step + 1]:
        if isinstance(step, Send) and step.until_read and not _told(transcript, passed):
            return step.client
    return ""


def _told(transcript: Transcript, passed: TimePassed) -> bool:
    """Whether the event of the step in which this time passed comes before it."""
    before = transcript.events[: transcript.events.index(passed)]
    return any(isinstance(event, Sent | NotSent) and event.step == passed.step for event in before)


def answered_after_a_limit(transcript: Transcript, idle: Collection[str]) -> tuple[str, float] | None:
    """Who was answered as soon as the server had waited in vain for one of these; and after how many seconds.

    What passed last before the answer has to be a wait for that one alone, up to a limit: a server may sleep before it
    answers, and let go of somebody meanwhile. Whoever is waited for itself, with a limit, is not kept waiting.
    """
    waited: dict[str, float] = {}  # seconds for which each that has asked has no answer yet
    last, beside = "", frozenset[str]()
    for event in transcript.events:
        match event:
            case Sent():
                waited.setdefault(event.client, 0.0)
            case TimePassed():
                beside |= {event.on_client, *event.beside}
                if busy := _unread(transcript, event):
                    waited.setdefault(busy, 0.0)
                waited = {name: seconds + event.seconds for name, seconds in waited.items()}
                last = event.on_client
            case Got() if waited.get(event.client, 0.0) > 0 and last in idle and event.client not in beside:
                return event.client, waited[event.client]
            case Got() | Ended() if event.client in waited:
                waited.pop(event.client)
    return None


def excused(ruling: Ruling, transcript: Transcript, contract: Contract) -> Ruling:
    """The ruling; of a client that was let go, and that a finding speaks of, nothing is said."""
    if not isinstance(ruling, Finding) or not any(isinstance(event, TimePassed) for event in transcript.events):
        return ruling
    if ruling.facts.about == "time limit":  # that is what it speaks of
        return ruling
    gone = let_go(transcript, contract)
    named = (value for text in (ruling.got, *ruling.lines) for _, value in values_of(text))
    client = next((value for value in named if value in gone), None)
    if client is None:
        return ruling
    return NotExercised(
        stated(
            "{client} had been silent for {time} of the server's own time, and was let go",
            client=client,
            time=duration(gone[client]),
        )
    )
