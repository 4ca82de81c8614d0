"""RESP-01, RESP-30 and RESP-31 on made-up transcripts: what is owed to a complete request, and what was promised."""

from __future__ import annotations

import pytest

from gatecrash.model.blocked import BlockedTask
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Receive, Send, scenario
from gatecrash.model.transcript import Connected, Ended, Event, Got, NotConnected, Sent, ServerEnded, Silent, Transcript
from gatecrash.model.verdicts import Case, Finding
from gatecrash.protocols import protocol_of
from gatecrash.protocols.http import get_request, post_request
from tests.ruling import finding as finding_in

NAMED = Contract.of(
    protocol="http",
    path="/",
    large_path="/large",
    post_path="/echo",
    written=frozenset({"path", "large_path", "post_path"}),
)
FOUND = Contract.of(protocol="http", path="/", large_path="/large", post_path="/echo")
SILENCE = Silent(2, "A", proven=True, still="quiet", where=(BlockedTask(7, 7, "", "blocked", "recvfrom"),))
UNPROVEN = Silent(2, "A", proven=False, still="restless")
CLOSED, RESET = Ended(2, "A", "FIN"), Ended(2, "A", "RST")


def answer(status: str, size: int = 3, *, sent: int | None = None) -> Got:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n".encode()
    return Got(2, "A", head + b"x" * (size if sent is None else sent))


def judged(rule: str, request: bytes, *events: Event, contract: Contract = NAMED) -> Finding | None:
    """The verdict on a lone client that sent this, all of it read by the server, and then saw these events."""
    played = scenario(Connect("A"), Send("A", request), Receive("A"))
    sent = Sent(1, "A", request, True, len(request))
    transcript = Transcript(played, (Connected(0, "A"), sent, *events), sent={"A": request})
    return finding_in(rule, Case(transcript, contract))


PROMISED = protocol_of(NAMED).promised_requests


@pytest.mark.parametrize(
    ("key", "events"),
    [
        pytest.param("path", (answer("200 OK"),), id="the path is answered"),
        pytest.param("path", (answer("302 Found", 0),), id="the path leads elsewhere"),
        pytest.param("large_path", (answer("200 OK", 65537),), id="the large page is large"),
        pytest.param("post_path", (answer("204 No Content", 0),), id="the body is taken"),
        pytest.param("post_path", (answer("422 Unprocessable Content"),), id="the body is not of the right kind"),
        pytest.param("post_path", (answer("303 See Other", 0), RESET), id="an answer, and its connection is reset"),
    ],
)
def test_what_is_promised_and_comes_is_held(key: str, events: tuple[Event, ...]) -> None:
    assert judged("RESP-30", PROMISED[key], *events) is None


@pytest.mark.parametrize(
    ("key", "events", "got"),
    [
        ("path", (SILENCE,), "GET /: A got not a byte"),
        ("path", (answer("404 Not Found"),), "GET /: A got status 404 with 3 bytes of body"),
        ("large_path", (SILENCE,), "GET /large: A got not a byte"),
        ("large_path", (CLOSED,), "GET /large: A got not a byte, then the connection was closed"),
        ("large_path", (answer("200 OK", 65536),), "GET /large: A got status 200 with 65536 bytes of body"),
        ("large_path", (answer("404 Not Found"),), "GET /large: A got status 404 with 3 bytes of body"),
        ("post_path", (SILENCE,), "POST /echo: A got not a byte"),
        ("post_path", (RESET,), "POST /echo: A got not a byte, then the connection was reset"),
        ("post_path", (answer("405 Method Not Allowed"),), "POST /echo: A got status 405 with 3 bytes of body"),
        ("post_path", (answer("501 Not Implemented"),), "POST /echo: A got status 501 with 3 bytes of body"),
    ],
)
def test_what_is_promised_and_does_not_come_is_broken(key: str, events: tuple[Event, ...], got: str) -> None:
    finding = judged("RESP-30", PROMISED[key], *events)
    assert finding is not None
    assert finding.got == got
    assert finding.conclusive
    assert finding.expected.endswith(f", as {key} in the contract promises")
    size = len(PROMISED[key])
    assert finding.evidence[0] == f"the server has read {size} of the request's {size} bytes"


def test_a_head_that_stops_in_the_middle_is_no_answer() -> None:
    finding = judged("RESP-30", PROMISED["post_path"], Got(2, "A", b"HTTP/1.1 200 O"), CLOSED)
    assert finding is not None
    assert finding.got == 'POST /echo: A got 14 bytes: "HTTP/1.1 200 O", then the connection was closed'


def test_an_answer_that_stops_in_the_middle_is_none() -> None:
    finding = judged("RESP-30", PROMISED["large_path"], answer("200 OK", 70000, sent=10), CLOSED)
    assert finding is not None
    assert "then the connection was closed" in finding.got


@pytest.mark.parametrize("rule", ["RESP-01", "RESP-30"])
def test_a_silence_that_nothing_proves_is_inconclusive(rule: str) -> None:
    finding = judged(rule, PROMISED["post_path"], UNPROVEN)
    assert finding is not None
    assert not finding.conclusive


@pytest.mark.parametrize("rule", ["RESP-01", "RESP-30", "RESP-31"])
def test_of_a_client_nobody_waited_for_nothing_is_said(rule: str) -> None:
    assert judged(rule, PROMISED["post_path"]) is None


@pytest.mark.parametrize("rule", ["RESP-30", "RESP-31"])
def test_of_a_client_that_could_not_connect_nothing_is_said(rule: str) -> None:
    request = PROMISED["path"]
    played = scenario(Connect("A"), Send("A", request), Receive("A"))
    refused = Transcript(played, (NotConnected(0, "A", "refused"),))
    assert finding_in(rule, Case(refused, NAMED)) is None


def test_a_path_that_nobody_named_may_be_missing() -> None:
    assert judged("RESP-30", PROMISED["path"], answer("404 Not Found"), contract=FOUND) is None


def test_what_discovery_found_is_still_there() -> None:
    for key, status in (("large_path", "200 OK"), ("post_path", "404 Not Found")):
        assert judged("RESP-30", PROMISED[key], answer(status), contract=FOUND) is not None


def test_what_nobody_named_or_found_is_not_promised() -> None:
    bare = Contract(protocol="http")
    for key in ("large_path", "post_path"):
        assert judged("RESP-30", PROMISED[key], SILENCE, contract=bare) is None


def test_a_post_that_is_never_answered_breaks_the_first_rule() -> None:
    finding = judged("RESP-01", post_request("/"), SILENCE)
    assert finding is not None
    assert finding.got == "POST /: A got not a byte"
    assert finding.evidence == ("the server has read 62 of the request's 62 bytes", *SILENCE.where)
    assert judged("RESP-31", post_request("/"), SILENCE) is None


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "404 Not Found", "405 No", "501 Not Implemented"])
@pytest.mark.parametrize("end", [(), (CLOSED,), (RESET,)], ids=["kept", "closed", "reset"])
def test_any_answer_to_a_post_will_do(status: str, end: tuple[Event, ...]) -> None:
    for rule in ("RESP-01", "RESP-31"):
        assert judged(rule, post_request("/"), answer(status), *end) is None


@pytest.mark.parametrize("end", [CLOSED, RESET], ids=["closed", "reset"])
def test_a_method_dropped_without_a_word_is_a_bad_refusal(end: Ended) -> None:
    for method in (b"POST", b"HEAD", b"GATECRASH"):
        request = get_request("/").replace(b"GET", method, 1)
        finding = judged("RESP-31", request, end)
        assert finding is not None
        assert finding.got.startswith(f"{method.decode()} /: A got not a byte, then")
        assert judged("RESP-01", request, end) is None


def test_a_get_dropped_without_a_word_breaks_the_first_rule() -> None:
    assert judged("RESP-01", get_request("/"), CLOSED) is not None
    assert judged("RESP-31", get_request("/"), CLOSED) is None


def test_a_server_that_ends_with_the_request_has_not_refused_it() -> None:
    assert judged("RESP-01", post_request("/"), CLOSED, ServerEnded(2, 1)) is not None
    assert judged("RESP-31", post_request("/"), CLOSED, ServerEnded(2, 1)) is None
