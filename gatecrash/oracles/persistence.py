"""Connections that are kept: who expects the end, the next request, and many requests at once."""

from __future__ import annotations

from gatecrash.language import marked, stated
from gatecrash.model.facts import Facts
from gatecrash.model.scenario import AwaitHeld
from gatecrash.model.transcript import Silent, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import (
    alone,
    changing,
    compared,
    crashed,
    described,
    judged_by,
    no_answer,
    no_measure,
    read,
    same,
    turned_away,
)
from gatecrash.oracles.late_end import ended_late
from gatecrash.oracles.unseen import nobody_came, not_served_first, unproven_silence
from gatecrash.protocols import http
from gatecrash.protocols.http import Answer


@oracle("RESP-15")
def old_client_sees_the_end(case: Case) -> Ruling:
    """After the whole answer to an HTTP/1.0 client that did not ask to keep it, the connection ends."""
    client = next(iter(case.transcript.scenario.clients), None)
    if client is None:
        return nobody_came()
    answers = read(case, client).answers
    return _end_behind(
        "RESP-15", case, client, answers[0] if answers else None, stated("the end of an HTTP/1.0 client's connection")
    )


def _end_behind(rule: str, case: Case, client: str, answer: Answer | None, expected: str) -> Ruling:
    """Whether the connection ends behind this answer."""
    silence, end = case.transcript.silence(client), case.transcript.end(client)
    if answer is None or not answer.complete:
        # What only its connection's end can end is RESP-09's affair as long as that end does not come.
        return judged_by("RESP-09") if answer is not None and answer.framing == "close" else no_answer(case, client)
    got = stated(
        "{client} got its whole answer ({described}), and the connection stays open",
        client=client,
        described=described(answer),
    )
    if end is not None:
        late = ended_late(rule, case.transcript, client, expected, got)
        if late is not None and _says_close(answer):
            return judged_by("RESP-14")
        return crashed(case.transcript) or late or (Held() if end == "FIN" else judged_by("RESP-13"))
    # One that says "close" and does not do it breaks its word to everybody: RESP-14.
    if _says_close(answer):
        return judged_by("RESP-14")
    if silence is None:
        return unproven_silence(client, None)
    return _stays_open(rule, expected, got, silence)


@oracle("RESP-29")
def who_asks_for_the_end_sees_it(case: Case) -> Ruling:
    """After the whole answer to a request with the connection option close, the connection ends."""
    transcript = case.transcript
    client = next(iter(transcript.scenario.clients), None)
    if client is None:
        return nobody_came()
    sent, planned = transcript.sent.get(client, b""), transcript.scenario.sent_by(client)
    answers = read(case, client).answers
    if not 0 < len(answers) == len(http.split_requests(planned)) or sent != planned:
        if transcript.end(client) is None:
            return no_answer(case, client)
        return NotExercised(
            stated("the connection of {client} ended before its last request was answered", client=client)
        )
    return _end_behind(
        "RESP-29", case, client, answers[-1], stated("the end of the connection, as the client asked for it")
    )


@oracle("RESP-16")
def next_request_is_answered(case: Case) -> Ruling:
    """On a connection that is still open each request that a lone client gets an answer to is answered."""
    client = next(iter(case.transcript.scenario.clients), None)
    if client is None:
        return nobody_came()
    requests = http.split_requests(case.transcript.sent.get(client, b""))
    whole = [answer for answer in read(case, client).answers if answer.complete]
    silence = case.transcript.silence(client)
    if len(http.split_requests(case.transcript.scenario.sent_by(client))) < 2:
        return _only_one_request(client)
    if not whole:
        return not_served_first(client)
    got = stated(
        "{count} of {asked} requests on one connection were answered, and the connection stays open",
        count=len(whole),
        asked=len(requests),
    )
    expected = stated("an answer to the next request, or the end of the connection")
    if case.transcript.end(client) is not None:
        late = None if len(whole) == len(requests) else ended_late("RESP-16", case.transcript, client, expected, got)
        return crashed(case.transcript) or late or Held()
    if len(whole) == len(requests):
        return Held() if len(requests) > 1 else no_answer(case, client)
    if not http.can_persist(whole[-1]):
        return judged_by("RESP-14")
    if alone(case, requests[len(whole)]) is None:
        return no_measure(case, client, requests[len(whole)])
    if silence is None:
        return unproven_silence(client, None)
    return _stays_open("RESP-16", expected, got, silence)


_FEW = marked("{count} of {asked} pipelined requests were answered, and the connection stays open")
_CROSSED = marked(
    "{count} of {asked} requests were answered, the second of which came while the first was, and the connection stays "
    "open"
)


@oracle("RESP-17")
def pipelined_requests_are_answered_in_order(case: Case) -> Ruling:
    """Each request sent without waiting gets the answer that it gets alone, in order, until the connection ends."""
    transcript, client = case.transcript, next(iter(case.transcript.scenario.clients), None)
    if client is None:
        return nobody_came()
    requests = http.split_requests(transcript.sent.get(client, b""))
    expected = [answer for request in requests if (answer := alone(case, request)) is not None]
    if len(requests) < 2:
        return _only_one_request(client)
    if len(expected) < len(requests):
        return no_measure(case, client, *requests)
    whole = [answer for answer in read(case, client).answers if answer.complete]
    for place, (request, got, wanted) in enumerate(zip(requests, whole, expected, strict=False)):
        if not same(case, request, got, wanted) and not turned_away(got):
            return _out_of_order(case, place, got, requests, expected)
    if not whole and (transcript.end(client) is not None or transcript.silence(client) is None):
        return no_answer(case, client)
    wanted_all = stated("an answer to each pipelined request, or the end of the connection")
    few = stated(_CROSSED if _came_while_answered(transcript) else _FEW, count=len(whole), asked=len(requests))
    if whole and len(whole) < len(requests) and http.can_persist(whole[-1]):
        late = ended_late("RESP-17", transcript, client, wanted_all, few)
        if late is not None:
            return late
    if len(whole) == len(requests) or transcript.end(client) is not None:
        told = any(
            compared(case, request) and not turned_away(got) for request, got in zip(requests, whole, strict=False)
        )
        unfinished = crashed(transcript) if len(whole) < len(requests) else None
        return unfinished or (Held() if told else changing(client))
    if whole and not http.can_persist(whole[-1]):
        return judged_by("RESP-14")
    silence = transcript.silence(client)
    if silence is None:
        return unproven_silence(client, None)
    return _stays_open("RESP-17", wanted_all, few, silence)


def _came_while_answered(transcript: Transcript) -> bool:
    """Whether the second request was sent while the server was held in the answer to the first one."""
    return any(isinstance(step, AwaitHeld) for step in transcript.scenario.steps)


def _only_one_request(client: str) -> NotExercised:
    return NotExercised(stated("{client} sent one request only", client=client))


def _out_of_order(case: Case, place: int, got: Answer, requests: tuple[bytes, ...], expected: list[Answer]) -> Finding:
    paired = enumerate(zip(requests, expected, strict=True))
    others = [n for n, (request, answer) in paired if n != place and same(case, request, got, answer)]
    like = stated(", as request {number} gets", number=others[0] + 1) if others else ""
    wanted = stated(
        "as answer {number}, what its request gets alone: {described}",
        number=place + 1,
        described=described(expected[place]),
    )
    return Finding(
        "RESP-17",
        wanted,
        stated("answer {number} has {described}{like}", number=place + 1, described=described(got), like=like),
        facts=Facts("answer"),
    )


def _stays_open(rule: str, expected: str, got: str, silence: Silent) -> Finding:
    return Finding(rule, expected, got, silence.where, conclusive=silence.proven)


def _says_close(answer: Answer) -> bool:
    return b"close" in (answer.field("connection") or b"").lower()
