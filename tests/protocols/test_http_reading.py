"""Reading HTTP answers: what is an answer, where it ends, and what is wrong with it."""

from __future__ import annotations

from itertools import pairwise

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatecrash.model.contract import Contract
from gatecrash.protocols.http import (
    Answer,
    Http,
    Reading,
    announces_close,
    can_persist,
    complete,
    read_answers,
    request_ends,
    request_methods,
)

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
GOOD = HEAD + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n"
UNTIL_CLOSE = HEAD + b"\r\nhello"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\na=1"


def read(received: bytes, *methods: str, ended: bool = True) -> Reading:
    return read_answers(received, methods or ("GET",), ended=ended)


def only_answer(received: bytes, *, method: str = "GET", ended: bool = True) -> Answer:
    reading = read(received, method, ended=ended)
    assert reading.problems == ()
    (answer,) = reading.answers
    return answer


def test_a_body_ends_where_content_length_says() -> None:
    answer = only_answer(GOOD, ended=False)
    assert (answer.body, answer.framing, answer.complete) == (b"hello", "length", True)


def test_a_chunked_body_is_put_together() -> None:
    answer = only_answer(CHUNKED, ended=False)
    assert (answer.body, answer.framing, answer.end) == (b"hello world", "chunked", len(CHUNKED))


def test_trailer_fields_belong_to_a_chunked_body() -> None:
    received = CHUNKED[:-2] + b"X-Sum: 1\r\n\r\n"
    assert only_answer(received).end == len(received)


@pytest.mark.parametrize("ended", [True, False])
def test_a_body_without_a_length_is_complete_only_at_the_end_of_the_connection(ended: bool) -> None:
    answer = only_answer(UNTIL_CLOSE, ended=ended)
    assert (answer.body, answer.framing, answer.complete) == (b"hello", "close", ended)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_some_answers_have_no_body_whatever_the_fields_say(method: str, status: int) -> None:
    head = f"HTTP/1.1 {status} Fine\r\nContent-Length: 5\r\n\r\n".encode()
    answer = only_answer(head, method=method, ended=False)
    assert (answer.body, answer.complete, answer.declared_length) == (b"", True, 5)


def test_interim_answers_are_passed_over() -> None:
    received = b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD
    answer = only_answer(received)
    assert (answer.status, answer.start) == (200, len(received) - len(GOOD))


def test_pipelined_answers_come_one_after_the_other() -> None:
    reading = read(GOOD + CHUNKED + GOOD, "GET", "GET", "GET")
    assert [answer.body for answer in reading.answers] == [b"hello", b"hello world", b"hello"]


def test_offsets_count_from_the_first_byte_received() -> None:
    second = read(GOOD + GOOD, "GET", "GET").answers[1]
    assert (second.start, second.end) == (len(GOOD), 2 * len(GOOD))
    assert (GOOD + GOOD)[second.head_end : second.end] == b"hello"


@pytest.mark.parametrize(
    ("received", "kind", "offset"),
    [
        (b"hello", "status-line", 0),
        (b"HTTP/1.1200 OK\r\nContent-Length: 0\r\n\r\n", "status-line", 0),
        (b"HTTP/1.1 200OK\r\nContent-Length: 0\r\n\r\n", "status-line", 0),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "status-line", 0),
        (GOOD.replace(b"OK\r\n", b"OK\n"), "bare-lf", 15),
        (GOOD.replace(b"\r\n\r\n", b"\r\n\n"), "bare-lf", GOOD.index(b"\r\n\r\n") + 2),
        (GOOD.replace(b"Content-Type:", b"Content-Type"), "field-line", 17),
        (GOOD.replace(b"Content-Type:", b"Content-Type :"), "field-line", 17),
        (GOOD.replace(b"Content-Type", b" folded"), "field-line", 17),
        (HEAD + b"<html></html>", "no-empty-line", len(HEAD)),
        (HEAD + b"Content-Length: 5\r\nhello", "no-empty-line", len(HEAD) + 19),
        (HEAD, "no-empty-line", len(HEAD)),
        (GOOD.replace(b"\r\n\r\n", b"\r\nContent-Length: 6\r\n\r\n"), "duplicate-length", 0),
        (GOOD.replace(b": 5", b": five"), "bad-length", 0),
        (GOOD.replace(b": 5", b": -5"), "bad-length", 0),
        (GOOD[:-1], "body-short", len(GOOD) - 1),
        (GOOD + b"\x00", "trailing-bytes", len(GOOD)),
        (GOOD + GOOD, "extra-answer", len(GOOD)),
        (CHUNKED + b"x", "trailing-bytes", len(CHUNKED)),
        (CHUNKED[:-1], "chunk", len(CHUNKED) - 2),
        (CHUNKED.replace(b"hello", b"hell"), "chunk", CHUNKED.index(b"hello") + 5),
        (CHUNKED.replace(b"5\r\n", b"five\r\n"), "chunk", CHUNKED.index(b"5\r\n")),
        (GOOD.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"), "length-and-chunked", 0),
    ],
)
def test_what_is_wrong_is_named_with_its_place(received: bytes, kind: str, offset: int) -> None:
    problem = read(received).problem(kind)
    assert problem is not None, read(received)
    assert problem.offset == offset


def test_a_body_behind_a_head_answer_is_trailing() -> None:
    assert read(GOOD, "HEAD").problem("trailing-bytes") is not None


def test_bytes_between_two_answers_hide_neither() -> None:
    reading = read(GOOD + b"\x00\x00" + GOOD, "GET", "GET")
    assert [problem.kind for problem in reading.problems] == ["trailing-bytes"]
    assert [answer.body for answer in reading.answers] == [b"hello", b"hello"]


def test_reading_goes_on_behind_a_bare_lf() -> None:
    (answer,) = read(GOOD.replace(b"\r\n", b"\n")).answers
    assert (answer.status, answer.body, answer.field("CONTENT-TYPE")) == (200, b"hello", b"text/plain")


@pytest.mark.parametrize("received", [GOOD, CHUNKED, UNTIL_CLOSE])
def test_a_beginning_of_a_good_answer_is_not_wrong_but_unfinished(received: bytes) -> None:
    for size in range(len(received)):
        reading = read(received[:size], ended=False)
        assert reading.problems == (), received[:size]
        assert not any(answer.complete for answer in reading.answers)


@settings(max_examples=60, database=None, deadline=None, derandomize=True)
@given(st.binary(max_size=60), st.integers(0, len(GOOD)), st.booleans())
def test_no_bytes_at_all_make_reading_fail(noise: bytes, at: int, ended: bool) -> None:
    received = GOOD[:at] + noise + GOOD[at:]
    for answer in read(received, "GET", "HEAD", "GET", ended=ended).answers:
        assert 0 <= answer.start <= answer.head_end <= answer.end <= len(received)


@settings(max_examples=40, database=None, deadline=None, derandomize=True)
@given(st.binary(max_size=40), st.lists(st.integers(1, 40), max_size=4), st.booleans())
def test_what_h11_writes_is_read_without_a_problem(body: bytes, cuts: list[int], chunked: bool) -> None:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(GET)
    while connection.next_event() is not h11.PAUSED and connection.their_state is not h11.DONE:
        pass
    framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))
    written = connection.send(h11.Response(status_code=200, reason="OK", headers=[framing])) or b""
    edges = [0, *sorted(cuts), len(body)] if not cuts or max(cuts) <= len(body) else [0, len(body)]
    for start, end in pairwise(edges):
        written += connection.send(h11.Data(data=body[start:end])) or b""
    written += connection.send(h11.EndOfMessage()) or b""
    answer = only_answer(written, ended=False)
    assert (answer.body, answer.end) == (body, len(written))


def test_requests_are_counted_when_their_bodies_are_complete() -> None:
    sent = GET + POST + GET
    assert request_methods(sent) == ("GET", "POST", "GET")
    assert request_ends(sent) == (len(GET), len(GET + POST), len(sent))
    assert request_methods(GET + POST[:-1]) == ("GET",)


def test_a_body_that_looks_like_a_request_is_none() -> None:
    body = b"GET /x HTTP/1.1\r\n\r\n"
    sent = f"POST / HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    assert request_methods(sent) == ("POST",)


def test_a_chunked_request_ends_with_its_last_chunk() -> None:
    sent = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n0\r\n\r\n"
    assert request_ends(sent + GET) == (len(sent), len(sent + GET))


def test_empty_lines_before_a_request_are_nothing() -> None:
    assert request_methods(b"\r\n\r\n" + GET) == ("GET",)


@pytest.mark.parametrize(
    ("sent", "received", "is_complete"),
    [
        (GET, GOOD, True),
        (GET, GOOD[:-1], False),
        (GET, UNTIL_CLOSE, False),
        (GET + GET, GOOD, False),
        (GET + GET, GOOD + GOOD, True),
        (GET[:-1], b"", False),
        (GET, b"", False),
    ],
)
def test_a_client_has_its_whole_answer_when_every_request_has(sent: bytes, received: bytes, is_complete: bool) -> None:
    assert complete(sent, received) is is_complete


@pytest.mark.parametrize(
    ("received", "closes", "persists"),
    [
        (GOOD, False, True),
        (GOOD.replace(b"\r\n\r\n", b"\r\nConnection: Keep-Alive, Close\r\n\r\n"), True, False),
        (GOOD.replace(b"1.1", b"1.0"), True, False),
        (GOOD.replace(b"1.1", b"1.0").replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"), False, True),
        (UNTIL_CLOSE, False, False),
    ],
)
def test_an_answer_tells_whether_the_connection_stays(received: bytes, closes: bool, persists: bool) -> None:
    answer = only_answer(received)
    assert (announces_close(answer), can_persist(answer)) == (closes, persists)


@pytest.mark.parametrize(
    ("status", "refused"), [("204 No Content", False), ("304 Not Modified", False), ("405 No", True)]
)
def test_an_answer_that_says_error_refuses(status: str, refused: bool) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    assert Http(Contract(protocol="http")).refuses(GET, answer) is refused
    assert not Http(Contract(protocol="http")).refuses(GET, b"")


@pytest.mark.parametrize(
    ("sent", "lacks"), [(b"", False), (POST[:20], False), (POST[:-1], True), (b"\r\n" + POST[:-3], True), (POST, False)]
)
def test_a_request_may_lack_its_body_alone(sent: bytes, lacks: bool) -> None:
    assert Http(Contract(protocol="http")).lacks_body(sent) is lacks
