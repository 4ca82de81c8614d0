"""Why a scenario says nothing of a rule: the sentences that oracles share."""

from __future__ import annotations

from gatecrash.language import marked, stated
from gatecrash.model import labels
from gatecrash.model.scenario import Connect
from gatecrash.model.transcript import Connected, Looked, Silent, Snapshot, Transcript
from gatecrash.model.verdicts import NotExercised

_MOVING = {
    "restless": marked("it was never still while it was watched"),
    "resting": marked("it was not still: something of it waits with a time limit of its own"),
    "spinning": marked("it used a processor all the time"),
    "quiet": marked("it was still"),
}


def never_looked(label: str) -> NotExercised:
    """The look with this label did not come about."""
    return NotExercised(stated("the look {label} did not come about", label=labels.told(label)))


def never_still(look: Snapshot) -> NotExercised:
    """At the look that counts the server was not still, so that nothing is proven."""
    where = f" ({look.where[0].line()})" if look.where else ""
    moving = stated(_MOVING[look.still])
    said = stated("nothing is proven of a server that is not still: {moving}{where}", moving=moving, where=where)
    return NotExercised(said, unproven=True)


def never_made(call: str) -> NotExercised:
    """The call that was to fail, to be held or to be cut short was never made."""
    return NotExercised(stated("the server never made the call that was waited for ({call})", call=call))


def nobody_came() -> NotExercised:
    """No client was connected."""
    return NotExercised(stated("no client was connected"))


def not_served_first(client: str, got: str = "") -> NotExercised:
    """A client that has to be served before the rule is put to the test was not; `got` is what came instead."""
    if got:
        return NotExercised(stated("{client}, who was to be served first, was not: {got}", client=client, got=got))
    return NotExercised(stated("{client}, who was to be served first, was not", client=client))


def nothing_answered(client: str) -> NotExercised:
    """There is no whole answer to look at."""
    return NotExercised(stated("{client} got no whole answer to look at", client=client))


def answered_early(client: str) -> NotExercised:
    """The server answered, and ended the connection, when it had only a part of what the client was to send."""
    return NotExercised(
        stated("{client} was answered before it had sent everything, and could not send the rest", client=client)
    )


def unproven_silence(client: str, silence: Silent | None) -> NotExercised:
    """The client got nothing more, and nothing proves that nothing more would have come."""
    where = f" ({silence.where[0].line()})" if silence is not None and silence.where else ""
    return NotExercised(
        stated("that {client} would get nothing more was not proven{where}", client=client, where=where), unproven=True
    )


def still(transcript: Transcript, label: str) -> Snapshot | NotExercised:
    """The look with this label, if the server was still then: asleep for good, or spinning for nothing."""
    look = transcript.look(label)
    if look is None:
        return never_looked(label)
    return look if look.still in ("quiet", "spinning") else never_still(look)


def looked(transcript: Transcript) -> tuple[Looked, ...] | NotExercised:
    """Every look of the scenario, if there was one."""
    return transcript.looks() or NotExercised(stated("the server was not looked at"))


def in_motion(look: Snapshot) -> NotExercised | None:
    """Why a look does not show what lasts: the server was in motion. One that only sleeps for a while was not."""
    return never_still(look) if look.still == "restless" else None


def listening_at_rest(look: Snapshot) -> NotExercised | None:
    """Why a look does not show how the server listens: it does not, or it is not where it stays yet."""
    if look.listener is None:
        return NotExercised(stated("the server did not listen when it was looked at"))
    return in_motion(look)


def server_gone(transcript: Transcript) -> NotExercised:
    """The server, or its process that others belong to, was no longer there."""
    ended = transcript.server_ended
    if ended is None:
        return NotExercised(stated("the server was gone by then"))
    return NotExercised(stated("the server was gone by then ({ended})", ended=ended.line()))


def unserved_elsewhere(client: str) -> NotExercised:
    """A client was not served, and this rule does not say why."""
    return NotExercised(stated("{client} was not served, which other rules judge", client=client))


def all_accepted(transcript: Transcript, label: str) -> NotExercised | None:
    """Why it is not certain that every client was accepted by the time of this look; None when it is."""
    wanted = sum(isinstance(step, Connect) for step in transcript.scenario.steps)
    came = sum(isinstance(event, Connected) for event in transcript.events)
    if not came:
        return nobody_came()
    if came < wanted:
        return NotExercised(stated("only {came} of {wanted} clients were connected", came=came, wanted=wanted))
    look = transcript.look(label)
    if look is None or look.listener is None:
        return never_looked(label) if look is None else NotExercised(stated("nobody listens any more"))
    if look.listener.depth:
        return NotExercised(stated("{count} clients were still in the accept queue", count=look.listener.depth))
    return None


def nothing_known(client: str) -> NotExercised:
    """Of a protocol without answers that are known, a client that got nothing may be right to have nothing."""
    return NotExercised(
        stated("that {client} gets nothing tells nothing: no answer of this protocol is known", client=client)
    )


def affair_of(rule: str, what: str) -> NotExercised:
    """Something else went wrong, of which another rule speaks."""
    return NotExercised(stated("{what}, which {rule} judges", what=what, rule=rule))


def not_all_sent(client: str) -> NotExercised:
    """The client could not send what the scenario has it send."""
    return NotExercised(stated("{client} could not send all that it was to send", client=client))


def nobody_left() -> NotExercised:
    """No client of the server's has left."""
    return NotExercised(stated("no client left whose connection the server had accepted"))
