"""How requests and answers travel: in any segments, of any size, short writes, slow readers, the end behind them."""

from __future__ import annotations

from dataclasses import replace

from gatecrash.language import marked, stated
from gatecrash.model import labels
from gatecrash.model.facts import Facts
from gatecrash.model.scenario import Send
from gatecrash.model.transcript import Got, Looked, Sent, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import (
    changes,
    changing,
    compared,
    crashed,
    departure,
    described,
    judged_by,
    more_may_come,
    no_answer,
    no_measure,
    of_each,
    plain_answer,
    same,
    settled,
    waited_for,
    whole_answer,
)
from gatecrash.oracles.late_end import ended_late
from gatecrash.oracles.promises import LARGE
from gatecrash.oracles.service import as_finding, askers, unserved
from gatecrash.oracles.unseen import never_made, never_still, nobody_came, not_served_first, unproven_silence
from gatecrash.protocols import http
from gatecrash.protocols.http import Answer
from gatecrash.text import size_of

#: Fields that an answer has once or not at all: one more or less of them is another head.
_SINGLE_FIELDS = (b"content-length", b"content-type", b"date", b"server")

_WHY_RESET = (
    marked("a connection that is closed with unread input is reset (RFC 1122 4.2.2.13)"),
    marked("all that the client sent belonged to the request that was answered"),
)


@oracle("RESP-02")
def segments_do_not_matter(case: Case) -> Ruling:
    """The answer to a request in segments is that to the same bytes in one."""
    return of_each(_in_segments(case, client) for client in case.transcript.scenario.clients)


def _in_segments(case: Case, client: str) -> Ruling:
    ruling = _as_usual("RESP-02", case, client)
    return (_not_cut(case.transcript, client) or ruling) if isinstance(ruling, Held) else ruling


def _not_cut(transcript: Transcript, client: str) -> NotExercised | None:
    """Why the server may have had the whole request at once: one segment must have been read before the last came."""
    segments = [event for event in transcript.of(client) if isinstance(event, Sent)]
    if len(segments) < 2:
        return NotExercised(stated("{client} sent its request in one segment", client=client))
    if any(segment.read for segment in segments[:-1]):
        return None
    why = stated("that the server read one segment of {client} before the next was sent was not seen", client=client)
    return NotExercised(why, unproven=True)


def _as_usual(rule: str, case: Case, client: str) -> Ruling:
    """Whether `client` got what a lone client gets that sends the same in one segment."""
    request = case.transcript.scenario.sent_by(client)
    plain = plain_answer(case, request)
    if not case.transcript.connected(client):
        return no_answer(case, client)
    if plain is None:
        return no_measure(case, client)
    expected = stated(
        "what a lone client gets for the same bytes in one piece: {described}", described=described(plain)
    )
    answer = whole_answer(case, client)
    if answer is None:
        missing = as_finding(rule, expected, unserved(case, client)) if waited_for(case.transcript, client) else None
        return missing or no_answer(case, client)
    if same(case, request, answer, plain):
        return Held() if compared(case, request) else changing(client)
    return Finding(
        rule,
        expected,
        stated("{client} got {described}", client=client, described=described(answer)),
        difference=departure(case, client),
    )


@oracle("RESP-03")
def answer_waits_for_the_whole_head(case: Case) -> Ruling:
    """No success begins while a part of the request's head has not even been sent."""
    return of_each(_not_too_early(case, client) for client in case.transcript.scenario.clients)


def _not_too_early(case: Case, client: str) -> Ruling:
    request = case.transcript.scenario.sent_by(client)
    head_end = request.find(b"\r\n\r\n") + 4
    early = [e for e in case.transcript.of(client) if isinstance(e, Got) and _said(case, e) < head_end]
    answers = http.read_answers(b"".join(e.data for e in early), http.request_methods(request), ended=False).answers
    if answers and _is_success(answers[0]):
        so_far = stated(
            "it had sent {said} of the {head_end} bytes of its request's head",
            said=_said(case, early[0]),
            head_end=head_end,
        )
        got = stated(
            "{client} got status {status} when {so_far}", client=client, status=answers[0].status, so_far=so_far
        )
        expected = stated("no answer of success before the whole head of the request is there")
        return Finding("RESP-03", expected, got, facts=Facts("answer"))
    answers = settled(case, client).answers
    if not answers:
        return no_answer(case, client)
    if not _is_success(answers[0]):
        return _no_success(client)
    return _never_waited(case, client, head_end) or Held()


def _is_success(answer: Answer) -> bool:
    return 200 <= answer.status < 400


def _no_success(client: str) -> NotExercised:
    return NotExercised(stated("the answer to {client} is no success", client=client))


def _never_waited(case: Case, client: str, head_end: int) -> NotExercised | None:
    """Why the server was not seen to wait: it must have read a part of the head, and then have come to rest."""
    said, looks, parts = 0, list[Looked](), list[Sent]()
    for event in case.transcript.events:
        if isinstance(event, Sent) and event.client == client:
            said += len(event.data)
            if said >= head_end:
                break
            parts.append(event)
        elif isinstance(event, Looked) and parts and parts[-1].read:
            looks.append(event)
    if not parts:
        return NotExercised(stated("{client} sent the head of its request in one segment", client=client))
    if not looks:
        return _not_cut(case.transcript, client) or unproven_silence(client, None)
    rested = any(look.snapshot.still != "restless" for look in looks)
    return None if rested else never_still(looks[-1].snapshot)


def _said(case: Case, got: Got) -> int:
    """How many bytes this client had sent, at most, when these came."""
    before = case.transcript.scenario.steps[: got.step + 1]
    return sum(len(step.data) for step in before if isinstance(step, Send) and step.client == got.client)


@oracle("RESP-11")
def short_write_is_continued(case: Case) -> Ruling:
    """The client whose answer met a short write gets all of it, each byte once."""
    if not case.transcript.scenario.clients:
        return nobody_came()
    if not (short := _shortened(case.transcript)):
        return never_made(stated("a send that offers more than is to be taken"))
    client = case.transcript.scenario.clients[0]
    ruling = _as_usual("RESP-11", case, client)
    finding = ruling if isinstance(ruling, Finding) else _repeated(case, client)
    if finding is None:
        return (more_may_come(case.transcript, client) or ruling) if isinstance(ruling, Held) else ruling
    got = stated("{short} of the server's sends took only a part; {got}", short=short, got=finding.got)
    return Finding("RESP-11", finding.expected, got, finding.evidence, departure(case, client), finding.conclusive)


def _shortened(transcript: Transcript) -> int:
    return sum(c.family == "send" and c.outcome.kind == "shortened" for c in transcript.calls)


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
def large_request_is_never_hung_on(case: Case) -> Ruling:
    """A client with a large head gets an answer or an end, if the first one, with a small head like it, got any."""
    transcript, clients = case.transcript, askers(case)
    if len(clients) < 2:
        return nobody_came()
    if transcript.server_ended is not None:
        return judged_by("RESP-22")
    if (crash := crashed(transcript)) is not None:
        return crash
    if not transcript.received(clients[0]):
        return not_served_first(clients[0])
    return of_each(_not_hung_on(case, client) for client in clients[1:])


def _not_hung_on(case: Case, client: str) -> Ruling:
    transcript, silence = case.transcript, case.transcript.silence(client)
    if transcript.received(client):
        return Held()
    if transcript.end(client) is not None:
        size = size_of(transcript.scenario.sent_by(client))
        stays = stated(
            "{client} sent a whole request of {size} and got not a byte, and the connection stays open",
            client=client,
            size=size,
        )
        return ended_late("RESP-12", transcript, client, stated("an answer, or the end at once"), stays) or Held()
    if silence is None:
        return no_answer(case, client)
    before = transcript.look(labels.BEFORE)
    spins = silence.still == "spinning" and not (before is not None and before.still == "spinning")
    state = (
        stated("uses a processor and gets no further") if spins else stated("waits for something that does not come")
    )
    got = stated(
        "{client} sent a whole request of {size} and got not a byte: the server {state}",
        client=client,
        size=size_of(transcript.scenario.sent_by(client)),
        state=state,
    )
    expected = stated("an answer, a refusal, or the end of the connection")
    return Finding("RESP-12", expected, got, silence.where, conclusive=silence.proven or spins)


@oracle("RESP-13")
def answer_is_not_lost_by_a_reset(case: Case) -> Ruling:
    """No success is followed by a reset although the client sent one request and nothing else.

    The kernel resets the connections of a server that has died, whatever they held.
    """
    if case.transcript.server_ended is not None:
        return NotExercised(stated("the server has ended, and with it all its connections"))
    return of_each(_not_reset(case, client) for client in case.transcript.scenario.clients)


@oracle("RESP-32")
def refusal_is_not_lost_by_a_reset(case: Case) -> Ruling:
    """No refusal is followed by a reset although the client sent one request, with a body, and nothing else."""
    if case.transcript.server_ended is not None:
        return NotExercised(stated("the server has ended, and with it all its connections"))
    return of_each(_refusal_not_reset(case, client) for client in case.transcript.scenario.clients)


def _refusal_not_reset(case: Case, client: str) -> Ruling:
    answers = settled(case, client).answers
    if answers and _is_success(answers[0]):
        return NotExercised(stated("it refuses nothing that was asked"), absent=True)
    return _no_reset("RESP-32", case, client)


def _not_reset(case: Case, client: str) -> Ruling:
    answers = settled(case, client).answers
    if answers and not _is_success(answers[0]):
        return _no_success(client)
    return _no_reset("RESP-13", case, client)


def _no_reset(rule: str, case: Case, client: str) -> Ruling:
    transcript, answers = case.transcript, settled(case, client).answers
    if not answers:
        return no_answer(case, client)
    if transcript.end(client) == "RST":
        got = stated(
            "{client} got status {status}, and then a reset instead of the end", client=client, status=answers[0].status
        )
        return Finding(rule, stated("an end (FIN) behind the answer"), got, tuple(map(stated, _WHY_RESET)))
    if not answers[0].complete:
        return no_answer(case, client)
    return Held() if transcript.end(client) == "FIN" else _nothing_left_unread(transcript, client)


def _nothing_left_unread(transcript: Transcript, client: str) -> Ruling:
    """Of a connection that is kept: whether its close would be an end, because all that was sent has been read."""
    looks = transcript.looks()
    if not looks:
        return unproven_silence(client, transcript.silence(client))
    look = looks[-1].snapshot
    if look.still == "restless":
        return never_still(look)
    side = look.connection(client)
    if side is not None and side.consumed and not side.unread:
        return Held()
    return NotExercised(
        stated("the connection of {client} is open, and its request was not read to the end", client=client)
    )


@oracle("RESP-28")
def slow_reader_gets_everything(case: Case) -> Ruling:
    """A client that reads slowly gets what a fast one gets."""
    return of_each(_read_slowly(case, client) for client in case.transcript.scenario.clients)


def _read_slowly(case: Case, client: str) -> Ruling:
    ruling = _as_usual("RESP-28", case, client)
    if isinstance(ruling, Finding) and len(case.transcript.scenario.clients) > 1:
        whoever = stated("{expected}, although another one reads slowly, too", expected=ruling.expected)
        return replace(ruling, expected=whoever)
    if not isinstance(ruling, Held):
        return ruling
    received = case.transcript.received(client)
    if len(received) <= LARGE:
        return NotExercised(stated("what {client} got is not large ({size})", client=client, size=size_of(received)))
    bites = {event.step for event in case.transcript.of(client) if isinstance(event, Got)}
    return ruling if len(bites) > 1 else NotExercised(stated("{client} read its answer at once", client=client))
