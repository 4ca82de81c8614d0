"""HTTP/1.x on the wire: reads what a server sent, and says where it is not as RFC 9112 wants it.

Reading is lenient, as real clients are: a bare LF, a bad field line or a second Content-Length is a
`Problem` with its offset, and reading goes on. Nothing here knows about time: `ended` says that no more
bytes will ever come.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from gatecrash.language import marked, stated
from gatecrash.protocols.http.chunks import read_chunks
from gatecrash.protocols.http.head import Head, Problem, read_head

Framing = Literal["length", "chunked", "close", "none"]

_ANSWER_START = re.compile(rb"HTTP/\d")
_NOTHING = marked("nothing behind the end of the answer")
_BODILESS_STATUSES = frozenset({204, 304})
_REMEMBERED_SIZE = 1 << 16  # bytes: what is read of larger streams is not kept


@dataclass(frozen=True)
class Answer:
    """One final answer. Offsets in what was received: `start`, `head_end` (its body begins there), `end`."""

    version: str
    status: int
    reason: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    framing: Framing
    complete: bool
    head_end: int
    start: int
    end: int

    def field(self, name: str) -> bytes | None:
        """The first value of the field `name`, in whatever case it was written; None when there is none."""
        wanted = name.lower().encode()
        return next((value for key, value in self.fields if key.lower() == wanted), None)

    @property
    def declared_length(self) -> int | None:
        """The bytes of body that Content-Length promises; None when there is no usable Content-Length."""
        return _length(self.fields)


@dataclass(frozen=True)
class Reading:
    """What a server's bytes hold: its answers, what is wrong with them, and the bytes behind the last one."""

    answers: tuple[Answer, ...]
    problems: tuple[Problem, ...]
    rest: bytes

    def problem(self, *kinds: str) -> Problem | None:
        """The first problem of one of these kinds."""
        return next((p for p in self.problems if p.kind in kinds), None)


def read_answers(received: bytes, methods: Sequence[str], *, ended: bool) -> Reading:
    """The final answers to requests with these methods, in order; interim (1xx) answers are passed over.

    `ended` says that no more will come: what is cut off is a problem then ("no-empty-line", "body-short",
    "chunk"). Bytes behind the last answer are "trailing-bytes", or "extra-answer" when they begin another
    one.
    """
    read = _read if len(received) > _REMEMBERED_SIZE else _read_before
    return read(received, tuple(methods), ended)


def _read(received: bytes, methods: tuple[str, ...], ended: bool) -> Reading:
    reader = _Reader(received, ended)
    for method in methods:
        if not reader.read_final_answer(method):
            break
    rest = reader.take_rest()
    return Reading(tuple(reader.answers), tuple(sorted(reader.problems, key=lambda p: p.offset)), rest)


#: A server gives the same few answers thousands of times, and each is read by the client and by several oracles.
_read_before = lru_cache(maxsize=128)(_read)


class _Reader:
    """Reads answer after answer from one connection's bytes."""

    def __init__(self, received: bytes, ended: bool) -> None:
        self.received = received
        self.ended = ended
        self.position = 0
        self.answers: list[Answer] = []
        self.problems: list[Problem] = []

    def read_final_answer(self, method: str) -> bool:
        """Reads one answer that is not interim; False when there is none or its end did not come."""
        while self._at_an_answer():
            head = read_head(self.received, self.position, ended=self.ended)
            self.problems.extend(head.problems)
            if head.status // 100 == 1 and head.complete and head.status != 101:
                self.position = head.end
                continue
            answer = self._with_body(head, method)
            self.answers.append(answer)
            self.position = answer.end
            return answer.complete
        return False

    def take_rest(self) -> bytes:
        """The bytes that belong to no answer; they are a problem unless an answer is still under way."""
        rest = self.received[self.position :]
        under_way = bool(self.answers) and not self.answers[-1].complete
        named = any(problem.offset == self.position for problem in self.problems)
        if rest and not (under_way or named or self._may_begin_an_answer(rest)):
            another = _ANSWER_START.match(rest) is not None
            kind = "extra-answer" if another else "trailing-bytes"
            self.problems.append(Problem(kind, self.position, rest, stated(_NOTHING)))
        return rest

    def _at_an_answer(self) -> bool:
        """Moves to the next "HTTP/"; what lies before it is a problem, unless it may still become one."""
        if _ANSWER_START.match(self.received, self.position):
            return True
        rest = self.received[self.position :]
        if not rest or self._may_begin_an_answer(rest):
            return False
        kind = "trailing-bytes" if self.answers else "status-line"
        expected = stated(_NOTHING) if self.answers else stated("a status line like HTTP/1.1 200 OK")
        found = _ANSWER_START.search(rest)
        stray = rest[: found.start()] if found else rest
        self.problems.append(Problem(kind, self.position, stray, expected))
        if found:
            self.position += found.start()
        return found is not None

    def _may_begin_an_answer(self, rest: bytes) -> bool:
        return not self.ended and len(rest) < 6 and b"HTTP/".startswith(rest)

    def _with_body(self, head: Head, method: str) -> Answer:
        framing: Framing = "none"
        body, end, complete = b"", head.end, head.complete
        if head.complete:
            framing = self._framing(head, method)
            body, end, complete = self._body(head, framing)
        return Answer(
            version=head.version,
            status=head.status,
            reason=head.reason,
            fields=head.fields,
            body=body,
            framing=framing,
            complete=complete,
            head_end=head.end,
            start=head.start,
            end=end,
        )

    def _framing(self, head: Head, method: str) -> Framing:
        """How the end of the body is found: RFC 9112, section 6.3."""
        lengths = [value for name, value in head.fields if name.lower() == b"content-length"]
        length = _length(head.fields)
        if len(lengths) > 1:
            got = b", ".join(lengths)
            self.problems.append(Problem("duplicate-length", head.start, got, stated("one Content-Length")))
        elif lengths and length is None:
            self.problems.append(
                Problem("bad-length", head.start, lengths[0], stated("a Content-Length of decimal digits"))
            )
        if method == "HEAD" or head.status in _BODILESS_STATUSES or head.status // 100 == 1:
            return "none"
        coding = _last(head.fields, b"transfer-encoding")
        if coding is not None:
            if lengths:
                expected = stated("Content-Length or Transfer-Encoding, not both")
                self.problems.append(Problem("length-and-chunked", head.start, lengths[0], expected))
            return "chunked" if coding.lower().split(b",")[-1].strip() == b"chunked" else "close"
        return "close" if length is None else "length"

    def _body(self, head: Head, framing: Framing) -> tuple[bytes, int, bool]:
        """The body, the offset behind it, and whether all of it came."""
        if framing == "none":
            return b"", head.end, True
        if framing == "close":
            return self.received[head.end :], len(self.received), self.ended
        if framing == "chunked":
            chunks = read_chunks(self.received, head.end)
            if chunks.problem is not None and (self.ended or not chunks.cut_off):
                self.problems.append(chunks.problem)
            return chunks.body, chunks.end, chunks.complete
        length = _length(head.fields) or 0
        body = self.received[head.end : head.end + length]
        if len(body) < length and self.ended:
            expected = stated(
                "{length} bytes of body, as Content-Length says; {count} came", length=length, count=len(body)
            )
            self.problems.append(Problem("body-short", len(self.received), body[-40:], expected))
        return body, head.end + len(body), len(body) == length


class _Request(NamedTuple):
    method: str
    end: int


@lru_cache(maxsize=256)  # asked again for every piece of an answer, about the same few requests
def _complete_requests(sent: bytes) -> tuple[_Request, ...]:
    """The complete requests in `sent`. Empty lines before a request are nothing (RFC 9112, section 2.2)."""
    requests: list[_Request] = []
    position = 0
    while True:
        while sent.startswith(b"\r\n", position):
            position += 2
        head_end = sent.find(b"\r\n\r\n", position)
        if head_end < 0:
            return tuple(requests)
        head, end = sent[position:head_end], head_end + 4
        end_of_body = _request_body_end(sent, end, _request_fields(head))
        if end_of_body is None:
            return tuple(requests)
        requests.append(_Request(head.split(b"\r\n")[0].split(b" ")[0].decode("latin-1"), end_of_body))
        position = end_of_body


def _request_fields(head: bytes) -> tuple[tuple[bytes, bytes], ...]:
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return tuple((name, value.strip(b" \t")) for name, colon, value in pairs if colon)


def _request_body_end(sent: bytes, body_start: int, fields: tuple[tuple[bytes, bytes], ...]) -> int | None:
    coding = _last(fields, b"transfer-encoding")
    if coding is not None and coding.lower().endswith(b"chunked"):
        chunks = read_chunks(sent, body_start)
        return chunks.end if chunks.complete else None
    end = body_start + (_length(fields) or 0)
    return end if end <= len(sent) else None


def request_methods(sent: bytes) -> tuple[str, ...]:
    """The methods of the complete requests in `sent`, bodies counted by Content-Length or chunks."""
    return tuple(request.method for request in _complete_requests(sent))


def request_ends(sent: bytes) -> tuple[int, ...]:
    """The offsets just behind each complete request in `sent`."""
    return tuple(request.end for request in _complete_requests(sent))


def split_requests(sent: bytes) -> tuple[bytes, ...]:
    """The complete requests in `sent`, one by one, each with its body."""
    return tuple(sent[start:end] for start, end in pairwise((0, *request_ends(sent))))


def complete(sent: bytes, received: bytes) -> bool:
    """True when every complete request in `sent` has its whole answer.

    An answer that ends with the connection is never whole before that, and while no request is complete no
    answer is owed: both are for the end of the connection, or for silence, to decide.
    """
    methods = request_methods(sent)
    if not methods:
        return False
    reading = read_answers(received, methods, ended=False)
    return len(reading.answers) == len(methods) and all(answer.complete for answer in reading.answers)


def announces_close(answer: Answer) -> bool:
    """True when the server says that it closes after this answer (RFC 9112, section 9.3)."""
    options = _connection_options(answer)
    return b"close" in options or (answer.version == "1.0" and b"keep-alive" not in options)


def can_persist(answer: Answer) -> bool:
    """True when another request may follow: the answer's end is marked, and no close is announced."""
    return answer.framing != "close" and not announces_close(answer)


def _connection_options(answer: Answer) -> frozenset[bytes]:
    values = (value for name, value in answer.fields if name.lower() == b"connection")
    return frozenset(option.strip().lower() for value in values for option in value.split(b","))


def _last(fields: tuple[tuple[bytes, bytes], ...], name: bytes) -> bytes | None:
    return next((value for key, value in reversed(fields) if key.lower() == name), None)


def _length(fields: tuple[tuple[bytes, bytes], ...]) -> int | None:
    """The first Content-Length that is one; more than 18 digits are no length anybody means."""
    values = (value for name, value in fields if name.lower() == b"content-length")
    return next((int(v) for v in values if v.isdigit() and len(v) <= 18), None)
