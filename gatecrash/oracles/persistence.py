"""Connections that are kept: who expects the end, the next request, and many requests at once."""

from __future__ import annotations

from gatecrash.language import stated
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import alone, described, read, same, turned_away
from gatecrash.protocols import http
from gatecrash.protocols.http import Answer
from gatecrash.transcript import Silent
from gatecrash.verdicts import Case, Finding


@oracle("RESP-15")
def old_client_sees_the_end(case: Case) -> Finding | None:
    """After the whole answer to an HTTP/1.0 client that did not ask to keep it, the connection ends."""
    client = case.transcript.scenario.clients[0]
    silence = case.transcript.silence(client)
    answers = read(case, client).answers
    if silence is None or case.transcript.end(client) is not None or not answers:
        return None
    # One that says "close" and does not do it breaks its word to everybody: RESP-14.
    if not answers[0].complete or answers[0].framing == "close" or _says_close(answers[0]):
        return None
    got = stated(
        "{client} got its whole answer ({described}), and the connection stays open",
        client=client,
        described=described(answers[0]),
    )
    return _stays_open("RESP-15", stated("the end of an HTTP/1.0 client's connection"), got, silence)


@oracle("RESP-29")
def who_asks_for_the_end_sees_it(case: Case) -> Finding | None:
    """After the whole answer to a request with the connection option close, the connection ends."""
    client = case.transcript.scenario.clients[0]
    asked = len(http.split_requests(case.transcript.sent.get(client, b"")))
    silence = case.transcript.silence(client)
    answers = read(case, client).answers
    if silence is None or case.transcript.end(client) is not None or not 0 < len(answers) == asked:
        return None
    last = answers[-1]
    if not last.complete or last.framing == "close" or _says_close(last):  # RESP-09's affair, or RESP-14's
        return None
    got = stated(
        "{client} got its whole answer ({described}), and the connection stays open",
        client=client,
        described=described(last),
    )
    return _stays_open("RESP-29", stated("the end of the connection, as the client asked for it"), got, silence)


@oracle("RESP-16")
def next_request_is_answered(case: Case) -> Finding | None:
    """On a connection that is still open each request that a lone client gets an answer to is answered."""
    client = case.transcript.scenario.clients[0]
    requests = http.split_requests(case.transcript.sent.get(client, b""))
    whole = [answer for answer in read(case, client).answers if answer.complete]
    silence = case.transcript.silence(client)
    if silence is None or case.transcript.end(client) is not None or not 0 < len(whole) < len(requests):
        return None
    if not http.can_persist(whole[-1]) or alone(case, requests[len(whole)]) is None:
        return None
    got = stated(
        "{count} of {asked} requests on one connection were answered, and the connection stays open",
        count=len(whole),
        asked=len(requests),
    )
    return _stays_open("RESP-16", stated("an answer to the next request, or the end of the connection"), got, silence)


@oracle("RESP-17")
def pipelined_requests_are_answered_in_order(case: Case) -> Finding | None:
    """Each request sent without waiting gets the answer that it gets alone, in order, until the connection ends."""
    transcript, client = case.transcript, case.transcript.scenario.clients[0]
    requests = http.split_requests(transcript.sent.get(client, b""))
    expected = [answer for request in requests if (answer := alone(case, request)) is not None]
    if len(expected) < max(2, len(requests)):
        return None
    whole = [answer for answer in read(case, client).answers if answer.complete]
    for place, (request, got, wanted) in enumerate(zip(requests, whole, expected, strict=False)):
        if not same(case, request, got, wanted) and not turned_away(got):
            return _out_of_order(case, place, got, requests, expected)
    if len(whole) == len(requests) or (whole and not http.can_persist(whole[-1])):
        return None
    silence = transcript.silence(client)
    if silence is not None and transcript.end(client) is None:
        wanted_all = stated("an answer to each pipelined request, or the end of the connection")
        few = stated(
            "{count} of {asked} pipelined requests were answered, and the connection stays open",
            count=len(whole),
            asked=len(requests),
        )
        return _stays_open("RESP-17", wanted_all, few, silence)
    return None


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
    )


def _stays_open(rule: str, expected: str, got: str, silence: Silent) -> Finding:
    return Finding(rule, expected, got, silence.where, conclusive=silence.proven)


def _says_close(answer: Answer) -> bool:
    return b"close" in (answer.field("connection") or b"").lower()
