"""HTTP requests: the good ones are good, the large ones exact, the bad ones bad and ended."""

from __future__ import annotations

import h11
import pytest
from hypothesis import find, given, settings

from gatecrash.errors import UsageError
from gatecrash.protocols.http import request_ends, request_methods
from strategies import http_requests, large_requests, malformed_requests
from strategies.requests import METHODS, NO_TEXT, filled_request

QUIET = settings(max_examples=100, database=None, deadline=None, derandomize=True)


def read_strictly(request: bytes) -> tuple[h11.Request, bytes]:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=100_000)
    connection.receive_data(request)
    head, body = connection.next_event(), b""
    assert isinstance(head, h11.Request)
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data)
        body += event.data
    return head, body


@settings(QUIET, max_examples=40)
@given(http_requests(path="/there?q=1", methods=METHODS))
def test_every_request_is_well_formed_and_complete(request: bytes) -> None:
    head, body = read_strictly(request)
    assert head.target == b"/there?q=1"
    assert request_methods(request) == (head.method.decode(),)
    assert request_ends(request) == (len(request),)
    assert request.endswith(b"\r\n\r\n" + body)


def test_the_simplest_request_has_only_a_host() -> None:
    assert find(http_requests(), lambda _: True, settings=QUIET) == b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_a_table_of_three_header_lines_is_found_with_four() -> None:
    smallest = find(http_requests(), lambda request: request.count(b"\r\n") - 2 > 3, settings=QUIET)
    assert smallest.count(b"\r\n") - 2 == 4


def test_a_body_that_looks_like_a_request_is_found() -> None:
    smallest = find(http_requests(methods=["POST"]), lambda request: request.count(b"HTTP/1.1") == 2, settings=QUIET)
    assert request_methods(smallest) == ("POST",)


@settings(QUIET, max_examples=40)
@given(large_requests(path="/x"))
def test_large_requests_are_well_formed_and_of_a_telling_size(request: bytes) -> None:
    head, _ = read_strictly(request)
    assert head.target.startswith(b"/x")
    assert any(abs(len(request) - (1024 << n)) <= 1 for n in range(7))


@pytest.mark.parametrize("place", ["field", "target", "fields"])
def test_a_filled_request_is_exactly_as_long_as_asked(place: str) -> None:
    for size in range(200, 240):
        assert len(filled_request("/", "localhost", size, place)) == size


def test_a_buffer_of_4096_bytes_is_found_at_its_edge() -> None:
    smallest = find(large_requests(), lambda request: len(request) >= 4096, settings=QUIET)
    assert len(smallest) == 4096


@settings(QUIET, max_examples=40)
@given(malformed_requests())
def test_malformed_requests_are_ended_and_no_strict_server_takes_them(request: bytes) -> None:
    assert request.endswith(b"\r\n\r\n")
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=100_000)
    connection.receive_data(request)
    with pytest.raises(h11.RemoteProtocolError):
        connection.next_event()


def test_a_request_line_of_one_word_is_found() -> None:
    assert find(malformed_requests(), lambda request: b" " not in request, settings=QUIET) == b"GET\r\n\r\n"


def test_a_long_target_shrinks_to_the_first_size_that_overflows() -> None:
    smallest = find(malformed_requests(), lambda request: len(request) > 1024, settings=QUIET)
    assert len(smallest) < 1100


@pytest.mark.parametrize(
    ("options", "message"), [({"methods": ["BREW"]}, "unknown 'BREW'"), ({"max_fields": -1}, "-1")]
)
def test_options_that_mean_nothing_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        http_requests(**options)  # type: ignore[arg-type]  # the mistake is the point


def test_what_is_no_text_cannot_be_decoded() -> None:
    for request in NO_TEXT:
        assert request.endswith(b"\r\n\r\n")
        with pytest.raises(UnicodeDecodeError):
            request.decode()
