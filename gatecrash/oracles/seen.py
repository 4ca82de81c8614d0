"""What was seen of a client, as far as it takes that to say that a rule was put to the test; one ruling of several."""

from __future__ import annotations

from collections.abc import Iterable

from gatecrash.model.scenario import Close, HalfClose, Reset
from gatecrash.model.transcript import Ended, Flooded, Got, Sent, Silent, Transcript
from gatecrash.model.verdicts import Finding, Held, NotExercised, Ruling
from gatecrash.oracles.unseen import unproven_silence


def of_all(rulings: Iterable[Ruling], nobody: NotExercised) -> Ruling:
    """One ruling of those of several clients: a fact that is broken before one that is not proven, then what held.

    `nobody`: what is said when there is no ruling at all.
    """
    given = list(rulings)
    findings = [ruling for ruling in given if isinstance(ruling, Finding)]
    if findings:
        return next((finding for finding in findings if finding.conclusive), findings[0])
    unseen = [ruling for ruling in given if isinstance(ruling, NotExercised)]
    unproven = next((ruling for ruling in unseen if ruling.unproven), None)
    held = next((ruling for ruling in given if isinstance(ruling, Held)), None)
    return unproven or held or next(iter(unseen), nobody)


def accepted(transcript: Transcript, client: str) -> bool:
    """Whether the server took this connection: it read from it, sent to it, ended it, or the kernel showed it so."""
    for event in transcript.of(client):
        if isinstance(event, Got | Ended) or (isinstance(event, Sent) and (event.read or event.consumed)):
            return True
    sides = (look.snapshot.connection(client) for look in transcript.looks())
    return any(side is not None and side.accepted for side in sides)


def leaves(transcript: Transcript, client: str) -> int | None:
    """The step with which a client that was connected leaves, or says that it has finished."""
    if not transcript.connected(client):
        return None
    steps = enumerate(transcript.scenario.steps)
    return next((n for n, s in steps if isinstance(s, HalfClose | Close | Reset) and s.client == client), None)


def unfinished(transcript: Transcript, client: str) -> NotExercised | None:
    """Why more may still come for this client; None when nothing can.

    Nothing can when its connection or the server has ended, and when the server rests: what sleeps with a time limit
    was watched to the end of it, or sleeps for longer than anybody's patience.
    """
    if transcript.server_ended is not None:
        return None
    events = [e for e in transcript.of(client) if isinstance(e, Got | Ended | Silent | Flooded)]
    last = events[-1] if events else None
    over = isinstance(last, Ended) or (isinstance(last, Silent) and last.still in ("quiet", "resting"))
    return None if over else unproven_silence(client, last if isinstance(last, Silent) else None)
