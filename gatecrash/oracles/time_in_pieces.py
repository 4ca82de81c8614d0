"""A request whose parts are seconds apart: no pause ends it, and no pause takes anything of it away."""

from __future__ import annotations

from gatecrash.language import stated
from gatecrash.model.facts import Facts
from gatecrash.model.scenario import LetTimePass, Send
from gatecrash.model.transcript import Got, NotSent, TimePassed, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import (
    changing,
    compared,
    crashed,
    departure,
    described,
    judged_by,
    no_answer,
    no_measure,
    plain_answer,
    read,
    same,
    whole_answer,
)
from gatecrash.oracles.passing import time_was_real
from gatecrash.oracles.unseen import affair_of, nobody_came, unproven_silence
from gatecrash.protocols import http
from gatecrash.protocols.http import Answer
from gatecrash.text import duration

_SUCCESS, _ERROR = range(200, 300), 400
_TIMEOUT = 408
_END_OF_HEAD = b"\r\n\r\n"


@oracle("TIME-11")
def pauses_do_not_matter(case: Case) -> Ruling:
    """The answer to a request in parts with pauses between them is that to the same bytes in one piece.

    A server may have a time limit that is shorter than a pause: then it ends the connection, or says an error first
    (RFC 9112 section 8), and was not put to the test. It may not take a part for the whole.
    """
    transcript, client = case.transcript, next(iter(case.transcript.scenario.clients), "")
    pauses = _pauses(transcript, client)
    if not pauses:
        return NotExercised(stated("no time was let pass between two parts of a request"))
    if not transcript.connected(client):
        return nobody_came()
    if (crash := crashed(transcript)) is not None:
        return crash
    plain = plain_answer(case, transcript.scenario.sent_by(client))
    if plain is None:
        return no_measure(case, client)
    ruling = _too_early(case, client, pauses) or _late(case, client, plain)
    real = time_was_real(transcript)
    return real if isinstance(ruling, Held) and real is not None else ruling


def _pauses(transcript: Transcript, client: str) -> tuple[int, ...]:
    """The steps that let time pass while a part of the request was said, and a part was not."""
    steps = transcript.scenario.steps
    sends = [number for number, step in enumerate(steps) if isinstance(step, Send) and step.client == client]
    if len(sends) < 2:
        return ()
    return tuple(n for n in range(sends[0], sends[-1]) if isinstance(steps[n], LetTimePass))


def _too_early(case: Case, client: str, pauses: tuple[int, ...]) -> Ruling | None:
    """What the server said or did while a part of the request was still to come; None where it waited."""
    transcript, request = case.transcript, case.transcript.scenario.sent_by(client)
    early = [e for e in transcript.of(client) if isinstance(e, Got) and e.step <= pauses[-1]]
    answers = http.read_answers(b"".join(e.data for e in early), http.request_methods(request), ended=False).answers
    said = _said(transcript, early[0].step) if early else 0
    if answers and answers[0].status in _SUCCESS and not _time_had_passed(transcript, early[0]):
        return affair_of(
            "RESP-03", stated("{client} was answered at once, in the middle of its request", client=client)
        )
    if answers and answers[0].status in _SUCCESS and said < request.find(_END_OF_HEAD) + len(_END_OF_HEAD):
        expected = stated("no answer of success before the whole head of the request is there")
        got = stated(
            "{client} had sent {said} of {size} bytes, and after a pause of {time} it got status {status}",
            client=client,
            said=said,
            size=len(request),
            time=duration(_seconds(transcript, pauses)),
            status=answers[0].status,
        )
        return Finding("TIME-11", expected, got, facts=Facts("answer"))
    if answers and answers[0].status >= _ERROR:
        return _own_limit(client)
    ended = transcript.ended_at(client)
    if not early and ((ended is not None and ended <= pauses[-1]) or _kept_off(transcript, client)):
        return _own_limit(client)
    return None


def _time_had_passed(transcript: Transcript, event: Got) -> bool:
    """Whether it came when some of a pause was over, and not before it had begun."""
    before = transcript.events[: transcript.events.index(event)]
    return any(isinstance(one, TimePassed) for one in before)


def _late(case: Case, client: str, plain: Answer) -> Ruling:
    """Whether what came in the end is what a lone client gets for the same in one piece."""
    transcript, request = case.transcript, case.transcript.scenario.sent_by(client)
    headed = _END_OF_HEAD in transcript.received(client)
    answer = whole_answer(case, client) if headed else None
    expected = stated(
        "what a lone client gets for the same bytes in one piece: {described}", described=described(plain)
    )
    silence = transcript.silence(client)
    if answer is None and not transcript.received(client) and transcript.end(client) is not None:
        return _own_limit(client)
    if answer is None and silence is not None and transcript.end(client) is None and not read(case, client).answers:
        got = stated(
            "{client} had made a pause of {time} in its request, and got no answer",
            client=client,
            time=duration(_seconds(transcript, _pauses(transcript, client))),
        )
        return Finding("TIME-11", expected, got, silence.where, conclusive=silence.proven)
    if answer is None:
        if silence is not None and not silence.proven:
            return unproven_silence(client, silence)
        return judged_by("RESP-07") if read(case, client).answers else no_answer(case, client)
    if answer.status == _TIMEOUT:
        return _own_limit(client)
    if same(case, request, answer, plain):
        return Held() if compared(case, request) else changing(client)
    got = stated(
        "{client} had made a pause of {time} in its request, and got {described}",
        client=client,
        time=duration(_seconds(transcript, _pauses(transcript, client))),
        described=described(answer),
    )
    return Finding("TIME-11", expected, got, difference=departure(case, client), facts=Facts("answer"))


def _own_limit(client: str) -> NotExercised:
    return NotExercised(stated("a time limit of its own ended the connection of {client} in a pause", client=client))


def _kept_off(transcript: Transcript, client: str) -> bool:
    return any(isinstance(event, NotSent) for event in transcript.of(client))


def _said(transcript: Transcript, step: int) -> int:
    """How many bytes were sent, at most, when something came while this step was played."""
    return sum(len(one.data) for one in transcript.scenario.steps[: step + 1] if isinstance(one, Send))


def _seconds(transcript: Transcript, pauses: tuple[int, ...]) -> float:
    steps = (transcript.scenario.steps[number] for number in pauses)
    return max(step.seconds for step in steps if isinstance(step, LetTimePass))
