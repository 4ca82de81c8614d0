"""Requests with a body: where it ends, and that it is no request of its own."""

from __future__ import annotations

from gatecrash.oracles import oracle
from gatecrash.oracles.answers import described, read, same
from gatecrash.protocols import http
from gatecrash.scenario import Send
from gatecrash.transcript import Got, Sent, Transcript
from gatecrash.verdicts import Case, Finding


@oracle("RESP-21")
def body_is_no_request(case: Case) -> Finding | None:
    """At no time are there more answers than requests: the body of a request is none, whatever it looks like."""
    transcript, client = case.transcript, case.transcript.scenario.clients[0]
    for sent, received in _exchanges(transcript, client):
        methods = http.request_methods(sent)
        extra = http.read_answers(received, methods, ended=True).problem("extra-answer")
        if extra is not None:
            got = f"after {_requests(len(methods))} {client} got another answer, at byte {extra.offset} of what came"
            body = f"the body of the first request is {_body_of_first(sent)!r}"
            return Finding("RESP-21", "one answer to each request, and none to a body", got, (body,))
    return None


def _exchanges(transcript: Transcript, client: str) -> list[tuple[bytes, bytes]]:
    """All that was sent and all that was received so far, each time before `client` sends a request, and at the end."""
    sent, received, exchanges = b"", b"", []
    for event in transcript.of(client):
        if isinstance(event, Got):
            received += event.data
        elif isinstance(event, Sent):
            if received:
                exchanges.append((sent, received))
            sent += event.data
    return [*exchanges, (sent, received)]


def _requests(count: int) -> str:
    return "one request" if count == 1 else f"{count} requests"


def _body_of_first(sent: bytes) -> str:
    first = http.split_requests(sent)[0]
    return first.partition(b"\r\n\r\n")[2].decode("latin-1")


@oracle("RESP-26")
def field_names_mean_the_same_in_any_case(case: Case) -> Finding | None:
    """A POST that is a success is answered alike when only its field names are written in other letters."""
    usual, respelt = case.transcript.scenario.clients
    answers, others = read(case, usual).answers, read(case, respelt).answers
    if not answers or not answers[0].complete or answers[0].status // 100 != 2:
        return None
    expected = f"the answer to the same request with usual field names: {described(answers[0])}"
    if others and others[0].complete:
        if same(case, others[0], answers[0]):
            return None
        return Finding("RESP-26", expected, f"{described(others[0])}, for {_field_names(case, respelt)}")
    silence, end = case.transcript.silence(respelt), case.transcript.end(respelt)
    if silence is None and end is None:
        return None
    proven = end is not None or (silence is not None and silence.proven)
    where = silence.where if silence is not None else ()
    return Finding("RESP-26", expected, f"no whole answer for {_field_names(case, respelt)}", where, conclusive=proven)


def _field_names(case: Case, client: str) -> str:
    sent = next(s.data for s in case.transcript.scenario.steps if isinstance(s, Send) and s.client == client)
    lines = sent.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return "the fields " + ", ".join(line.partition(b":")[0].decode("latin-1") for line in lines)
