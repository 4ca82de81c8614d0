"""What a client library gets, and what a contract promises, on transcripts made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gatecrash.model.scenario import AskWithRequests, Connect
from gatecrash.model.transcript import Event, Flooded, LibraryAnswer, NotConnected, Silent
from gatecrash.model.verdicts import NotExercised, Plain
from gatecrash.protocols.http import get_request, post_request
from tests.oracles.answering import (
    CONTRACT,
    FIN,
    GET,
    OK,
    SILENCE,
    UNPROVEN,
    Came,
    answer,
    asks,
    gets,
    here,
    kind,
    ruling,
    says,
)
from tests.sequences import Part

RIGHT = LibraryAnswer(0, "B", 200, b"ok")
OTHER, WRONG = LibraryAnswer(0, "B", 200, b"ko"), LibraryAnswer(0, "B", 400, b"")
RAISED = LibraryAnswer(0, "B", None, b"", "ConnectionError (reset)")
UNREACHED = replace(RAISED, connected=False)


def by_library(first: Sequence[Came], *answers: Event) -> list[Part]:
    """A asks by hand and gets `first`, B by library."""
    return [*asks(GET, *first), (AskWithRequests("B", "/", times=2), list(answers))]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (by_library([OK], RIGHT, RIGHT), "held"),
        (by_library([OK], RIGHT, OTHER), "broken"),
        (by_library([OK], WRONG), "broken"),
        (by_library([OK], RAISED), "broken"),
        (by_library([OK], Silent(0, "B", False, "restless"), RAISED), "broken unproven"),
        (by_library([OK], UNREACHED), "unseen"),
        (by_library([OK]), "unseen"),
        (by_library([SILENCE], RIGHT), "unseen"),
        (by_library([OK.replace(b"\r\n", b"\n")], RIGHT), "unseen"),
        (by_library([]), "unseen"),
        (asks(GET, OK), "unseen"),
        ([], "unseen"),
        ([here(), here("B")], "unseen"),
    ],
)
def test_the_library_gets_the_answer_of_the_wire(parts: list[Part], said: str) -> None:
    assert kind(ruling("RESP-20", *parts, plain={GET: OK})) == said


def test_what_has_mistakes_is_not_called_no_answer() -> None:
    said = ruling("RESP-20", *by_library([OK.replace(b"\r\n", b"\n")], RIGHT), plain={GET: OK})
    assert said == NotExercised("the answer to A has mistakes of its own, so no other is compared with it")


def test_what_changes_by_itself_is_not_held_against_the_library() -> None:
    changes = Plain(OK, None, answered=True, varies=frozenset({"status", "body"}))
    assert kind(ruling("RESP-20", *by_library([OK], WRONG), plain={GET: changes})) == "unseen"


NAMED = replace(CONTRACT, written=frozenset({"path", "large_path", "post_path"}))
BIG, SENT = get_request("/large"), post_request("/echo")


@pytest.mark.parametrize(
    ("request_", "came", "said"),
    [
        (GET, [OK], "held"),
        (BIG, [answer(b"x" * 65537)], "held"),
        (SENT, [answer(status="201 Created")], "held"),
        (GET, [answer(status="404 No")], "broken"),
        (BIG, [OK], "broken"),
        (BIG, [OK[:-1], FIN], "broken"),
        (SENT, [SILENCE], "broken"),
        (SENT, [UNPROVEN], "broken unproven"),
        (BIG, [b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nx", Flooded(0, "A", 9)], "unseen unproven"),
        (SENT, [], "unseen"),
        (get_request("/else"), [OK], "unseen"),
    ],
)
def test_what_is_promised_is_answered(request_: bytes, came: Sequence[Came], said: str) -> None:
    assert kind(ruling("RESP-30", *asks(request_, *came), contract=NAMED)) == said


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([], id="nothing"),
        pytest.param([here()], id="a connection"),
        pytest.param([(Connect("A"), [NotConnected(0, "A", "refused")]), says(GET), gets()], id="no connection"),
    ],
)
def test_of_who_did_not_ask_nothing_is_said(parts: list[Part]) -> None:
    assert kind(ruling("RESP-30", *parts, contract=NAMED)) == "unseen"


def test_what_nobody_promised_is_named() -> None:
    said = ruling("RESP-30", *asks(get_request("/else"), OK), contract=NAMED)
    assert said == NotExercised("the contract does not promise what A asked for")
