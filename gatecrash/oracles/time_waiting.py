"""An answer that comes only when a time limit is over: the server had all of the request, and waited for more."""

from __future__ import annotations

from gatecrash.language import stated
from gatecrash.model.transcript import Got, Sent, TimePassed
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import of_each
from gatecrash.oracles.service import unserved
from gatecrash.oracles.unseen import nobody_came, unserved_elsewhere
from gatecrash.text import duration


@oracle("TIME-14")
def answer_does_not_wait_for_a_limit(case: Case) -> Ruling:
    """Between what a client has said, and the server has read, and its answer no wait for more from it runs out."""
    return of_each(_answered_without(case, client) for client in case.transcript.scenario.clients)


def _answered_without(case: Case, client: str) -> Ruling:
    transcript = case.transcript
    if not transcript.connected(client):
        return nobody_came()
    if unserved(case, client) is not None or not transcript.received(client):
        return unserved_elsewhere(client)
    said = [n for n, event in enumerate(transcript.events) if isinstance(event, Sent) and event.client == client]
    came = next(n for n, event in enumerate(transcript.events) if isinstance(event, Got) and event.client == client)
    last = transcript.events[said[-1]] if said else None
    if not isinstance(last, Sent) or (last.consumed or 0) < len(transcript.scenario.sent_by(client)):
        return NotExercised(stated("that the server had read all that {client} sent was not seen", client=client))
    passed = [event for event in transcript.events[said[-1] : came] if isinstance(event, TimePassed)]
    if any(not event.skipped and not event.where for event in passed):
        return NotExercised(stated("its time is real here, and what it waits for is not told"))
    waits = [event for event in passed if event.on_client == client]
    if not waits:
        return Held()
    got = stated(
        "the server had read all that {client} sent, and waited for more; its answer came {time} later, by the "
        "server's own clock, when a limit of its own ended that",
        client=client,
        time=duration(round(sum(event.seconds for event in passed), 1)),
    )
    return Finding("TIME-14", stated("an answer as soon as all of the request is there"), got, waits[-1].where)
