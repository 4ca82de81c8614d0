"""How an answer is written: its status line, its header section, and where it ends.

Each of these rules judges one thing that `gatecrash.protocols.http` finds wrong, in the answer to any request.
"""

from __future__ import annotations

import re

from gatecrash.language import stated
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import difference, settled
from gatecrash.protocols import http
from gatecrash.protocols.head import Problem
from gatecrash.protocols.http import Answer
from gatecrash.text import shown, size_of
from gatecrash.transcript import Silent
from gatecrash.verdicts import Case, Difference, Finding

_LOOSE_STATUS_LINE = re.compile(rb"\D*?(\d\.\d)?[^\d]*?(\d{3})[ \t]*(.*)", re.DOTALL)
#: The beginning of another answer inside what a connection's end delimits.
_ANSWER_INSIDE = re.compile(rb"HTTP/1\.[01] \d{3} [^\r\n]*\r?\n[A-Za-z-]+:")


@oracle("RESP-04")
def status_line_is_well_formed(case: Case) -> Finding | None:
    """Every answer begins with a status line after the grammar."""
    for client in case.transcript.scenario.clients:
        problem = settled(case, client).problem("status-line")
        if problem is not None:
            line = problem.got.rstrip(b"\r\n")
            got = stated("{client}'s answer begins with {line}", client=client, line=shown(line))
            return Finding("RESP-04", problem.expected, got, difference=difference(_status_line_like(line), line))
    return None


def _status_line_like(line: bytes) -> bytes:
    """The status line that was probably meant."""
    match = _LOOSE_STATUS_LINE.fullmatch(line)
    if match is None or not line.startswith(b"HTTP"):
        return b"HTTP/1.1 200 OK"
    return b"HTTP/%s %s %s" % (match[1] or b"1.1", match[2], match[3])


@oracle("RESP-05")
def header_lines_end_with_crlf(case: Case) -> Finding | None:
    """No line of an answer's head ends with a line feed alone."""
    for client in case.transcript.scenario.clients:
        problem = settled(case, client).problem("bare-lf")
        if problem is not None:
            received = case.transcript.received(client)
            head = received[: problem.offset]
            got = stated(
                "the line {got} of {client}'s answer ends with a line feed alone", got=shown(problem.got), client=client
            )
            parted = Difference(head + b"\r\n", received[: problem.offset + 40], problem.offset)
            return Finding("RESP-05", problem.expected, got, difference=parted)
    return None


@oracle("RESP-06")
def header_section_is_well_formed(case: Case) -> Finding | None:
    """Each line of the header section is a field, and an empty line ends it."""
    for client in case.transcript.scenario.clients:
        problem = settled(case, client).problem("field-line", "no-empty-line")
        if problem is None or case.transcript.end(client) == "RST":
            continue
        got = stated(
            "{client}'s answer has {got} at byte {offset}", client=client, got=shown(problem.got), offset=problem.offset
        )
        if problem.kind == "field-line":
            return Finding("RESP-06", problem.expected, got, difference=_field_line(case, client, problem))
        received = case.transcript.received(client)
        missing = received[: problem.offset] + b"\r\n" + received[problem.offset :]
        parted = Difference(missing, received, problem.offset)
        return Finding("RESP-06", problem.expected, got, difference=parted, conclusive=_over(case, client))
    return None


def _field_line(case: Case, client: str, problem: Problem) -> Difference | None:
    """A line without a colon lacks one at its end; in one with a colon the name is wrong."""
    before = case.transcript.received(client)[: problem.offset]
    name, colon, value = problem.got.partition(b":")
    meant = re.sub(rb"[^!#$%&'*+\-.^_`|~0-9A-Za-z]+", b"", name) + b":" + (value if colon else b"")
    return difference(before + meant, before + problem.got)


@oracle("RESP-07")
def body_is_as_long_as_announced(case: Case) -> Finding | None:
    """As many bytes of body as Content-Length says come before the end, or before silence."""
    for client in case.transcript.scenario.clients:
        problem = settled(case, client).problem("body-short")
        if problem is None or case.transcript.end(client) == "RST":
            continue
        evidence = _where(case, client)
        got = stated(
            "{client} got the head of an answer, and a shorter body: {then}", client=client, then=_then(case, client)
        )
        return Finding("RESP-07", problem.expected, got, evidence, conclusive=_over(case, client))
    return None


@oracle("RESP-08")
def nothing_follows_the_answer(case: Case) -> Finding | None:
    """Behind the end of an answer nothing comes. HEAD is RESP-10's affair, a second answer RESP-23's."""
    for client in case.transcript.scenario.clients:
        if "HEAD" in _methods(case, client):
            continue
        reading = settled(case, client)
        problem = reading.problem("trailing-bytes")
        if problem is not None and reading.answers:
            parted = _behind(case, client, problem)
            return Finding("RESP-08", problem.expected, _extra(client, problem), difference=parted)
    return None


@oracle("RESP-09")
def end_of_answer_is_known(case: Case) -> Finding | None:
    """An answer has one usable length, or chunks that end, or the end of the connection behind it."""
    for client in case.transcript.scenario.clients:
        reading = settled(case, client)
        problem = reading.problem("bad-length", "length-and-chunked", "chunk") or _two_lengths(reading.answers)
        if problem is not None and case.transcript.end(client) != "RST":
            got = stated("{client}'s answer has {got}", client=client, got=shown(problem.got))
            return Finding("RESP-09", problem.expected, got, conclusive=_over(case, client))
        silence = case.transcript.silence(client)
        unknown = [answer for answer in reading.answers if answer.framing == "close"]
        if unknown and silence is not None and case.transcript.end(client) is None:
            expected = stated("a Content-Length, chunks, or the end of the connection")
            got = stated(
                "{client} got an answer with neither length nor chunks, and the connection stays open", client=client
            )
            return Finding("RESP-09", expected, got, silence.where, conclusive=silence.proven)
    return None


def _two_lengths(answers: tuple[Answer, ...]) -> Problem | None:
    """Content-Length twice with the same value is clumsy; with two values nobody knows the length."""
    for answer in answers:
        lengths = [value for name, value in answer.fields if name.lower() == b"content-length"]
        if len(set(lengths)) > 1:
            return Problem("duplicate-length", answer.start, b", ".join(lengths), stated("one Content-Length"))
    return None


@oracle("RESP-10")
def head_is_answered_without_a_body(case: Case) -> Finding | None:
    """Nothing follows the head of an answer to HEAD, but what follows every answer of this server (RESP-08)."""
    others = {settled(case, name).rest for name in case.transcript.scenario.clients if not _asks_head(case, name)}
    for client in case.transcript.scenario.clients:
        reading = settled(case, client)
        problem = reading.problem("trailing-bytes")
        if not _asks_head(case, client) or not reading.answers or problem is None or problem.got in others:
            continue
        expected = stated("an answer to HEAD that ends with its empty line")
        return Finding("RESP-10", expected, _extra(client, problem), difference=_behind(case, client, problem))
    return None


@oracle("RESP-14")
def announced_close_is_kept(case: Case) -> Finding | None:
    """After an answer that says "Connection: close" the connection ends."""
    for client in case.transcript.scenario.clients:
        answers, silence = settled(case, client).answers, case.transcript.silence(client)
        if not answers or silence is None or case.transcript.end(client) is not None:
            continue
        # One that only its end delimits, or that never came whole, has another mistake: RESP-09, RESP-07.
        last = answers[-1]
        if last.complete and last.framing != "close" and _says_close(last):
            got = stated('{client}\'s answer says "Connection: close", and the connection stays open', client=client)
            return Finding(
                "RESP-14", stated("the end of the connection"), got, silence.where, conclusive=silence.proven
            )
    return None


def _says_close(answer: Answer) -> bool:
    options = (answer.field("connection") or b"").lower().split(b",")
    return b"close" in (option.strip() for option in options)


@oracle("RESP-23")
def one_request_gets_one_answer(case: Case) -> Finding | None:
    """Behind the answer to one request no other answer begins."""
    for client in case.transcript.scenario.clients:
        reading = settled(case, client)
        problem = reading.problem("extra-answer") or _hidden_answer(reading.answers)
        if problem is None or not reading.answers:
            continue
        second = problem.got.split(b"\n")[0].rstrip(b"\r")
        got = stated(
            "{client}'s request got status {status}, and then {second}",
            client=client,
            status=reading.answers[0].status,
            second=shown(second),
        )
        return Finding("RESP-23", stated("one answer to one request"), got, difference=_behind(case, client, problem))
    return None


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


def _where(case: Case, client: str) -> tuple[str, ...]:
    silence = case.transcript.silence(client)
    return silence.where if silence is not None else ()
