"""Several clients at once: each gets its own answer, and nothing of another's."""

from __future__ import annotations

import re

from gatecrash.language import joined, stated
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import alone, changes, described, read, same, turned_away
from gatecrash.text import size_of
from gatecrash.transcript import Transcript
from gatecrash.verdicts import Case, Finding

_MARKED = re.compile(rb"gatecrash-of-[A-Z0-9]+-")  # strategies.mark_of: what only one client sends
_END_OF_HEAD = b"\r\n\r\n"


@oracle("RESP-18")
def answers_are_not_mixed(case: Case) -> Finding | None:
    """No client gets bytes that only another one sent, or that only another one's own answer holds.

    An answer that is cut short, or that refuses the request, is another rule's affair: nothing in it is foreign.
    """
    for client in _connected(case.transcript):
        wrong = _of_another(case, client) or _answer_of_another(case, client)
        if wrong is not None:
            return Finding("RESP-18", stated("an answer with nothing of another client in it"), wrong)
    return None


@oracle("RESP-19")
def everybody_of_a_crowd_is_answered(case: Case) -> Finding | None:
    """Of those who come at once each gets its own whole answer, is refused, or is still in the accept queue."""
    clients = _connected(case.transcript)
    expected = stated(
        "each of {count} clients that come at once gets its own whole answer, or is turned away", count=len(clients)
    )
    for client in clients:
        wrong = _of_another(case, client) or _another_answer(case, client) or _cut(case, client)
        if wrong is not None:
            return Finding("RESP-19", expected, wrong)
        if (finding := _forgotten("RESP-19", case, client, expected)) is not None:
            return finding
    return None


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
                "{client} got {mark!r}, which {senders} sent",
                client=client,
                mark=mark.decode("latin-1"),
                senders=senders[0],
            )
    return None


def _answer_of_another(case: Case, client: str) -> str | None:
    """Whether `client` got a body that another one gets alone for its request, and that its own does not bring.

    A request with a body is left to the marks: where its body is cut off, anything may be the answer to the rest.
    """
    said, got = case.transcript.scenario.sent, read(case, client).answers
    own = alone(case, said.get(client, b""))
    if own is None or not case.contract.stable_body or not got or not got[0].complete or _has_body(said[client]):
        return None
    for other, sent in said.items():
        theirs = alone(case, sent)
        if other == client or changes(case, sent) or changes(case, said[client]):
            continue
        if theirs is None or not theirs.body or got[0].body != theirs.body:
            continue
        if got[0].status == theirs.status and theirs.body not in case.plain[said[client]].received:
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
    rest, silence = transcript.look("rest"), transcript.silence(client)
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
