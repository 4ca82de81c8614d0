"""How requests and answers travel: in any segments, of any size, short writes, slow readers, the end behind them."""

from __future__ import annotations

from gatecrash.language import marked, stated
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import changes, departure, described, plain_answer, same, settled
from gatecrash.oracles.service import as_finding, askers, unserved
from gatecrash.protocols import http
from gatecrash.protocols.http import Answer
from gatecrash.scenario import Send
from gatecrash.text import size_of
from gatecrash.transcript import Got, Transcript
from gatecrash.verdicts import Case, Finding

#: Fields that an answer has once or not at all: one more or less of them is another head.
_SINGLE_FIELDS = (b"content-length", b"content-type", b"date", b"server")

_WHY_RESET = (
    marked("a connection that is closed with unread input is reset (RFC 1122 4.2.2.13)"),
    marked("all that the client sent belonged to the request that was answered"),
)


@oracle("RESP-02")
def segments_do_not_matter(case: Case) -> Finding | None:
    """The answer to a request in segments is that to the same bytes in one."""
    findings = (_not_as_usual("RESP-02", case, client) for client in case.transcript.scenario.clients)
    return next((finding for finding in findings if finding is not None), None)


def _not_as_usual(rule: str, case: Case, client: str) -> Finding | None:
    """The finding that `client` got something else than a lone client that sent the same in one segment."""
    plain = plain_answer(case, case.transcript.scenario.sent_by(client))
    if plain is None or not case.transcript.connected(client):
        return None
    expected = stated(
        "what a lone client gets for the same bytes in one piece: {described}", described=described(plain)
    )
    answers = settled(case, client).answers
    if not answers or not answers[0].complete:
        return as_finding(rule, expected, unserved(case, client))
    if same(case, case.transcript.scenario.sent_by(client), answers[0], plain):
        return None
    return Finding(
        rule,
        expected,
        stated("{client} got {described}", client=client, described=described(answers[0])),
        difference=departure(case, client),
    )


@oracle("RESP-03")
def answer_waits_for_the_whole_head(case: Case) -> Finding | None:
    """No success begins while a part of the request's head has not even been sent."""
    for client in case.transcript.scenario.clients:
        request = case.transcript.scenario.sent_by(client)
        head_end = request.find(b"\r\n\r\n") + 4
        early = [e for e in case.transcript.of(client) if isinstance(e, Got) and _said(case, e) < head_end]
        answers = http.read_answers(b"".join(e.data for e in early), http.request_methods(request), ended=False).answers
        if answers and 200 <= answers[0].status < 400:
            so_far = stated(
                "it had sent {said} bytes of a head of {head_end}", said=_said(case, early[0]), head_end=head_end
            )
            got = stated(
                "{client} got status {status} when {so_far}", client=client, status=answers[0].status, so_far=so_far
            )
            return Finding("RESP-03", stated("no answer of success before the whole head of the request is there"), got)
    return None


def _said(case: Case, got: Got) -> int:
    """How many bytes this client had sent, at most, when these came."""
    before = case.transcript.scenario.steps[: got.step + 1]
    return sum(len(step.data) for step in before if isinstance(step, Send) and step.client == got.client)


@oracle("RESP-11")
def short_write_is_continued(case: Case) -> Finding | None:
    """The client whose answer met a short write gets all of it, each byte once."""
    if not (short := _shortened(case.transcript)):
        return None
    client = case.transcript.scenario.clients[0]
    finding = _not_as_usual("RESP-11", case, client) or _repeated(case, client)
    if finding is None:
        return None
    got = stated("{short} of the server's sends took only a part; {got}", short=short, got=finding.got)
    return Finding("RESP-11", finding.expected, got, finding.evidence, departure(case, client), finding.conclusive)


def _shortened(transcript: Transcript) -> int:
    return sum(c.family == "send" and c.outcome.startswith("shortened") for c in transcript.calls)


def _repeated(case: Case, client: str) -> Finding | None:
    """An answer that reads well although a part of it came twice: in its head, or behind its end."""
    plain, reading = plain_answer(case, case.transcript.scenario.sent_by(client)), settled(case, client)
    request = case.transcript.scenario.sent_by(client)
    if plain is None or not reading.answers or changes(case, request):
        return None
    usual = case.plain[request].received[plain.end :]
    if _head_of(reading.answers[0]) == _head_of(plain) and not reading.rest.removeprefix(usual):
        return None
    return Finding(
        "RESP-11",
        stated("the whole answer, each byte once"),
        stated("{client} got a part of its answer twice", client=client),
    )


def _head_of(answer: Answer) -> tuple[int, bytes, list[int]]:
    names = [name.lower() for name, _ in answer.fields]
    return answer.status, answer.reason, [names.count(name) for name in _SINGLE_FIELDS]


@oracle("RESP-12")
def large_request_is_never_hung_on(case: Case) -> Finding | None:
    """A client with a large head gets an answer or an end, if the first one, with a small head like it, got any."""
    first, *others = askers(case)
    before = case.transcript.look("before")
    spun = before is not None and before.still == "spinning"
    if not case.transcript.received(first) or case.transcript.server_ended is not None:
        return None
    for client in others:
        silence = case.transcript.silence(client)
        if silence is None or case.transcript.received(client) or case.transcript.end(client) is not None:
            continue
        size = size_of(case.transcript.scenario.sent_by(client))
        spins = silence.still == "spinning" and not spun
        state = (
            stated("uses a processor and gets no further")
            if spins
            else stated("waits for something that does not come")
        )
        got = stated(
            "{client} sent a whole request of {size} and got not a byte: the server {state}",
            client=client,
            size=size,
            state=state,
        )
        expected = stated("an answer, a refusal, or the end of the connection")
        return Finding("RESP-12", expected, got, silence.where, conclusive=silence.proven or spins)
    return None


@oracle("RESP-13")
def answer_is_not_lost_by_a_reset(case: Case) -> Finding | None:
    """No success is followed by a reset although the client sent one request and nothing else.

    The kernel resets the connections of a server that has died, whatever they held.
    """
    if case.transcript.server_ended is not None:
        return None
    for client in case.transcript.scenario.clients:
        answers = settled(case, client).answers
        if case.transcript.end(client) != "RST" or not answers or not 200 <= answers[0].status < 400:
            continue
        got = stated(
            "{client} got status {status}, and then a reset instead of the end", client=client, status=answers[0].status
        )
        return Finding("RESP-13", stated("an end (FIN) behind the answer"), got, tuple(map(stated, _WHY_RESET)))
    return None


@oracle("RESP-28")
def slow_reader_gets_everything(case: Case) -> Finding | None:
    """A client that reads slowly gets what a fast one gets."""
    findings = (_not_as_usual("RESP-28", case, client) for client in case.transcript.scenario.clients)
    return next((finding for finding in findings if finding is not None), None)
