"""HTTP/1.x as a protocol among others: what is asked, where an answer ends, and what two answers differ in."""

from __future__ import annotations

from typing import ClassVar

from gatecrash.language import marked, stated
from gatecrash.model.verdicts import EVERYTHING, Aspect, Plain
from gatecrash.protocols.base import ApplicationProtocol
from gatecrash.protocols.http.reading import (
    Answer,
    announces_close,
    complete,
    read_answers,
    request_methods,
    split_requests,
)
from gatecrash.protocols.http.requests import LAST, get_request, post_request

#: Fewer fields than a browser sends.
_LINES = 12
#: Methods that ask for no change (RFC 9110 9.2.1).
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class Http(ApplicationProtocol):
    """HTTP/1.x (RFC 9112). An answer is measured by the one that a lone client gets to the same request."""

    spoken: ClassVar[str] = marked("HTTP")
    basic_rules: ClassVar[tuple[str, ...]] = ("ACC-01", "RESP-01")
    has_yardstick: ClassVar[bool] = True

    @property
    def plain_request(self) -> bytes:
        return get_request(self.contract.http.path)

    @property
    def request_with_body(self) -> bytes:
        path = self.contract.http.post_path
        return b"" if path is None else post_request(path)

    @property
    def last_request(self) -> bytes:
        return get_request(self.contract.http.path, extra=LAST)

    @property
    def wordy_request(self) -> bytes:
        fields = b"".join(b"X-Gatecrash-%d: knocks\r\n" % number for number in range(_LINES))
        return get_request(self.contract.http.path, extra=fields)

    @property
    def large_request(self) -> bytes:
        return get_request(self.contract.http.large_path or self.contract.http.path)

    @property
    def promised_requests(self) -> dict[str, bytes]:
        asked = {"path": self.plain_request}
        if self.contract.http.large_path is not None:
            asked["large_path"] = get_request(self.contract.http.large_path)
        if self.contract.http.post_path is not None:
            asked["post_path"] = post_request(self.contract.http.post_path)
        return asked

    @property
    def closes_behind_its_answer(self) -> bool:
        return self.contract.http.closes

    @property
    def keeps_connections(self) -> bool:
        return self.contract.http.persistent

    def complete(self, sent: bytes, received: bytes) -> bool:
        return complete(sent, received)

    def announces_end(self, sent: bytes, received: bytes) -> bool:
        """RFC 9112 9.6."""
        answers = read_answers(received, request_methods(sent), ended=False).answers
        return bool(answers) and announces_close(answers[-1])

    def may_expect(self, sent: bytes) -> bool:
        return bool(sent) and b"".join(split_requests(sent)) == sent

    def lacks_body(self, sent: bytes) -> bool:
        """RFC 9112 2.1: the head ends with an empty line."""
        return not self.may_expect(sent) and b"\r\n\r\n" in sent.lstrip(b"\r\n")

    def served(self, sent: bytes, received: bytes, *, ended: bool, alone: Plain | None, unasked: Plain | None) -> bool:
        if alone is not None and alone.received and not alone.answered:
            # Nobody gets a whole answer: the rules of framing say why.
            return bool(received) if alone.body_changes else len(received) >= len(alone.received)
        if not ended:
            return complete(sent, received)
        reading = read_answers(received, request_methods(sent), ended=True)
        return len(reading.answers) > 0 and all(answer.complete for answer in reading.answers)

    def refuses(self, sent: bytes, received: bytes) -> bool:
        """RFC 9110 15.5, 15.6."""
        return any(one.status >= 400 for one in read_answers(received, request_methods(sent), ended=True).answers)

    def strange(self, client: str, sent: bytes, received: bytes, alone: Plain | None) -> str | None:
        if alone is None or not alone.answered or "status" in alone.varies | alone.moves:
            return None
        expected = _answers(sent, alone)
        got = read_answers(received, request_methods(sent), ended=True).answers
        if not expected or not got or expected[0].status == got[0].status:
            return None
        return stated(
            "{client} got status {status} where a lone client gets {alone}",
            client=client,
            status=got[0].status,
            alone=expected[0].status,
        )

    def single_requests(self, sent: bytes) -> tuple[bytes, ...]:
        return split_requests(sent)

    def is_whole(self, sent: bytes, received: bytes, *, ended: bool) -> bool:
        answers = read_answers(received, request_methods(sent), ended=ended).answers
        return bool(answers) and answers[0].complete

    def changes_nothing(self, sent: bytes) -> bool:
        return _SAFE.issuperset(request_methods(sent))

    def differing(self, sent: bytes, one: Plain, other: Plain) -> frozenset[Aspect]:
        if not (one.answered and other.answered):
            return super().differing(sent, one, other)
        first, second = _answers(sent, one), _answers(sent, other)
        if [answer.status for answer in first] != [answer.status for answer in second]:
            return EVERYTHING
        same = [answer.body for answer in first] == [answer.body for answer in second]
        return frozenset() if same else frozenset({"body"})

    @property
    def habits(self) -> tuple[str, ...]:
        """What its connections were seen to do behind an answer; nothing where that was not seen."""
        if self.contract.http.persistent:
            return (stated("keeps connections"),)
        return (stated("closes the connection behind its answer"),) if self.contract.http.closes else ()


def _answers(sent: bytes, plain: Plain) -> tuple[Answer, ...]:
    """What a lone client got, read as the answers to what it sent."""
    return read_answers(plain.received, request_methods(sent), ended=plain.end is not None).answers
