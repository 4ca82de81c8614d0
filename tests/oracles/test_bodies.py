"""The rules of requests with a body, on transcripts made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gatecrash.model.transcript import ServerEnded
from gatecrash.model.verdicts import Finding, Plain
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
    flat,
    gets,
    here,
    kind,
    ruling,
    says,
)
from tests.sequences import Part

HIDDEN = post_request("/", get_request("/hidden"))
MISSING = answer(b"none", status="404 Not Found")
BUSY = answer(b"", status="503 Busy")
CHANGES = Plain(OK, None, answered=True, varies=frozenset({"status", "body"}))


@pytest.mark.parametrize("rule", ["RESP-21", "RESP-26"])
@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([], id="nothing"),
        pytest.param([here()], id="a connection"),
        pytest.param([here(), here("B")], id="two connections"),
        pytest.param(asks(GET, OK), id="one request"),
        pytest.param([here(), says(HIDDEN), says(GET)], id="nobody who reads"),
    ],
)
def test_nothing_is_said_where_nobody_asked(rule: str, parts: list[Part]) -> None:
    assert kind(ruling(rule, *parts, plain={GET: OK})).startswith("unseen")


def hiding(first: Sequence[Came], *last: Came) -> list[Part]:
    """A POST whose body looks like a request gets `first`, and the GET behind it gets these."""
    return [here(), says(HIDDEN), gets(*first), says(GET), gets(*last)]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        pytest.param(hiding([OK], OK, SILENCE), "held", id="both are answered"),
        pytest.param(hiding([OK], OK, FIN), "held", id="both are answered, then the end"),
        pytest.param(hiding([MISSING, FIN]), "held", id="the connection is closed with the body"),
        pytest.param(hiding([OK], OK, UNPROVEN), "unseen unproven", id="more may come"),
        pytest.param(hiding([OK], OK), "unseen unproven", id="nobody waits for more"),
        pytest.param(hiding([OK], SILENCE), "unseen", id="the second is not answered"),
        pytest.param(hiding([SILENCE]), "unseen", id="the first is not answered"),
        pytest.param(hiding([FIN]), "unseen", id="the first is dropped"),
        pytest.param(hiding([OK], BUSY, SILENCE), "unseen", id="the second is turned away"),
        pytest.param(hiding([OK, FIN, ServerEnded(0, -11)]), "unseen", id="the server dies"),
        pytest.param(hiding([OK], MISSING + OK, SILENCE), "broken", id="the body is answered"),
        pytest.param(hiding([OK], MISSING, FIN), "broken", id="the body is answered, not the second"),
    ],
)
def test_a_body_is_no_request(parts: list[Part], said: str) -> None:
    assert kind(ruling("RESP-21", *parts, plain={GET: OK})) == said


def test_what_the_second_request_gets_alone_has_to_be_known() -> None:
    assert kind(ruling("RESP-21", *hiding([OK], OK, SILENCE))) == "unseen"
    assert kind(ruling("RESP-21", *hiding([OK], OK, SILENCE), plain={GET: CHANGES})) == "unseen"


USUAL = post_request("/echo", b"a=1")
RESPELT = USUAL.replace(b"Content-Length", b"CONTENT-LENGTH")
ECHOED = answer(b"a=1")


def respelt(usual: Sequence[Came], *other: Came) -> list[Part]:
    """A posts with the usual field names, B with the same in other letters."""
    return flat(asks(USUAL, *usual), asks(RESPELT, *other, client="B"))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (respelt([ECHOED], ECHOED), "held"),
        (respelt([ECHOED], answer(b"")), "broken"),
        (respelt([ECHOED], answer(status="411 Length Required")), "broken"),
        (respelt([ECHOED], SILENCE), "broken"),
        (respelt([ECHOED], FIN), "broken"),
        (respelt([ECHOED], UNPROVEN), "broken unproven"),
        (respelt([ECHOED]), "unseen"),
        (respelt([SILENCE], ECHOED), "unseen"),
        (respelt([MISSING], MISSING), "unseen"),
    ],
)
def test_field_names_mean_the_same_in_any_case(parts: list[Part], said: str) -> None:
    assert kind(ruling("RESP-26", *parts)) == said


def test_a_body_that_is_not_compared_does_not_show_whether_it_was_read() -> None:
    assert kind(ruling("RESP-26", *respelt([ECHOED], ECHOED), plain={USUAL: CHANGES})) == "unseen"
    unstable = CONTRACT.with_promises({"stable_body": False})
    assert kind(ruling("RESP-26", *respelt([ECHOED], ECHOED), contract=unstable)) == "unseen"


def test_a_body_in_chunks_is_told_from_one_that_is_counted() -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(GET), GET)
    phantom = [here(), says(chunked), gets(OK), says(GET), gets(OK, OK, SILENCE)]
    finding = ruling("RESP-21", *phantom, plain={GET: OK, chunked: OK})
    assert isinstance(finding, Finding)
    assert finding.expected == "one answer to each request, and none to a body in chunks"
