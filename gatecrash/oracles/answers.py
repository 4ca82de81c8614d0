"""Answers compared with what a lone client gets for the same request."""

from __future__ import annotations

from gatecrash.protocols import http
from gatecrash.protocols.http import Answer, Reading
from gatecrash.text import size_of
from gatecrash.verdicts import Case


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


def same(case: Case, got: Answer, expected: Answer) -> bool:
    """Whether two answers say the same. Error pages often carry a date or a number: of those the status counts."""
    if got.status != expected.status:
        return False
    return got.status >= 300 or not case.contract.stable_body or got.body == expected.body


def turned_away(answer: Answer) -> bool:
    """Whether the server said that it has too much to do (RFC 9110 15.6.4, RFC 6585 4)."""
    return answer.status in (429, 503)


def described(answer: Answer) -> str:
    """An answer in a few words."""
    return f"status {answer.status} with {size_of(answer.body)} of body"
