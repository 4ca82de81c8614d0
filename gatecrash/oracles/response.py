"""What is answered: something, a success, the same again; and what no request may do to the server."""

from __future__ import annotations

import re
from dataclasses import replace

from gatecrash.language import joined, stated
from gatecrash.model import labels
from gatecrash.model.transcript import Sent, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import (
    changes,
    changing,
    departure,
    described,
    headed,
    judged_by,
    no_answer,
    no_measure,
    of_each,
    plain_answer,
    same,
    settled,
    waited_for,
    whole_answer,
)
from gatecrash.oracles.invariants import memory_fault
from gatecrash.oracles.service import (
    as_ruling,
    askers,
    how_much_was_read,
    its_words,
    passed_before_end,
    unserved,
    what_came,
)
from gatecrash.oracles.unseen import never_looked, never_still, nobody_came
from gatecrash.protocols import http
from gatecrash.protocols.http import EMPTY_BODY, get_request
from gatecrash.text import request_line, shown


@oracle("RESP-01")
def complete_request_is_answered(case: Case) -> Ruling:
    """Every client that sent a whole request gets at least the beginning of an answer.

    A server need not support other methods than GET. One that ends the connection then keeps nobody waiting: RESP-31.
    """
    return of_each(
        judged_by("RESP-31") if _dropped(case.transcript, client) else _answered("RESP-01", case, client)
        for client in askers(case)
    )


@oracle("RESP-31")
def refusal_is_said(case: Case) -> Ruling:
    """No connection is ended without a byte because of the method of a complete request."""
    return of_each(_refused(case, client) for client in askers(case))


def _refused(case: Case, client: str) -> Ruling:
    expected = stated("an answer, if only one that refuses the method (405, 501)")
    if _dropped(case.transcript, client):
        return _told("RESP-31", case, client, as_ruling("RESP-31", expected, what_came(case.transcript, client)))
    asked = http.request_methods(case.transcript.scenario.sent_by(client))
    if asked[:1] in ((), ("GET",)):
        return NotExercised(stated("{client} asked with no other method than GET", client=client))
    if case.transcript.received(client):
        return Held()
    return judged_by("RESP-01") if waited_for(case.transcript, client) else no_answer(case, client)


def _dropped(transcript: Transcript, client: str) -> bool:
    """Whether a server that runs on ended this connection at once without a byte, and the request was no GET.

    Where a time limit of the server's had to end it, it kept its client waiting.
    """
    asked = http.request_methods(transcript.scenario.sent_by(client))
    ended = transcript.end(client) is not None and transcript.server_ended is None
    at_once = ended and not passed_before_end(transcript, client)
    return at_once and asked[:1] not in ((), ("GET",)) and not transcript.received(client)


def _answered(rule: str, case: Case, client: str) -> Ruling:
    """Whether a client that asked got a byte, as far as it is known that no other comes."""
    transcript = case.transcript
    if not http.request_methods(transcript.scenario.sent_by(client)):
        return NotExercised(stated("{client} sent no complete request", client=client))
    if transcript.received(client):
        return Held()
    if not waited_for(transcript, client):
        return no_answer(case, client)
    missing = as_ruling(rule, stated("an answer to a complete request"), what_came(transcript, client))
    return _told(rule, case, client, missing)


def _told(rule: str, case: Case, client: str, ruling: Ruling) -> Ruling:
    """A finding with what was asked where it was not the plain GET of all clients."""
    request = case.transcript.scenario.sent_by(client)
    if not isinstance(ruling, Finding) or rule == "RESP-25":
        return ruling
    read = how_much_was_read(case.transcript, client)
    if request == get_request(case.contract.http.path):
        waited = passed_before_end(case.transcript, client) > 0
        return replace(ruling, evidence=(*read, *ruling.evidence)) if waited else ruling
    got = joined((_asked(request), ruling.got), ": ")
    return replace(ruling, got=got, evidence=(*read, *ruling.evidence))


def _asked(request: bytes) -> str:
    """What was asked, and what there is little of in it."""
    line, head = request_line(request), request.partition(b"\r\n\r\n")[0]
    empty = next((field for field in head.split(b"\r\n")[1:] if field.endswith(b":")), None)
    if empty is not None:
        return stated("{line} with a field line that has no value, {field}", line=line, field=shown(empty))
    if b"\r\n" + EMPTY_BODY in head + b"\r\n":
        return stated("{line} with a body of no bytes, {field}", line=line, field=shown(EMPTY_BODY.strip()))
    return line


@oracle("RESP-22")
def malformed_request_harms_nothing(case: Case) -> Ruling:
    """No process of the server dies of a memory fault, the server is there, and its last client is served as ever."""
    transcript = case.transcript
    how, clients = _lost(transcript), transcript.scenario.clients
    said = dict.fromkeys(transcript.scenario.sent_by(name) for name in clients[:-1])
    evidence = tuple(stated("it was sent {data}", data=shown(data)) for data in said if data)
    if how is not None:
        return Finding(
            "RESP-22",
            stated("a server that goes on, whatever it is asked"),
            how,
            (*evidence, *_its_reasons(transcript)),
        )
    if len(clients) < 2:
        return nobody_came()
    served = _served_as_before("RESP-22", case, clients[-1])
    if isinstance(served, Finding):
        return replace(served, evidence=(*evidence, *served.evidence))
    return _unread(transcript) or _never_at_rest(transcript, labels.ASKED) or served


def _unread(transcript: Transcript) -> NotExercised | None:
    """Why the server did not come to read what it was sent; who has ended the connection has read enough."""
    *rude, _ = transcript.scenario.clients
    senders = [e.client for e in transcript.events if isinstance(e, Sent) and e.client in rude]
    if not senders:
        return nobody_came()
    look = transcript.look(labels.ASKED)
    sides = [side for name in senders if look is not None and (side := look.connection(name)) is not None]
    unread = next((side for side in sides if not side.consumed), None)
    if unread is None:
        return None
    return NotExercised(stated("the server read nothing of what {client} sent", client=unread.client))


def _never_at_rest(transcript: Transcript, label: str) -> NotExercised | None:
    """Why a crash may still have been to come at this look: one who sleeps, if only for a time, is done with it."""
    look = transcript.look(label)
    if look is None:
        return never_looked(label)
    return never_still(look) if look.still == "restless" else None


@oracle("RESP-25")
def missing_thing_harms_nothing(case: Case) -> Ruling:
    """Who asks for something that is not there is answered; nothing crashes; the last client is served as ever."""
    how = _lost(case.transcript)
    if how is not None:
        expected = stated("a server that goes on after a request for something that is not there")
        return Finding("RESP-25", expected, how, _its_reasons(case.transcript))
    clients = case.transcript.scenario.clients
    if len(clients) < 2:
        return nobody_came()
    answered = [_answered("RESP-25", case, client) for client in clients]
    broken = next((ruling for ruling in answered if isinstance(ruling, Finding)), None)
    if broken is not None:
        return broken
    served = _served_as_before("RESP-25", case, clients[-1])
    if not isinstance(served, Held):
        return served
    vain = next((ruling for ruling in answered if not isinstance(ruling, Held)), None)
    return vain or _never_at_rest(case.transcript, labels.AFTER) or served


def _served_as_before(rule: str, case: Case, client: str) -> Ruling:
    transcript = case.transcript
    if plain_answer(case, transcript.scenario.sent_by(client)) is None:
        return no_measure(case, client)
    if transcript.connected(client) and not transcript.received(client) and not waited_for(transcript, client):
        return no_answer(case, client)
    return as_ruling(rule, stated("the next client is served as before"), unserved(case, client))


def _its_reasons(transcript: Transcript) -> tuple[str, ...]:
    """What a server that has ended said of that; one that a fault of memory has ended had no word in it."""
    return () if memory_fault(transcript) is not None else its_words(transcript)


def _lost(transcript: Transcript) -> str | None:
    """How the server, or a process of it, was lost; None when all is well."""
    crash = memory_fault(transcript)
    if crash is not None:
        return crash.got
    return transcript.server_ended.line() if transcript.server_ended is not None else None


@oracle("RESP-24")
def same_request_gets_the_same_answer(case: Case) -> Ruling:
    """Clients that send the same get the same status and the same body as the first of them."""
    firsts: dict[bytes, str] = {}
    rulings: list[Ruling] = []
    for client in case.transcript.scenario.clients:
        first = firsts.setdefault(case.transcript.scenario.sent_by(client), client)
        if first != client:
            rulings.append(_as_the_first(case, first, client))
    nobody = NotExercised(stated("no two clients asked for the same"))
    return of_each(rulings or [nobody if firsts else nobody_came()])


def _as_the_first(case: Case, first: str, client: str) -> Ruling:
    request = case.transcript.scenario.sent_by(client)
    known, again = whole_answer(case, first), whole_answer(case, client)
    if known is None or again is None:
        return no_answer(case, first if known is None else client)
    if same(case, request, again, known, on_one_server=True):
        changes_by_itself = "status" in changes(case, request, on_one_server=True)
        return changing(client) if changes_by_itself else Held()
    expected = stated("what {first} got for the same request: {described}", first=first, described=described(known))
    got = stated("{client} got {described}", client=client, described=described(again))
    return Finding("RESP-24", expected, got, difference=departure(case, client))


_USUAL_FIELD = re.compile(rb"[^:]*: (?![ \t])|[^:]*: ?$")


def _unlike_others(request: bytes) -> bytes | None:
    """The first field that has not one space behind its colon: any white space may be there (RFC 9112 5)."""
    fields = request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return next((field for field in fields if not _USUAL_FIELD.match(field)), None)


@oracle("RESP-27")
def answer_is_a_success(case: Case) -> Ruling:
    """No well-formed request for a path that is known to exist is refused."""
    return of_each(_success(case, client) for client in case.transcript.scenario.clients)


def _success(case: Case, client: str) -> Ruling:
    answers = settled(case, client).answers
    refused = next((answer for answer in answers if answer.status >= 400), None)
    if refused is not None:
        line = shown(f"{refused.status} ".encode() + refused.reason)
        values = {"client": client, "path": case.contract.http.path, "line": line}
        field = _unlike_others(case.transcript.sent.get(client, b""))
        got = (
            stated("{client}'s request for {path} got {line}", **values)
            if field is None
            else stated("{client}'s request for {path}, with {field}, got {line}", field=shown(field), **values)
        )
        return Finding("RESP-27", stated("a status below 400 for a path that is known to exist"), got)
    return Held() if any(headed(answer) and answer.status >= 200 for answer in answers) else no_answer(case, client)
