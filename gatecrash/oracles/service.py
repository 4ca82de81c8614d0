"""Was this client served? The question under most rules, answered against the plain answer to the same bytes."""

from __future__ import annotations

from dataclasses import dataclass

from gatecrash.language import joined, stated
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.complaints import complaints
from gatecrash.model.facts import NO_FACTS, Facts
from gatecrash.model.scenario import Connect, Freeze, HalfClose, Receive, Thaw
from gatecrash.model.transcript import (
    WHY_NOT,
    Ended,
    Got,
    NotConnected,
    NotSent,
    Sent,
    ServerEnded,
    Silent,
    TimePassed,
    Transcript,
)
from gatecrash.model.verdicts import Case, Difference, Evidence, Finding, Held, NotExercised, Ruling
from gatecrash.oracles.unseen import nobody_came
from gatecrash.protocols import protocol_of
from gatecrash.protocols import speaks as speaks
from gatecrash.text import duration, last_words, shown, size_of

_MOST_COMPLAINTS = 3


@dataclass(frozen=True)
class Unserved:
    """A client that did not get what a lone client gets. `unseen`: it did not even come, so nobody failed it."""

    client: str
    got: str
    evidence: tuple[Evidence, ...] = ()
    proven: bool = True
    difference: Difference | None = None
    unseen: NotExercised | None = None
    facts: Facts = NO_FACTS


def unserved(case: Case, client: str) -> Unserved | None:
    """None when `client` got a complete answer of the kind a lone client gets; else what it got instead."""
    transcript = case.transcript
    refused = next((e for e in transcript.of(client) if isinstance(e, NotConnected)), None)
    if refused is not None and refused.why == "queue full" and _stopped_at(transcript, refused.step):
        kept_out = NotExercised(
            stated("{client} found the accept queue full while the server was stopped by us", client=client)
        )
        return Unserved(client, kept_out.why, proven=False, unseen=kept_out)
    if refused is not None:
        why, gone = stated(WHY_NOT[refused.why]), _gone(transcript)
        got = stated("{client} could not connect ({why}){gone}", client=client, why=why, gone=gone)
        return Unserved(client, got, _evidence(transcript, client))
    if transcript.server_ended is None and not transcript.connected(client) and _was_to_connect(transcript, client):
        never = nobody_came()
        return Unserved(client, never.why, proven=False, unseen=never)
    if not speaks(case.contract):
        ended = transcript.server_ended
        return None if ended is None else Unserved(client, ended.line(), _evidence(transcript, client))
    protocol, sent, received = protocol_of(case.contract), _said(case, client), transcript.received(client)
    over, alone = transcript.end(client) is not None, case.plain.get(sent)
    if not protocol.served(sent, received, ended=over, alone=alone, unasked=case.plain.get(b"")):
        return what_came(transcript, client)
    strange = protocol.strange(client, sent, received, alone)
    return None if strange is None else Unserved(client, strange, facts=Facts("answer"))


def _stopped_at(transcript: Transcript, step: int) -> bool:
    """Whether the tester had stopped the server by then: nobody takes from the queue meanwhile, however short it is."""
    turns = [one for one in transcript.scenario.steps[:step] if isinstance(one, Freeze | Thaw)]
    return bool(turns) and isinstance(turns[-1], Freeze)


def _was_to_connect(transcript: Transcript, client: str) -> bool:
    return any(isinstance(step, Connect) and step.client == client for step in transcript.scenario.steps)


def _said(case: Case, client: str) -> bytes:
    """What `client` sent; where it is answered by what it is, all that it would have sent had it been let."""
    transcript = case.transcript
    sent = transcript.sent.get(client, b"")
    kept_off = any(isinstance(event, NotSent) for event in transcript.of(client))
    return protocol_of(case.contract).meant(sent, transcript.scenario.sent_by(client)) if kept_off else sent


def what_came(transcript: Transcript, client: str) -> Unserved:
    """What `client` got of an answer that did not come, or not whole, whatever anybody gets alone."""
    silence = transcript.silence(client)
    got = _what_came(transcript, client, transcript.received(client))
    return Unserved(client, got, _evidence(transcript, client), _proven(transcript, client, silence))


def askers(case: Case) -> tuple[str, ...]:
    """The clients that wait for an answer, in order of appearance; who never reads expects none."""
    waiting = {step.client for step in case.transcript.scenario.steps if isinstance(step, Receive)}
    return tuple(name for name in case.transcript.scenario.clients if name in waiting)


def first_unserved(case: Case, clients: tuple[str, ...]) -> Unserved | None:
    """The first of these clients that was not served."""
    return next((u for name in clients if (u := unserved(case, name)) is not None), None)


def as_ruling(rule: str, expected: str, missing: Unserved | None) -> Ruling:
    """Held where the clients were served, else the finding that one was not; of one that never came nothing is said."""
    if missing is not None and missing.unseen is not None:
        return missing.unseen
    return as_finding(rule, expected, missing) or Held()


def as_finding(rule: str, expected: str, missing: Unserved | None) -> Finding | None:
    """The finding that a client was not served, or None."""
    if missing is None or missing.unseen is not None:
        return None
    return Finding(rule, expected, missing.got, missing.evidence, missing.difference, missing.proven, missing.facts)


def ruled(rule: str, expected: str, case: Case, clients: tuple[str, ...]) -> Ruling:
    """Held where each of these clients was seen to be served, else the finding that one was not, or why nobody knows.

    A server that answers nobody serves a client by taking it from the queue, and only a look shows that.
    """
    if not clients:
        return nobody_came()
    missing = first_unserved(case, clients)
    if missing is not None or speaks(case.contract):
        return as_ruling(rule, expected, missing)
    return next((not_seen_taken(name) for name in clients if not was_taken(case.transcript, name)), Held())


def was_taken(transcript: Transcript, client: str) -> bool:
    """Whether the server was seen to accept this client: it got something, or a look tells."""
    if transcript.received(client) or transcript.end(client) == "FIN":
        return True
    sides = [look.snapshot.connection(client) for look in transcript.looks()]
    return any(side is not None and side.accepted for side in sides)


def not_seen_taken(client: str) -> NotExercised:
    """Of a client whom nobody answered, or would answer, no look tells that it was accepted."""
    return NotExercised(stated("that the server accepted {client} was not seen", client=client))


def _what_came(transcript: Transcript, client: str, received: bytes) -> str:
    how, gone = transcript.end(client), _gone(transcript)
    if not received and how is None:
        return stated("{client} got not a byte{gone}", client=client, gone=gone)
    came = joined((size_of(received), shown(received)), ": ") if received else stated("not a byte")
    end = _end(how, passed_before_end(transcript, client))
    return stated("{client} got {came}, {end}{gone}", client=client, came=came, end=end, gone=gone)


def _end(how: str | None, passed: float) -> str:
    """How a connection ended, or did not, for a reader; after a while, if the server let one pass."""
    if how is None:
        return stated("and nothing more")
    if not passed:
        return stated("then the connection was closed") if how == "FIN" else stated("then the connection was reset")
    after = duration(round(passed, 1))
    if how == "FIN":
        return stated("and {after} later, by the server's own clock, the connection was closed", after=after)
    return stated("and {after} later, by the server's own clock, the connection was reset", after=after)


def passed_before_end(transcript: Transcript, client: str) -> float:
    """Seconds of the server's own time between what `client` did or got last and the end of its connection.

    0: it ended at once, or did not end.
    """
    passed, since = 0.0, _acted_last(transcript, client)
    for event in transcript.events:
        match event:
            case Sent() | Got() if event.client == client:
                passed = 0.0
            case TimePassed() if event.step >= since:
                passed += event.seconds
            case Ended() if event.client == client:
                return passed
    return 0.0


def _acted_last(transcript: Transcript, client: str) -> int:
    """The last step before its end in which a client came, or finished: nothing else tells of that."""
    ended = transcript.ended_at(client)
    steps = transcript.scenario.steps[: None if ended is None else ended + 1]
    acts = (n for n, step in enumerate(steps) if isinstance(step, Connect | HalfClose) and step.client == client)
    return max(acts, default=0)


def how_much_was_read(transcript: Transcript, client: str) -> tuple[str, ...]:
    """How much of what `client` sent the server has read, as evidence; nothing where that was not looked at."""
    sent = [e for e in transcript.of(client) if isinstance(e, Sent) and e.consumed is not None]
    if not sent:
        return ()
    whole, consumed = len(transcript.scenario.sent_by(client)), sent[-1].consumed
    return (stated("the server has read {consumed} of the request's {whole} bytes", consumed=consumed, whole=whole),)


def _gone(transcript: Transcript) -> str:
    return joined(("", how_it_ended(transcript.server_ended)), "; ") if transcript.server_ended is not None else ""


def how_it_ended(ended: ServerEnded) -> str:
    """How the server ended, for a reader of a finding."""
    return ended.line()


def _evidence(transcript: Transcript, client: str) -> tuple[Evidence, ...]:
    return (*while_it_waited(transcript, client), *its_words(transcript))


def while_it_waited(transcript: Transcript, client: str) -> tuple[Evidence, ...]:
    """Where the server was while the client waited; that this was before the connection ended is said."""
    silence, ended_at = transcript.silence(client), transcript.ended_at(client)
    if silence is None or not silence.where:
        return _until_its_end(transcript, client)
    before = ended_at is not None and silence.step < ended_at
    return (
        *([stated("while {client} waited, and its connection was open:", client=client)] if before else []),
        *silence.where,
    )


def _until_its_end(transcript: Transcript, client: str) -> tuple[Evidence, ...]:
    """Where the server was when its own limit ended the connection of a client that waited."""
    where: tuple[BlockedTask, ...] = ()
    since = _acted_last(transcript, client)
    for event in transcript.events:
        match event:
            case Sent() | Got() if event.client == client:
                where = ()
            case TimePassed() if event.step >= since:
                where = event.where or where
            case Ended() if event.client == client:
                return (stated("until its own time limit came:"), *where) if where else ()
    return ()


def its_words(transcript: Transcript) -> tuple[str, ...]:
    """What the server said of its troubles: its last words where it has ended, else the errors it printed."""
    if transcript.server_ended is not None:
        said = last_words(transcript.output)
        return (stated("its last words: {output}", output=said),) if said else ()
    told = complaints(transcript.output)[-_MOST_COMPLAINTS:]
    return (stated("meanwhile it printed: {output}", output="\n".join(told)),) if told else ()


def _proven(transcript: Transcript, client: str, silence: Silent | None) -> bool:
    """An end is a fact; a silence is one only when quiescence proved it."""
    ended = transcript.end(client) is not None or transcript.server_ended is not None
    return ended or (silence is not None and silence.proven)
