"""Several clients at once: each gets its own answer, and nothing of another's."""

from __future__ import annotations

import re

from gatecrash.language import joined, marked, stated
from gatecrash.model import labels
from gatecrash.model.facts import Facts
from gatecrash.model.transcript import Sent, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import (
    alone,
    changes,
    changing,
    compared,
    described,
    no_answer,
    no_measure,
    of_each,
    read,
    same,
    turned_away,
    waited_for,
)
from gatecrash.oracles.unseen import never_still, nobody_came
from gatecrash.protocols import http
from gatecrash.text import shown, size_of

_MARKED = re.compile(rb"gatecrash-of-[A-Z0-9]+-")  # strategies.mark_of: what only one client sends
#: What a server says of a request that it cannot read, or of something that is not there: not that it is busy.
_TAKEN_FOR_WRONG = (400, 404, 405, 414, 501, 505)
_END_OF_HEAD = b"\r\n\r\n"


@oracle("RESP-18")
def answers_are_not_mixed(case: Case) -> Ruling:
    """No client gets bytes that only another one sent, or that only another one's own answer holds.

    Nor is a request that was sent whole refused as a wrong one because a part of another one came before it. Any other
    refusal, and an answer that is cut short, is another rule's affair: nothing in it is foreign.
    """
    clients = _connected(case.transcript)
    for client in clients:
        expected = stated("an answer with nothing of another client in it")
        if (wrong := _of_another(case, client)) is not None:
            return Finding("RESP-18", expected, wrong)
        if (wrong := _answer_of_another(case, client)) is not None:
            return Finding("RESP-18", expected, wrong, facts=Facts("answer"))
        if (wrong := _misread(case, client)) is not None:
            asked = stated("an answer that depends on nothing that another client has sent")
            return Finding("RESP-18", asked, wrong, facts=Facts("answer"))
    if not _between(case.transcript):
        return NotExercised(stated("no client sent anything between two parts of the request of another one"))
    return of_each(_would_tell(case, client) for client in clients)


def _between(transcript: Transcript) -> bool:
    """Whether somebody sent something while only a part of another one's request had been sent."""
    senders = [event.client for event in transcript.events if isinstance(event, Sent)]
    return any(
        set(senders[senders.index(name) : len(senders) - senders[::-1].index(name)]) != {name} for name in set(senders)
    )


def _misread(case: Case, client: str) -> str | None:
    """Whether a whole request was taken for a wrong one, behind a part of another client's, or with another's in it."""
    transcript, answers = case.transcript, read(case, client).answers
    before, asked = _sent_before(transcript, client)
    whole = transcript.scenario.sent_by(client)
    own = alone(case, whole)
    if own is None or "status" in changes(case, whole) or not answers or not answers[0].complete:
        return None
    if transcript.sent.get(client) != whole or answers[0].status not in {*_TAKEN_FOR_WRONG} - {own.status}:
        return None
    begun = next((name for name in before if before[name] != transcript.scenario.sent_by(name)), None)
    between = _sent_between(transcript, client)
    if begun is not None and asked == whole:
        when = stated("when {other} had sent a part of its request", other=begun)
    elif between is not None:
        when = stated("when {other} had asked between two parts of its request", other=between)
    else:
        return None
    return stated(
        "{client} got {described}, {when}; alone it gets {alone}",
        client=client,
        described=described(answers[0]),
        when=when,
        alone=described(own),
    )


def _sent_between(transcript: Transcript, client: str) -> str | None:
    """Who sent a whole request between the first and the last part of this client's."""
    senders = [event.client for event in transcript.events if isinstance(event, Sent)]
    own = [at for at, name in enumerate(senders) if name == client]
    others = senders[own[0] : own[-1]] if own else []
    return next((name for name in others if name != client), None)


def _sent_before(transcript: Transcript, client: str) -> tuple[dict[str, bytes], bytes]:
    """What the others had sent when this client first sent something, and what that was."""
    before: dict[str, bytes] = {}
    for event in transcript.events:
        if isinstance(event, Sent) and event.client == client:
            return before, event.data
        if isinstance(event, Sent):
            before[event.client] = before.get(event.client, b"") + event.data
    return {}, b""


def _would_tell(case: Case, client: str) -> Ruling:
    """Held where this client got a whole answer, in which what belongs to another one would have been seen."""
    answers = read(case, client).answers
    if not answers or not answers[0].complete:
        return no_answer(case, client)
    said = case.transcript.scenario.sent
    for other, sent in said.items():
        theirs = alone(case, sent)
        if other == client or theirs is None:
            continue
        marks = set(_MARKED.findall(theirs.body)) & set(_MARKED.findall(sent)) - set(_MARKED.findall(said[client]))
        if marks or _parts(case, said[client], sent):
            return Held()
    return NotExercised(stated("the answer to {client} would be the same as that to another one", client=client))


def _parts(case: Case, own: bytes, sent: bytes) -> bool:
    """Whether the body that one gets alone who `sent` this would be foreign in the answer to the request `own`."""
    plain, theirs = alone(case, own), alone(case, sent)
    if plain is None or theirs is None or not theirs.body or not case.contract.http.stable_body or _has_body(own):
        return False
    if changes(case, sent) or changes(case, own) or http.request_methods(own) == ("HEAD",):
        return False
    # A body in chunks is not found in what came: their sizes lie between its parts.
    return theirs.body not in plain.body and theirs.body not in case.plain[own].received


@oracle("RESP-19")
def everybody_of_a_crowd_is_answered(case: Case) -> Ruling:
    """Of those who come at once each gets its own whole answer, is refused, or is still in the accept queue."""
    clients = _connected(case.transcript)
    expected = stated(
        "each of {count} clients that come at once gets its own whole answer, or is turned away", count=len(clients)
    )
    for client in clients:
        wrong = _of_another(case, client)
        other = None if wrong is not None else _another_answer(case, client)
        if other is not None:
            return Finding("RESP-19", expected, other, facts=Facts("answer"))
        wrong = wrong or _cut(case, client)
        if wrong is not None:
            return Finding("RESP-19", expected, wrong)
        if (finding := _forgotten("RESP-19", case, client, expected)) is not None:
            return finding
    if not clients:
        return nobody_came()
    forgotten = [unseen for client in clients if (unseen := _unaccounted(case, client)) is not None]
    if forgotten:
        return of_each(forgotten)
    return Held() if sum(_got_its_own(case, client) for client in clients) > 1 else _too_few(case, clients)


def _too_few(case: Case, clients: tuple[str, ...]) -> NotExercised:
    """Why fewer than two clients got an answer that is held against the one they get alone."""
    wanted = len(case.transcript.scenario.clients)
    if len(clients) < 2:
        return NotExercised(stated("only {came} of {wanted} clients were connected", came=len(clients), wanted=wanted))
    whole = [(name, found[0]) for name in clients if (found := read(case, name).answers) and found[0].complete]
    refused = [answer for _, answer in whole if turned_away(answer)]
    if len(whole) - len(refused) < 2:
        some = (
            marked("{some} of {count} clients that came at once were turned away with status 429 or 503")
            if refused
            else marked("{some} of {count} clients that came at once got a whole answer, so nothing could be mixed up")
        )
        return NotExercised(stated(some, some=len(refused or whole), count=len(clients)))
    for name, answer in whole:
        request = case.transcript.scenario.sent_by(name)
        if alone(case, request) is None and not turned_away(answer):
            return no_measure(case, name, request)
    return changing(whole[0][0])


def _got_its_own(case: Case, client: str) -> bool:
    """Whether `client` got a whole answer that was held against the one it gets alone."""
    request, answers = case.transcript.scenario.sent_by(client), read(case, client).answers
    if not answers or not answers[0].complete or turned_away(answers[0]):
        return False
    return alone(case, request) is not None and compared(case, request)


def _unaccounted(case: Case, client: str) -> NotExercised | None:
    """Why it is not known what became of a client that has no answer, no end, and nothing to wait for in the queue."""
    transcript, answers = case.transcript, read(case, client).answers
    if (answers and answers[0].complete) or transcript.end(client) is not None:
        return None
    look = transcript.look(labels.REST)
    side = look.connection(client) if look is not None else None
    if not waited_for(transcript, client) or look is None or side is None or side.accepted:
        return no_answer(case, client)
    return never_still(look) if look.still == "restless" else None


def _connected(transcript: Transcript) -> tuple[str, ...]:
    return tuple(name for name in transcript.scenario.clients if transcript.connected(name))


def _of_another(case: Case, client: str) -> str | None:
    """Whether `client` got a mark that another one has sent and it has not.

    An answer cut in the middle of a mark may read like one of nobody's, so somebody must have sent it.
    """
    received, said = case.transcript.received(client), case.transcript.scenario.sent
    for mark in dict.fromkeys(_MARKED.findall(received)):
        senders = [name for name, sent in said.items() if mark in sent]
        if senders and client not in senders:
            return stated(
                "{client} got {mark}, which {senders} sent",
                client=client,
                mark=shown(mark),
                senders=senders[0],
            )
    return None


def _answer_of_another(case: Case, client: str) -> str | None:
    """Whether `client` got a body that another one gets alone for its request, and that its own does not bring.

    A request with a body is left to the marks: where its body is cut off, anything may be the answer to the rest.
    """
    said, got = case.transcript.scenario.sent, read(case, client).answers
    request = said.get(client, b"")
    own = alone(case, request)
    if own is None or not got or not got[0].complete:
        return None
    for other, sent in said.items():
        theirs = alone(case, sent)
        if other == client or theirs is None or not _parts(case, request, sent):
            continue
        if (got[0].status, got[0].body) == (theirs.status, theirs.body):
            return stated(
                "{client} got what {other} gets alone, {described}; alone it gets {alone}",
                client=client,
                other=other,
                described=described(theirs),
                alone=described(own),
            )
    return None


def _has_body(request: bytes) -> bool:
    return not request.endswith(_END_OF_HEAD)


def _another_answer(case: Case, client: str) -> str | None:
    """What `client` got instead of the answer that it gets alone; None when that is unknown, or nothing whole came."""
    expected = alone(case, case.transcript.scenario.sent_by(client))
    answers = read(case, client).answers
    if expected is None or not answers or not answers[0].complete or turned_away(answers[0]):
        return None
    if same(case, case.transcript.scenario.sent_by(client), answers[0], expected):
        return None
    return stated(
        "{client} got {described}; alone it gets {alone}",
        client=client,
        described=described(answers[0]),
        alone=described(expected),
    )


def _cut(case: Case, client: str) -> str | None:
    """Whether the answer of `client` ended too early."""
    received, answers = case.transcript.received(client), read(case, client).answers
    whole = bool(answers) and answers[0].complete
    if not received or whole or case.transcript.end(client) is None:
        return None
    if alone(case, case.transcript.scenario.sent_by(client)) is None:
        return None
    return stated("the answer of {client} ended after {size}", client=client, size=size_of(received))


def _forgotten(rule: str, case: Case, client: str, expected: str) -> Finding | None:
    """The server is at rest, has this client's connection open, and has not answered."""
    transcript = case.transcript
    rest, silence = transcript.look(labels.REST), transcript.silence(client)
    if rest is None or silence is None or transcript.end(client) is not None:
        return None
    answers = read(case, client).answers
    side = rest.connection(client)
    if (answers and answers[0].complete) or side is None or not side.accepted:
        return None
    if alone(case, transcript.scenario.sent_by(client)) is None:
        return None
    holders = [stated("process {pid} as descriptor {fd}", pid=pid, fd=fd) for pid, fd in side.holders]
    held = joined(holders) if holders else stated("nobody")
    came = size_of(transcript.received(client))
    got = stated(
        "{client} was accepted and gets no answer ({came} came), and its connection stays open",
        client=client,
        came=came,
    )
    unread = stated(
        "{client}: {consumed} bytes of its request read, {unread} unread, held open by {held}",
        client=client,
        consumed=side.consumed,
        unread=side.unread,
        held=held,
    )
    return Finding(rule, expected, got, (unread, *silence.where), conclusive=silence.proven)
