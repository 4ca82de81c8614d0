"""Requests with a body: where it ends, and that it is no request of its own."""

from __future__ import annotations

from gatecrash.language import stated
from gatecrash.model.facts import NO_FACTS, Facts
from gatecrash.model.scenario import Send
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import (
    alone,
    changes,
    changing,
    compared,
    crashed,
    described,
    judged_by,
    more_may_come,
    no_answer,
    no_measure,
    read,
    same,
    turned_away,
)
from gatecrash.oracles.unseen import nobody_came
from gatecrash.protocols import http
from gatecrash.text import shown

_END_OF_HEAD = b"\r\n\r\n"


@oracle("RESP-21")
def body_is_no_request(case: Case) -> Ruling:
    """There are not more answers than requests, and the last is to the request that was sent last."""
    transcript, client = case.transcript, next(iter(case.transcript.scenario.clients), None)
    if client is None:
        return nobody_came()
    asked = http.split_requests(transcript.scenario.sent_by(client))
    if len(asked) != 2:
        return NotExercised(stated("{client} did not send two requests", client=client))
    first, last = asked
    methods = http.request_methods(first + last)
    reading = http.read_answers(transcript.received(client), methods, ended=transcript.end(client) is not None)
    if (extra := reading.problem("extra-answer")) is not None:
        got = stated(
            "two requests got another answer, at byte {offset} of what came: {got}",
            offset=extra.offset,
            got=shown(extra.got),
        )
        facts = NO_FACTS
    elif (wrong := _other_status(case, reading, last)) is not None:
        got, facts = stated("the request behind the body got {wrong}", wrong=wrong), Facts("answer")
    else:
        return _body_was_left_alone(case, client, reading, last)
    body = stated("the body of the first request is {body}", body=shown(first.partition(_END_OF_HEAD)[2]))
    return Finding("RESP-21", _expected(first), got, (body,), facts=facts)


def _expected(first: bytes) -> str:
    if b"\r\ntransfer-encoding: chunked\r\n" in first.lower():
        return stated("one answer to each request, and none to a body in chunks")
    return stated("one answer to each request, and none to a body")


def _body_was_left_alone(case: Case, client: str, reading: http.Reading, last: bytes) -> Ruling:
    """Whether the body was seen to be passed over, or left behind with its connection: nothing wrong has come."""
    answers, transcript = reading.answers, case.transcript
    if not answers or not answers[0].complete:
        return no_answer(case, client)
    if len(answers) == 1:
        return (crashed(transcript) or Held()) if transcript.end(client) is not None else judged_by("RESP-16")
    if alone(case, last) is None:
        return no_measure(case, client, last)
    if not compared(case, last) or turned_away(answers[1]):
        return changing(client)
    return more_may_come(transcript, client) or Held()


def _other_status(case: Case, reading: http.Reading, request: bytes) -> str | None:
    expected = alone(case, request)
    if expected is None or "status" in changes(case, request):
        return None
    if len(reading.answers) < 2 or turned_away(reading.answers[1]):
        return None
    got = reading.answers[1]
    return (
        None
        if got.status == expected.status
        else stated("{described}; alone it gets {alone}", described=described(got), alone=described(expected))
    )


@oracle("RESP-26")
def field_names_mean_the_same_in_any_case(case: Case) -> Ruling:
    """A POST that is a success is answered alike when only its field names are written in other letters."""
    if len(case.transcript.scenario.clients) != 2:
        return nobody_came()
    usual, respelt = case.transcript.scenario.clients
    answers, others = read(case, usual).answers, read(case, respelt).answers
    if not answers or not answers[0].complete:
        return no_answer(case, usual)
    if answers[0].status // 100 != 2:
        return NotExercised(stated("the answer to {client} is no success", client=usual))
    expected = stated(
        "the answer to the same request with usual field names: {described}", described=described(answers[0])
    )
    if others and others[0].complete:
        request = case.transcript.scenario.sent_by(usual)
        if same(case, request, others[0], answers[0]):
            whole = case.contract.http.stable_body and not changes(case, request)
            return Held() if whole else changing(usual)
        return Finding(
            "RESP-26",
            expected,
            stated(
                "{described}, for {field_names}",
                described=described(others[0]),
                field_names=_field_names(case, respelt),
            ),
            facts=Facts("answer"),
        )
    silence, end = case.transcript.silence(respelt), case.transcript.end(respelt)
    if silence is None and end is None:
        return no_answer(case, respelt)
    proven = end is not None or (silence is not None and silence.proven)
    where = silence.where if silence is not None else ()
    return Finding(
        "RESP-26",
        expected,
        stated("no whole answer for {field_names}", field_names=_field_names(case, respelt)),
        where,
        conclusive=proven,
    )


def _field_names(case: Case, client: str) -> str:
    sent = next(s.data for s in case.transcript.scenario.steps if isinstance(s, Send) and s.client == client)
    lines = sent.partition(_END_OF_HEAD)[0].split(b"\r\n")[1:]
    return stated("the fields {names}", names=", ".join(line.partition(b":")[0].decode("latin-1") for line in lines))
