"""How an answer is written: its status line, its header section, and where it ends.

Each of these rules judges one thing that `gatecrash.protocols.http` finds wrong, in the answer to any request.
"""

from __future__ import annotations

import re

from gatecrash.language import stated
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.transcript import Silent
from gatecrash.model.verdicts import Case, Difference, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import crashed, difference, headed, judged_by, more_may_come, no_answer, of_each, settled
from gatecrash.oracles.late_end import ended_late
from gatecrash.oracles.service import passed_before_end
from gatecrash.oracles.unseen import unproven_silence
from gatecrash.protocols import http
from gatecrash.protocols.http import Answer, Problem, Reading
from gatecrash.text import shown, size_of

_LOOSE_STATUS_LINE = re.compile(rb"\D*?(\d\.\d)?[^\d]*?(\d{3})[ \t]*(.*)", re.DOTALL)
#: The beginning of another answer inside what a connection's end delimits.
_ANSWER_INSIDE = re.compile(rb"HTTP/1\.[01] \d{3} [^\r\n]*\r?\n[A-Za-z-]+:")


@oracle("RESP-04")
def status_line_is_well_formed(case: Case) -> Ruling:
    """Every answer begins with a status line after the grammar."""
    return of_each(_status_line(case, client) for client in case.transcript.scenario.clients)


def _status_line(case: Case, client: str) -> Ruling:
    reading = settled(case, client)
    problem = reading.problem("status-line")
    if problem is None:
        received = case.transcript.received(client)
        whole = any(answer.status and b"\n" in received[answer.start : answer.head_end] for answer in reading.answers)
        return Held() if whole else no_answer(case, client)
    line = problem.got.rstrip(b"\r\n")
    got = stated("{client}'s answer begins with {line}", client=client, line=shown(line))
    parted = difference(_status_line_like(line), line)
    return Finding("RESP-04", problem.expected, got, difference=parted, conclusive=_wrong_already(case, client))


def _wrong_already(case: Case, client: str) -> bool:
    """Whether a status line is wrong for certain, and not just not all there yet."""
    received = case.transcript.received(client)
    so_far = http.read_answers(received, _methods(case, client), ended=False)
    return _over(case, client) or so_far.problem("status-line") is not None


def _held_in_a_head(case: Case, client: str, reading: Reading) -> Ruling:
    """What was looked for in the heads of answers is right in them, if one came."""
    if reading.problem("no-empty-line") is not None:
        return judged_by("RESP-06")
    return Held() if any(map(headed, reading.answers)) else no_answer(case, client)


def _not_whole(case: Case, client: str, reading: Reading) -> NotExercised | None:
    """Why nothing is said of what comes behind the head of the last answer."""
    if reading.problem("no-empty-line") is not None:
        return judged_by("RESP-06")
    return None if reading.answers and reading.answers[-1].complete else no_answer(case, client)


def _status_line_like(line: bytes) -> bytes:
    """The status line that was probably meant."""
    match = _LOOSE_STATUS_LINE.fullmatch(line)
    if match is None or not line.startswith(b"HTTP"):
        return b"HTTP/1.1 200 OK"
    return b"HTTP/%s %s %s" % (match[1] or b"1.1", match[2], match[3])


@oracle("RESP-05")
def header_lines_end_with_crlf(case: Case) -> Ruling:
    """No line of an answer's head ends with a line feed alone."""
    return of_each(_line_ends(case, client) for client in case.transcript.scenario.clients)


def _line_ends(case: Case, client: str) -> Ruling:
    reading = settled(case, client)
    problem = reading.problem("bare-lf")
    if problem is None:
        return _held_in_a_head(case, client, reading)
    received = case.transcript.received(client)
    head = received[: problem.offset]
    got = stated(
        "the line {got} of {client}'s answer ends with a line feed alone", got=shown(problem.got), client=client
    )
    parted = Difference(head + b"\r\n", received[: problem.offset + 40], problem.offset)
    return Finding("RESP-05", problem.expected, got, difference=parted)


@oracle("RESP-06")
def header_section_is_well_formed(case: Case) -> Ruling:
    """Each line of the header section is a field, and an empty line ends it."""
    return of_each(_header_section(case, client) for client in case.transcript.scenario.clients)


def _header_section(case: Case, client: str) -> Ruling:
    reading = settled(case, client)
    problem = reading.problem("field-line", "no-empty-line")
    if problem is None:
        return _held_in_a_head(case, client, reading)
    if case.transcript.end(client) == "RST":
        return judged_by("RESP-13")
    got = stated(
        "{client}'s answer has {got} at byte {offset}", client=client, got=shown(problem.got), offset=problem.offset
    )
    if problem.kind == "field-line":
        return Finding("RESP-06", problem.expected, got, difference=_field_line(case, client, problem))
    received = case.transcript.received(client)
    missing = received[: problem.offset] + b"\r\n" + received[problem.offset :]
    parted = Difference(missing, received, problem.offset)
    return Finding("RESP-06", problem.expected, got, difference=parted, conclusive=_over(case, client))


def _field_line(case: Case, client: str, problem: Problem) -> Difference | None:
    """A line without a colon lacks one at its end; in one with a colon the name is wrong."""
    before = case.transcript.received(client)[: problem.offset]
    name, colon, value = problem.got.partition(b":")
    meant = re.sub(rb"[^!#$%&'*+\-.^_`|~0-9A-Za-z]+", b"", name) + b":" + (value if colon else b"")
    return difference(before + meant, before + problem.got)


@oracle("RESP-07")
def body_is_as_long_as_announced(case: Case) -> Ruling:
    """As many bytes of body as Content-Length says come before the end, or before silence."""
    return of_each(_body_length(case, client) for client in case.transcript.scenario.clients)


def _body_length(case: Case, client: str) -> Ruling:
    reading = settled(case, client)
    problem = reading.problem("body-short")
    if problem is None:
        if (unseen := _not_whole(case, client, reading)) is not None:
            return unseen
        if any(answer.framing == "length" for answer in reading.answers):
            return Held()
        return NotExercised(stated("no answer to {client} has a body and a Content-Length", client=client))
    if case.transcript.end(client) == "RST":
        return judged_by("RESP-13")
    evidence = _where(case, client)
    got = stated(
        "{client} got the head of an answer, and a shorter body: {then}", client=client, then=_then(case, client)
    )
    return Finding("RESP-07", problem.expected, got, evidence, conclusive=_over(case, client))


@oracle("RESP-08")
def nothing_follows_the_answer(case: Case) -> Ruling:
    """Behind the end of an answer nothing comes. HEAD is RESP-10's affair, a second answer RESP-23's."""
    return of_each(_behind_the_end(case, client) for client in case.transcript.scenario.clients)


def _behind_the_end(case: Case, client: str) -> Ruling:
    if "HEAD" in _methods(case, client):
        return judged_by("RESP-10")
    reading = settled(case, client)
    problem = reading.problem("trailing-bytes")
    if problem is not None and reading.answers:
        parted = _behind(case, client, problem)
        return Finding("RESP-08", problem.expected, _extra(client, problem), difference=parted)
    if reading.problem("extra-answer") is not None:
        return judged_by("RESP-23")
    if (unseen := _not_whole(case, client, reading)) is not None:
        return unseen
    if reading.answers[-1].framing == "close":
        return _ends_with_its_connection(client)
    return more_may_come(case.transcript, client) or Held()


def _ends_with_its_connection(client: str) -> NotExercised:
    """Whatever comes behind such an answer is taken for a part of it."""
    return NotExercised(stated("only the end of the connection ends the answer to {client}", client=client))


@oracle("RESP-09")
def end_of_answer_is_known(case: Case) -> Ruling:
    """An answer has one usable length, or chunks that end, or the end of the connection behind it."""
    return of_each(_end_is_known(case, client) for client in case.transcript.scenario.clients)


def _end_is_known(case: Case, client: str) -> Ruling:
    reading, end = settled(case, client), case.transcript.end(client)
    problem = reading.problem("bad-length", "length-and-chunked", "chunk") or _two_lengths(reading.answers)
    if problem is not None and end != "RST":
        got = stated("{client}'s answer has {got}", client=client, got=shown(problem.got))
        return Finding("RESP-09", problem.expected, got, conclusive=_over(case, client))
    if _is_old(case, client) and any(answer.framing == "chunked" for answer in reading.answers):
        got = stated("{client} asked with HTTP/1.0, which knows no chunks, and its answer is chunked", client=client)
        return Finding("RESP-09", stated("a Content-Length, or the end of the connection"), got)
    silence = case.transcript.silence(client)
    unknown = [answer for answer in reading.answers if answer.framing == "close"]
    expected = stated("a Content-Length, chunks, or the end of the connection")
    got = stated("{client} got an answer with neither length nor chunks, and the connection stays open", client=client)
    if unknown and (late := ended_late("RESP-09", case.transcript, client, expected, got)) is not None:
        return late
    if unknown and silence is not None and end is None:
        return Finding("RESP-09", expected, got, silence.where, conclusive=silence.proven)
    if end == "RST" and (problem is not None or unknown):
        return judged_by("RESP-13")
    if any(answer.complete and answer.framing == "none" for answer in reading.answers):
        return NotExercised(stated("an answer to {client} has no body whose end could be unknown", client=client))
    return _not_whole(case, client, reading) or Held()


def _is_old(case: Case, client: str) -> bool:
    """Whether this client speaks HTTP/1.0 (RFC 9112 6.1: such a request must not be answered in chunks)."""
    return case.transcript.scenario.sent_by(client).split(b"\r\n", 1)[0].endswith(b" HTTP/1.0")


def _two_lengths(answers: tuple[Answer, ...]) -> Problem | None:
    """Content-Length twice with the same value is clumsy; with two values nobody knows the length."""
    for answer in answers:
        lengths = [value for name, value in answer.fields if name.lower() == b"content-length"]
        if len(set(lengths)) > 1:
            return Problem("duplicate-length", answer.start, b", ".join(lengths), stated("one Content-Length"))
    return None


@oracle("RESP-10")
def head_is_answered_without_a_body(case: Case) -> Ruling:
    """Nothing follows the head of an answer to HEAD, but what follows every answer of this server (RESP-08)."""
    clients = case.transcript.scenario.clients
    others = frozenset(settled(case, name).rest for name in clients if not _asks_head(case, name))
    asked = [_without_a_body(case, name, others) for name in clients if _asks_head(case, name)]
    return of_each(asked or [NotExercised(stated("nobody asked with HEAD"))])


def _without_a_body(case: Case, client: str, others: frozenset[bytes]) -> Ruling:
    """The ruling on one answer to HEAD; `others` is what comes behind the answers to other methods."""
    reading = settled(case, client)
    if not reading.answers or not reading.answers[0].complete:
        return _no_answer_to_head(case, client)
    problem = reading.problem("trailing-bytes")
    if problem is not None and problem.got not in others:
        expected = stated("an answer to HEAD that ends with its empty line")
        return Finding("RESP-10", expected, _extra(client, problem), difference=_behind(case, client, problem))
    if reading.rest:
        return judged_by("RESP-08" if problem is not None else "RESP-23")
    return _not_whole(case, client, reading) or more_may_come(case.transcript, client) or Held()


def _no_answer_to_head(case: Case, client: str) -> NotExercised:
    """Nobody has to support HEAD: who ends the connection without a byte should say so, who says nothing must."""
    transcript = case.transcript
    if transcript.received(client):
        return no_answer(case, client)
    ended = transcript.end(client) is not None and transcript.server_ended is None
    if ended and not passed_before_end(transcript, client):
        return judged_by("RESP-31")
    silence = transcript.silence(client)
    gone = transcript.end(client) is not None or (silence is not None and silence.proven)
    return judged_by("RESP-01") if gone else no_answer(case, client)


@oracle("RESP-14")
def announced_close_is_kept(case: Case) -> Ruling:
    """After an answer that says "Connection: close" the connection ends."""
    return of_each(_closed_as_announced(case, client) for client in case.transcript.scenario.clients)


def _closed_as_announced(case: Case, client: str) -> Ruling:
    reading, silence = settled(case, client), case.transcript.silence(client)
    if (unseen := _not_whole(case, client, reading)) is not None:
        return unseen
    last = reading.answers[-1]
    if not _says_close(last):
        return NotExercised(stated('no answer to {client} says "Connection: close"', client=client), absent=True)
    expected = stated("the end of the connection")
    got = stated('{client}\'s answer says "Connection: close", and the connection stays open', client=client)
    if case.transcript.end(client) is not None:
        late = None if last.framing == "close" else ended_late("RESP-14", case.transcript, client, expected, got)
        return crashed(case.transcript) or late or Held()
    if last.framing == "close":  # and only its end delimits it: another mistake
        return judged_by("RESP-09")
    if silence is None:
        return unproven_silence(client, None)
    return Finding("RESP-14", expected, got, silence.where, conclusive=silence.proven)


def _says_close(answer: Answer) -> bool:
    options = (answer.field("connection") or b"").lower().split(b",")
    return b"close" in (option.strip() for option in options)


@oracle("RESP-23")
def one_request_gets_one_answer(case: Case) -> Ruling:
    """Behind the answer to one request no other answer begins."""
    return of_each(_one_answer(case, client) for client in case.transcript.scenario.clients)


def _one_answer(case: Case, client: str) -> Ruling:
    reading = settled(case, client)
    if not reading.answers:
        return no_answer(case, client)
    first, problem = reading.answers[0], reading.problem("extra-answer") or _hidden_answer(reading.answers)
    if problem is not None:
        second = problem.got.split(b"\n")[0].rstrip(b"\r")
        got = stated(
            "{client}'s request got status {status}, and then {second}",
            client=client,
            status=first.status,
            second=shown(second),
        )
        return Finding("RESP-23", stated("one answer to one request"), got, difference=_behind(case, client, problem))
    if (unseen := _not_whole(case, client, reading)) is not None:
        return unseen
    if reading.answers[-1].framing == "close" and first.status < 400:  # a page about HTTP may hold an answer
        return _ends_with_its_connection(client)
    return more_may_come(case.transcript, client) or Held()


def _hidden_answer(answers: tuple[Answer, ...]) -> Problem | None:
    """An error page that ends with the connection and has another answer in it. A success may be about HTTP."""
    for answer in answers:
        found = _ANSWER_INSIDE.search(answer.body)
        if answer.framing == "close" and answer.status >= 400 and found is not None:
            at = found.start()
            return Problem("extra-answer", answer.head_end + at, answer.body[at:], stated("one answer to one request"))
    return None


def _asks_head(case: Case, client: str) -> bool:
    return _methods(case, client)[:1] == ("HEAD",)


def _methods(case: Case, client: str) -> tuple[str, ...]:
    return http.request_methods(case.transcript.scenario.sent_by(client))


def _extra(client: str, problem: Problem) -> str:
    return stated(
        "{client} got {size} behind the end of the answer: {got}",
        client=client,
        size=size_of(problem.got),
        got=shown(problem.got),
    )


def _behind(case: Case, client: str, problem: Problem) -> Difference:
    received = case.transcript.received(client)
    return Difference(received[: problem.offset], received, problem.offset)


def _over(case: Case, client: str) -> bool:
    """Whether it is a fact that this client gets no more."""
    silence: Silent | None = case.transcript.silence(client)
    return case.transcript.end(client) is not None or (silence is not None and silence.proven)


def _then(case: Case, client: str) -> str:
    end = case.transcript.end(client)
    return stated("then the connection was closed") if end == "FIN" else stated("and then nothing more")


def _where(case: Case, client: str) -> tuple[BlockedTask, ...]:
    silence = case.transcript.silence(client)
    return silence.where if silence is not None else ()
