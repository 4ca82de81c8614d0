"""Answers compared with what a lone client gets for the same request."""

from __future__ import annotations

from collections.abc import Iterable

from gatecrash.language import stated
from gatecrash.model.transcript import Flooded, Looked, NotSent, Transcript
from gatecrash.model.verdicts import Aspect, Case, Difference, Finding, Held, NotExercised, Ruling
from gatecrash.oracles.invariants import memory_fault
from gatecrash.oracles.unseen import answered_early, never_still, nobody_came, nothing_answered, unproven_silence
from gatecrash.protocols import echo, http
from gatecrash.protocols.http import Answer, Reading
from gatecrash.text import request_line, size_of


def alone(case: Case, request: bytes) -> Answer | None:
    """The answer a lone client gets to this one request; None when it is none, or not a clean one."""
    plain = case.plain.get(request)
    if plain is None or not plain.answered:
        return None
    reading = http.read_answers(plain.received, http.request_methods(request), ended=plain.end is not None)
    return reading.answers[0] if reading.answers and not reading.problems else None


def read(case: Case, client: str) -> Reading:
    """What `client` got, read as the answers to what it sent."""
    transcript = case.transcript
    methods = http.request_methods(transcript.sent.get(client, b""))
    return http.read_answers(transcript.received(client), methods, ended=transcript.end(client) is not None)


def same(case: Case, request: bytes, got: Answer, expected: Answer, *, on_one_server: bool = False) -> bool:
    """Whether two answers to this request say the same, as far as such answers do not change by themselves.

    Error pages often carry a date or a number: of those the status counts. `on_one_server`: that it changes from one
    time to the next is what is looked for; only what changes from one start of the server to the next is left out.
    """
    changing = changes(case, request, on_one_server=on_one_server)
    if "status" in changing:
        return True
    if got.status != expected.status:
        return False
    return got.status >= 300 or not case.contract.http.stable_body or "body" in changing or got.body == expected.body


def changes(case: Case, request: bytes, *, on_one_server: bool = False) -> frozenset[Aspect]:
    """What changes by itself in the answer that a lone client gets to this request."""
    plain = case.plain.get(request)
    if plain is None:
        return frozenset()
    return plain.varies if on_one_server else plain.varies | plain.moves


def turned_away(answer: Answer) -> bool:
    """Whether the server said that it has too much to do (RFC 9110 15.6.4, RFC 6585 4)."""
    return answer.status in (429, 503)


def described(answer: Answer) -> str:
    """An answer in a few words."""
    return stated("status {status} with {size} of body", status=answer.status, size=size_of(answer.body))


def plain_answer(case: Case, request: bytes) -> Answer | None:
    """The answer a lone client gets to this request, whatever is wrong with its form; None when it is not whole."""
    plain = case.plain.get(request)
    if plain is None or not plain.answered:
        return None
    reading = http.read_answers(plain.received, http.request_methods(request), ended=plain.end is not None)
    return reading.answers[0] if reading.answers else None


def settled(case: Case, client: str) -> Reading:
    """What `client` got in the end: nothing more comes once the connection has ended or silence was waited for."""
    transcript = case.transcript
    methods = http.request_methods(transcript.scenario.sent_by(client))
    over = transcript.end(client) is not None or transcript.silence(client) is not None
    return http.read_answers(transcript.received(client), methods, ended=over)


def whole_answer(case: Case, client: str) -> Answer | None:
    """The first answer of `client`, when it is whole. An end that only patience has seen ends none."""
    transcript, silence = case.transcript, case.transcript.silence(client)
    methods = http.request_methods(transcript.scenario.sent_by(client))
    over = transcript.end(client) is not None or (silence is not None and silence.proven)
    answers = http.read_answers(transcript.received(client), methods, ended=over).answers
    return answers[0] if answers and answers[0].complete else None


def departure(case: Case, client: str) -> Difference | None:
    """The byte where what `client` got departs from what a lone client gets for the same request."""
    plain = case.plain.get(case.transcript.scenario.sent_by(client))
    return None if plain is None else difference(plain.received, case.transcript.received(client))


def difference(expected: bytes, got: bytes) -> Difference | None:
    """The first byte that differs; None for equal bytes."""
    parted = echo.difference(expected, got)
    return None if parted is None else Difference(expected, got, parted.offset)


def of_each(rulings: Iterable[Ruling]) -> Ruling:
    """What several clients show together: the first finding; else that it held for one of them; else why for none."""
    held: Held | None = None
    unseen: list[NotExercised] = []
    for ruling in rulings:
        if isinstance(ruling, Finding):
            return ruling
        if isinstance(ruling, Held):
            held = held or ruling
        else:
            unseen.append(ruling)
    return held or min(unseen, key=lambda one: not one.unproven, default=nobody_came())


def headed(answer: Answer) -> bool:
    """Whether the whole head of this answer came."""
    return answer.complete or answer.framing != "none"


def waited_for(transcript: Transcript, client: str) -> bool:
    """Whether it is known what became of `client`: it saw an end, or a silence, or more than anybody wants to read."""
    flooded = any(isinstance(event, Flooded) for event in transcript.of(client))
    return flooded or transcript.end(client) is not None or transcript.silence(client) is not None


def no_answer(case: Case, client: str) -> NotExercised:
    """There is no whole answer of `client` to look at."""
    transcript = case.transcript
    if not any(transcript.connected(name) for name in transcript.scenario.clients):
        return nobody_came()
    silence = transcript.silence(client)
    if silence is not None and not silence.proven and transcript.end(client) is None:
        return unproven_silence(client, silence)
    kept_off = any(isinstance(event, NotSent) for event in transcript.of(client))
    if kept_off and transcript.received(client):
        return answered_early(client)
    return nothing_answered(client)


def more_may_come(transcript: Transcript, client: str) -> NotExercised | None:
    """Why it is not known that `client` gets no more than it has got; None when it is.

    Its connection has ended, or the server was still after it had got the last.
    """
    silence = transcript.silence(client)
    if transcript.end(client) is not None or (silence is not None and silence.proven):
        return None
    looks: list[Looked] = []
    for event in transcript.events:
        if isinstance(event, Looked):
            looks.append(event)
        elif getattr(event, "client", None) == client:
            looks.clear()
    if any(look.snapshot.still in ("quiet", "spinning") for look in looks):
        return None
    return never_still(looks[-1].snapshot) if looks else unproven_silence(client, silence)


def compared(case: Case, request: bytes) -> bool:
    """Whether `same` compares anything: the status of such an answer does not change by itself."""
    return "status" not in changes(case, request)


def no_measure(case: Case, client: str, *requests: bytes) -> NotExercised:
    """What a lone client gets for one of these requests of `client` was not learnt, or cannot be compared with."""
    for request in requests:
        if alone(case, request) is None and plain_answer(case, request) is not None:
            return not_well_formed(request)
    return NotExercised(
        stated("no whole answer is known that a lone client gets for the request of {client}", client=client)
    )


def not_well_formed(request: bytes) -> NotExercised:
    """What a lone client gets for this request is whole, and so odd that nothing can be compared with it."""
    return NotExercised(
        stated(
            "the answer that a lone client gets to {asked} has mistakes of its own, so no other is compared with it",
            asked=request_line(request),
        )
    )


def changing(client: str) -> NotExercised:
    """The answer to the request of this client is never twice the same."""
    return NotExercised(
        stated("the answer to the request of {client} changes by itself, so it is not compared", client=client)
    )


def crashed(transcript: Transcript) -> NotExercised | None:
    """Why the end of a connection is no act of the server: a process of it died, and the kernel closed what it had."""
    if memory_fault(transcript) is not None:
        return judged_by("MEM-03")
    ended = transcript.server_ended
    if ended is None or not (ended.status or ended.overrun or ended.limit or ended.daemon):
        return None
    return NotExercised(stated("the server has ended, and with it all its connections"))


def judged_by(rule: str) -> NotExercised:
    """What is wrong in this scenario is the affair of another rule."""
    return NotExercised(stated("what was seen here is for {rule} to judge", rule=rule))
