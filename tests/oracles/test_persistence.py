"""The rules of connections that are kept, on transcripts made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gatecrash.model.scenario import Send
from gatecrash.model.transcript import NotSent, ServerEnded, TimePassed
from gatecrash.model.verdicts import Finding, NotExercised, Plain
from gatecrash.protocols.http import get_request
from tests.oracles.answering import (
    CLOSES,
    FIN,
    GET,
    OK,
    RST,
    SILENCE,
    UNPROVEN,
    Came,
    answer,
    asks,
    flat,
    gets,
    here,
    kind,
    ruling,
    says,
)
from tests.sequences import Part

OLD = get_request("/", version="1.0")
LAST = get_request("/", extra=b"Connection: close\r\n")
OTHER, ELSE = get_request("/other"), answer(b"something else")
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\nok"
PLAIN = {GET: OK, OTHER: ELSE}


def kept(*turns: tuple[bytes, Sequence[Came]]) -> list[Part]:
    """One client that sends these on one connection, and sees this after each."""
    return [here(), *flat(*([says(request), gets(*came)] for request, came in turns))]


@pytest.mark.parametrize("rule", ["RESP-15", "RESP-16", "RESP-17", "RESP-29"])
@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([], id="nothing"),
        pytest.param([here()], id="a connection"),
        pytest.param([here(), says(GET)], id="nobody who reads"),
        pytest.param(asks(GET, SILENCE), id="silence"),
        pytest.param(asks(GET, FIN), id="an end"),
        pytest.param(asks(GET, OK[:-1], UNPROVEN), id="half an answer"),
    ],
)
def test_without_an_answer_nothing_is_said_of_what_comes_after_it(rule: str, parts: list[Part]) -> None:
    assert kind(ruling(rule, *parts, plain=PLAIN)).startswith("unseen")


@pytest.mark.parametrize(("rule", "request_"), [("RESP-15", OLD), ("RESP-29", LAST)])
def test_the_end_behind_the_answer_has_to_come(rule: str, request_: bytes) -> None:
    assert kind(ruling(rule, *asks(request_, OK, FIN))) == "held"
    assert kind(ruling(rule, *asks(request_, ENDLESS, FIN))) == "held"
    assert kind(ruling(rule, *asks(request_, OK, SILENCE))) == "broken"
    assert kind(ruling(rule, *asks(request_, OK, UNPROVEN))) == "broken unproven"
    assert kind(ruling(rule, *asks(request_, OK))) == "unseen unproven"
    for came, other in (((OK, RST), 13), ((CLOSES, SILENCE), 14), ((ENDLESS, SILENCE), 9)):
        said = ruling(rule, *asks(request_, *came))
        assert said == NotExercised(f"what was seen here is for RESP-{other:02d} to judge")


@pytest.mark.parametrize(("rule", "request_"), [("RESP-15", OLD), ("RESP-29", LAST)])
def test_the_end_of_a_crash_is_no_close(rule: str, request_: bytes) -> None:
    for status, said in ((0, "held"), (1, "unseen"), (-11, "unseen")):
        parts = [here(), says(request_), gets(OK, FIN, ServerEnded(0, status))]
        assert kind(ruling(rule, *parts)) == said


def test_who_never_came_to_ask_for_the_end_has_not_seen_it() -> None:
    refused = (Send("A", LAST), [NotSent(0, "A", LAST, "EPIPE")])
    said = ruling("RESP-29", *asks(GET, OK, FIN), refused)
    assert said == NotExercised("the connection of A ended before its last request was answered")
    assert kind(ruling("RESP-29", *kept((GET, [OK]), (LAST, [FIN])))) == "unseen"
    assert kind(ruling("RESP-29", *kept((GET, [OK]), (LAST, [OK, FIN])))) == "held"


def test_the_next_request_is_answered_or_the_connection_ends() -> None:
    assert kind(ruling("RESP-16", *kept((GET, [OK]), (GET, [OK])), plain=PLAIN)) == "held"
    assert kind(ruling("RESP-16", *kept((GET, [OK]), (GET, [FIN])), plain=PLAIN)) == "held"
    assert kind(ruling("RESP-16", *kept((GET, [OK]), (GET, [SILENCE])), plain=PLAIN)) == "broken"
    assert kind(ruling("RESP-16", *kept((GET, [OK]), (GET, [UNPROVEN])), plain=PLAIN)) == "broken unproven"


@pytest.mark.parametrize(
    ("turns", "plain"),
    [
        pytest.param([(GET, [OK, FIN])], PLAIN, id="one request"),
        pytest.param([(GET, [OK]), (GET, [])], PLAIN, id="nobody waited"),
        pytest.param([(GET, [OK]), (OTHER, [SILENCE])], {GET: OK}, id="nobody gets an answer to the second"),
        pytest.param([(GET, [CLOSES]), (GET, [SILENCE])], PLAIN, id="a close is announced"),
        pytest.param([(GET, [OK]), (GET, [FIN, ServerEnded(0, -11)])], PLAIN, id="it dies of the second"),
    ],
)
def test_the_next_request_is_not_judged(turns: list[tuple[bytes, Sequence[Came]]], plain: dict[bytes, bytes]) -> None:
    assert kind(ruling("RESP-16", *kept(*turns), plain=plain)).startswith("unseen")


@pytest.mark.parametrize(
    ("came", "said"),
    [
        ([OK + ELSE], "held"),
        ([OK, FIN], "held"),
        ([ELSE + OK], "broken"),
        ([OK, SILENCE], "broken"),
        ([SILENCE], "broken"),
        ([OK, UNPROVEN], "broken unproven"),
        ([OK], "unseen unproven"),
        ([FIN], "unseen"),
        ([CLOSES, SILENCE], "unseen"),
        ([OK, FIN, ServerEnded(0, -11)], "unseen"),
    ],
)
def test_pipelined_requests(came: Sequence[Came], said: str) -> None:
    assert kind(ruling("RESP-17", *kept((GET + OTHER, came)), plain=PLAIN)) == said


def test_without_what_each_gets_alone_the_order_is_not_judged() -> None:
    assert kind(ruling("RESP-17", *kept((GET + OTHER, [OK + ELSE])), plain={GET: OK})) == "unseen"
    varies = {
        sent: Plain(got, None, answered=True, varies=frozenset({"status", "body"})) for sent, got in PLAIN.items()
    }
    assert kind(ruling("RESP-17", *kept((GET + OTHER, [OK + ELSE])), plain=varies)) == "unseen"


def test_pipelined_requests_that_only_a_limit_leaves_unanswered_were_left() -> None:
    ended = ruling("RESP-17", *kept((GET + OTHER, [OK, FIN])), plain=PLAIN)
    assert kind(ended) == "held"
    late = ruling("RESP-17", *kept((GET + OTHER, [OK, TimePassed(0, 7.0), FIN])), plain=PLAIN)
    assert isinstance(late, Finding)
    assert late.got.startswith("1 of 2 pipelined requests were answered, and the connection stays open, until a time")
