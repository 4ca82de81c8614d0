"""The rules of how an answer is written, on transcripts made by hand."""

from __future__ import annotations

import pytest

from gatecrash.model.transcript import ServerEnded
from gatecrash.model.verdicts import Finding, NotExercised
from tests.oracles.answering import (
    CLOSES,
    FIN,
    GET,
    HEAD,
    OK,
    RST,
    SILENCE,
    UNPROVEN,
    answer,
    asks,
    flat,
    gets,
    here,
    kind,
    looks,
    ruling,
    says,
)
from tests.sequences import Part

RULES = ("RESP-04", "RESP-05", "RESP-06", "RESP-07", "RESP-08", "RESP-09", "RESP-14", "RESP-23")
BEHIND = ("RESP-08", "RESP-23")  # judge what may come behind an answer
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\nok"
REFUSED = answer(status="501 Not Implemented")
QUIET = looks()


@pytest.mark.parametrize("rule", [*RULES, "RESP-10"])
@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([], id="nothing"),
        pytest.param([here()], id="a connection"),
        pytest.param([here(), says(GET), looks()], id="nobody who reads"),
        pytest.param(asks(GET, SILENCE), id="silence"),
        pytest.param(asks(GET, FIN), id="an end"),
        pytest.param(asks(GET, b"HTTP/1.1 20"), id="half a status line, and nobody who waits"),
        pytest.param([here("B"), *asks(GET, UNPROVEN)], id="a silence that proves nothing"),
    ],
)
def test_without_an_answer_nothing_is_said_of_how_it_is_written(rule: str, parts: list[Part]) -> None:
    assert kind(ruling(rule, *parts)).startswith("unseen")


@pytest.mark.parametrize("rule", ["RESP-04", "RESP-05", "RESP-06", "RESP-07", "RESP-09"])
def test_a_whole_answer_holds_what_is_judged_by_its_bytes_alone(rule: str) -> None:
    assert kind(ruling(rule, *asks(GET, OK))) == "held"


@pytest.mark.parametrize("rule", ["RESP-04", "RESP-05", "RESP-06"])
def test_the_head_of_an_answer_cut_in_its_body_was_seen(rule: str) -> None:
    assert kind(ruling(rule, *asks(GET, answer(length=9), FIN))) == "held"


@pytest.mark.parametrize(
    ("rule", "came"),
    [
        ("RESP-04", OK.replace(b" 200 OK", b"200 OK")),
        ("RESP-05", OK.replace(b"\r\n", b"\n")),
        ("RESP-06", OK.replace(b"Content-Length:", b"Content-Length :")),
        ("RESP-07", answer(length=9)),
        ("RESP-08", OK + b"\0"),
        ("RESP-09", OK.replace(b"Length: 2", b"Length: two")),
        ("RESP-23", OK + OK),
    ],
)
def test_what_is_written_wrong_is_found(rule: str, came: bytes) -> None:
    assert kind(ruling(rule, *asks(GET, came, FIN))) == "broken"


def test_a_client_of_the_old_version_is_sent_no_chunks() -> None:
    old = GET.replace(b"1.1", b"1.0")
    assert kind(ruling("RESP-09", *asks(old, CHUNKED, FIN))) == "broken"
    assert kind(ruling("RESP-09", *asks(old, OK, FIN))) == "held"
    assert kind(ruling("RESP-09", *asks(GET, CHUNKED, FIN))) == "held"


def test_half_a_status_line_is_only_wrong_when_no_more_of_it_comes() -> None:
    assert kind(ruling("RESP-04", *asks(GET, b"HTTP/1.1 20", UNPROVEN))) == "broken unproven"
    assert kind(ruling("RESP-04", *asks(GET, b"HTTP/1.1 20", SILENCE))) == "broken"
    assert kind(ruling("RESP-04", *asks(GET, b"Hello", UNPROVEN))) == "broken"


@pytest.mark.parametrize(("rule", "came"), [("RESP-06", OK[:-6]), ("RESP-07", answer(length=9))])
def test_what_stops_is_only_cut_off_when_that_is_proven(rule: str, came: bytes) -> None:
    assert kind(ruling(rule, *asks(GET, came, SILENCE))) == "broken"
    assert kind(ruling(rule, *asks(GET, came, UNPROVEN))) == "broken unproven"
    assert kind(ruling(rule, *asks(GET, came, RST))) == "unseen"
    assert kind(ruling(rule, *asks(GET, came))) == "unseen"


@pytest.mark.parametrize("rule", ["RESP-05", "RESP-07", "RESP-08", "RESP-09", "RESP-14", "RESP-23"])
def test_where_the_empty_line_is_missing_only_that_is_judged(rule: str) -> None:
    came = answer(b"<p>ok</p>", fields=b"Connection: close\r\n").replace(b"\r\n\r\n", b"\r\n")
    assert ruling(rule, *asks(GET, came, FIN)) == NotExercised("what was seen here is for RESP-06 to judge")
    assert kind(ruling("RESP-04", *asks(GET, came, FIN))) == "held"


def test_a_body_without_a_length_cannot_be_too_short() -> None:
    for request, came in ((GET, CHUNKED), (GET, ENDLESS), (HEAD, OK[:-2])):
        assert kind(ruling("RESP-07", *asks(request, came, FIN))) == "unseen"


@pytest.mark.parametrize("rule", BEHIND)
@pytest.mark.parametrize("came", [OK, CHUNKED, REFUSED], ids=["length", "chunks", "refused"])
def test_nothing_is_behind_an_answer_when_its_connection_ended_or_the_server_was_still(rule: str, came: bytes) -> None:
    assert kind(ruling(rule, *asks(GET, came, FIN))) == "held"
    assert kind(ruling(rule, *asks(GET, came, SILENCE))) == "held"
    assert kind(ruling(rule, *asks(GET, came), QUIET)) == "held"


@pytest.mark.parametrize("rule", [*BEHIND, "RESP-10"])
def test_what_may_still_come_is_not_said_not_to(rule: str) -> None:
    request, came = (HEAD, OK[:-2]) if rule == "RESP-10" else (GET, OK)
    assert kind(ruling(rule, *asks(request, came))) == "unseen unproven"
    assert kind(ruling(rule, *asks(request, came), looks(still="restless"))) == "unseen unproven"
    assert kind(ruling(rule, *asks(request, came), looks(still="resting"))) == "unseen unproven"
    assert kind(ruling(rule, *asks(request, came, UNPROVEN))) == "unseen unproven"
    assert kind(ruling(rule, here(), looks(), says(request), gets(came))) == "unseen unproven"


@pytest.mark.parametrize("rule", BEHIND)
def test_what_only_its_connection_ends_has_nothing_behind_it(rule: str) -> None:
    assert kind(ruling(rule, *asks(GET, ENDLESS, FIN))) == "unseen"


def test_an_error_page_with_another_answer_in_it_is_two_answers() -> None:
    page = b"HTTP/1.1 404 Not Found\r\n\r\nno"
    assert kind(ruling("RESP-23", *asks(GET, page, FIN))) == "held"
    assert kind(ruling("RESP-23", *asks(GET, page + OK, FIN))) == "broken"


def test_what_follows_an_answer_is_judged_by_one_rule() -> None:
    assert ruling("RESP-08", *asks(GET, OK + OK, FIN)) == NotExercised("what was seen here is for RESP-23 to judge")
    assert ruling("RESP-08", *asks(HEAD, OK, FIN)) == NotExercised("what was seen here is for RESP-10 to judge")


def test_the_end_of_an_answer_is_known_by_its_length_its_chunks_or_its_connection() -> None:
    for came in (OK, CHUNKED):
        assert kind(ruling("RESP-09", *asks(GET, came))) == "held"
    assert kind(ruling("RESP-09", *asks(GET, ENDLESS, FIN))) == "held"
    assert kind(ruling("RESP-09", *asks(GET, ENDLESS, SILENCE))) == "broken"
    assert kind(ruling("RESP-09", *asks(GET, ENDLESS, UNPROVEN))) == "broken unproven"
    assert kind(ruling("RESP-09", *asks(GET, CHUNKED[:-9], SILENCE))) == "broken"
    assert kind(ruling("RESP-09", *asks(GET, ENDLESS, RST))) == "unseen"
    assert kind(ruling("RESP-09", *asks(GET, ENDLESS))) == "unseen"
    assert kind(ruling("RESP-09", *asks(HEAD, OK[:-2], FIN))) == "unseen"


def both(head: bytes, *came: bytes) -> list[Part]:
    """A asks with GET, B with HEAD, and the server is still after each."""
    return flat(asks(GET, *came), looks(), asks(HEAD, head, client="B"), looks())


def test_an_answer_to_head_ends_with_its_empty_line() -> None:
    assert kind(ruling("RESP-10", *both(OK[:-2], OK))) == "held"
    assert kind(ruling("RESP-10", *both(OK, OK))) == "broken"


def test_what_follows_every_answer_is_no_body() -> None:
    said = ruling("RESP-10", *both(OK[:-2] + b"\0", OK + b"\0"))
    assert said == NotExercised("what was seen here is for RESP-08 to judge")


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        (asks(HEAD, SILENCE), "what was seen here is for RESP-01 to judge"),
        (asks(HEAD, FIN), "what was seen here is for RESP-31 to judge"),
        (asks(GET, OK, FIN), "nobody asked with HEAD"),
        (asks(HEAD, b"HTTP/1.1 200 OK\r\n", FIN), "what was seen here is for RESP-06 to judge"),
        (asks(HEAD, b"HTTP/1.1 200 OK\r\n"), "A got no whole answer to look at"),
    ],
)
def test_a_head_that_gets_no_byte_is_for_others_to_judge(parts: list[Part], why: str) -> None:
    assert ruling("RESP-10", *parts) == NotExercised(why)


def test_a_server_that_dies_of_head_has_not_refused_it() -> None:
    said = ruling("RESP-10", here(), says(HEAD), gets(FIN, ServerEnded(0, 1)))
    assert said == NotExercised("what was seen here is for RESP-01 to judge")


def test_an_announced_close_is_kept_when_the_connection_ends() -> None:
    assert kind(ruling("RESP-14", *asks(GET, CLOSES, FIN))) == "held"
    assert kind(ruling("RESP-14", *asks(GET, CLOSES, RST))) == "held"
    assert kind(ruling("RESP-14", *asks(GET, CLOSES, SILENCE))) == "broken"
    assert kind(ruling("RESP-14", *asks(GET, CLOSES, UNPROVEN))) == "broken unproven"
    assert kind(ruling("RESP-14", *asks(GET, CLOSES), QUIET)) == "unseen unproven"
    assert kind(ruling("RESP-14", *asks(GET, OK, FIN))) == "unseen"
    assert kind(ruling("RESP-14", here(), says(GET), gets(CLOSES, FIN, ServerEnded(0, -11)))) == "unseen"


def test_one_answer_that_can_be_judged_is_enough_and_one_that_is_wrong_is_too_many() -> None:
    unanswered, right = asks(GET, SILENCE), asks(GET, OK, FIN, client="B")
    assert kind(ruling("RESP-08", *unanswered, *right)) == "held"
    wrong = ruling("RESP-08", *right, *asks(GET, OK + b"\0", FIN, client="C"))
    assert isinstance(wrong, Finding)
    assert wrong.got.startswith("C got 1 byte behind")
