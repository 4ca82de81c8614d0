"""What is answered: something, a success, the same again; and what no request may do to the server."""

from __future__ import annotations

from dataclasses import replace

from gatecrash.language import joined, stated
from gatecrash.offer import get_request
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import departure, described, plain_answer, same, settled
from gatecrash.oracles.invariants import memory_fault
from gatecrash.oracles.service import as_finding, askers, how_much_was_read, unserved
from gatecrash.protocols import http
from gatecrash.text import request_line, shown
from gatecrash.transcript import Transcript
from gatecrash.verdicts import Case, Finding


@oracle("RESP-01")
def complete_request_is_answered(case: Case) -> Finding | None:
    """Every client that sent a whole request gets at least the beginning of an answer.

    A server need not support other methods than GET. One that ends the connection then keeps nobody waiting: RESP-31.
    """
    clients = tuple(client for client in askers(case) if not _dropped(case.transcript, client))
    return _unanswered("RESP-01", case, clients)


@oracle("RESP-31")
def refusal_is_said(case: Case) -> Finding | None:
    """No connection is ended without a byte because of the method of a complete request."""
    expected = stated("an answer, if only one that refuses the method (405, 501)")
    for client in askers(case):
        if _dropped(case.transcript, client):
            return _told("RESP-31", case, client, as_finding("RESP-31", expected, unserved(case, client)))
    return None


def _dropped(transcript: Transcript, client: str) -> bool:
    """Whether a server that runs on ended this connection without a byte, and the request was no GET."""
    asked = http.request_methods(transcript.scenario.sent_by(client))
    ended = transcript.end(client) is not None and transcript.server_ended is None
    return ended and asked[:1] not in ((), ("GET",)) and not transcript.received(client)


def _unanswered(rule: str, case: Case, clients: tuple[str, ...]) -> Finding | None:
    """A client that asked, and of whom it is known that not a byte comes."""
    for client in clients:
        transcript = case.transcript
        asked = http.request_methods(transcript.scenario.sent_by(client))
        if not asked or transcript.received(client):
            continue
        if transcript.end(client) is not None or transcript.silence(client) is not None:
            missing = as_finding(rule, stated("an answer to a complete request"), unserved(case, client))
            return _told(rule, case, client, missing)
    return None


def _told(rule: str, case: Case, client: str, finding: Finding | None) -> Finding | None:
    """The finding, and what was asked where it was not the plain GET of all clients."""
    request = case.transcript.scenario.sent_by(client)
    if finding is None or rule == "RESP-25" or request == get_request(case.contract.path):
        return finding
    got = joined((request_line(request), finding.got), ": ")
    return replace(finding, got=got, evidence=(*how_much_was_read(case.transcript, client), *finding.evidence))


@oracle("RESP-22")
def malformed_request_crashes_nothing(case: Case) -> Finding | None:
    """No process of the server dies of a memory fault, and the server is still there."""
    how = _lost(case.transcript)
    if how is None:
        return None
    said = [case.transcript.scenario.sent_by(name) for name in case.transcript.scenario.clients]
    evidence = tuple(stated("it was sent {data}", data=shown(data)) for data in said if data)
    return Finding("RESP-22", stated("a server that goes on after a malformed request"), how, evidence)


@oracle("RESP-25")
def missing_thing_harms_nothing(case: Case) -> Finding | None:
    """Who asks for something that is not there is answered; nothing crashes; the last client is served as ever."""
    how = _lost(case.transcript)
    if how is not None:
        return Finding("RESP-25", stated("a server that goes on after a request for something that is not there"), how)
    clients = case.transcript.scenario.clients
    unanswered = _unanswered("RESP-25", case, clients)
    if unanswered is not None or plain_answer(case, case.transcript.scenario.sent_by(clients[-1])) is None:
        return unanswered
    return as_finding("RESP-25", stated("the next client is served as before"), unserved(case, clients[-1]))


def _lost(transcript: Transcript) -> str | None:
    """How the server, or a process of it, was lost; None when all is well."""
    crash = memory_fault(transcript)
    if crash is not None:
        return crash.got
    return transcript.server_ended.line() if transcript.server_ended is not None else None


@oracle("RESP-24")
def same_request_gets_the_same_answer(case: Case) -> Finding | None:
    """Clients that send the same get the same status and the same body as the first of them."""
    firsts: dict[bytes, str] = {}
    for client in case.transcript.scenario.clients:
        request = case.transcript.scenario.sent_by(client)
        first = firsts.setdefault(request, client)
        known, again = settled(case, first).answers, settled(case, client).answers
        if first == client or not known or not again or not (known[0].complete and again[0].complete):
            continue
        if not same(case, request, again[0], known[0], on_one_server=True):
            expected = stated(
                "what {first} got for the same request: {described}", first=first, described=described(known[0])
            )
            got = stated("{client} got {described}", client=client, described=described(again[0]))
            return Finding("RESP-24", expected, got, difference=departure(case, client))
    return None


@oracle("RESP-27")
def answer_is_a_success(case: Case) -> Finding | None:
    """No well-formed request for a path that is known to exist is refused."""
    for client in case.transcript.scenario.clients:
        for answer in settled(case, client).answers:
            if answer.status >= 400:
                line = shown(f"{answer.status} ".encode() + answer.reason)
                got = stated(
                    "{client}'s request for {path} got {line}", client=client, path=case.contract.path, line=line
                )
                return Finding("RESP-27", stated("a status below 400 for a path that is known to exist"), got)
    return None
