"""A request that crosses the end of a kept connection, on transcripts made by hand."""

from __future__ import annotations

import pytest

from gatecrash.model.scenario import Freeze, LetTimePass, Receive, Send, Thaw
from gatecrash.model.transcript import Event, NotSent, Sent, ServerEnded, TimePassed
from gatecrash.model.verdicts import Finding
from tests.oracles.answering import FIN, GET, OK, RST, SILENCE, UNPROVEN, Came, answer, asks, gets, kind, ruling
from tests.sequences import Part

RULE = "TIME-07"
PLAIN = {GET: OK}
LATE = answer(status="408 Request Timeout", fields=b"Connection: close\r\n")


def idle(*events: Event, seconds: float = 61.0) -> Part:
    return LetTimePass(61.0), [TimePassed(0, seconds), *events]


def again(*events: Event) -> Part:
    return Send("A", GET), list(events) or [Sent(0, "A", GET, None, None)]


def crossing(*came: Came, first: list[Part] | None = None, rest: Part | None = None) -> list[Part]:
    """A is answered, the server is frozen, and A asks again."""
    asked = asks(GET, OK) if first is None else first
    return [*asked, (Freeze(), []), rest or idle(), again(), (Thaw(), []), gets(*came)]


def ends(*came: Came) -> list[Event]:
    return list(gets(*came)[1])


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param(crossing(OK), "held", id="a whole answer"),
        pytest.param(crossing(OK, FIN), "held", id="a whole answer, and the end"),
        pytest.param(crossing(LATE, FIN), "held", id="a refusal"),
        pytest.param(crossing(FIN), "held", id="an end"),
        pytest.param(crossing(RST), "held", id="a reset"),
        pytest.param(crossing(OK[:20], FIN), "broken", id="half an answer, and the end"),
        pytest.param(crossing(OK[:-1], RST), "broken", id="half an answer, and a reset"),
        pytest.param(crossing(OK[:20], SILENCE), "broken", id="half an answer, and nothing more"),
        pytest.param(crossing(SILENCE), "broken", id="silence"),
        pytest.param(crossing(UNPROVEN), "broken unproven", id="silence of one that is never still"),
        pytest.param(crossing(), "unseen", id="nothing is known of the end"),
        pytest.param(crossing(OK, rest=idle(seconds=5.0)), "unseen unproven", id="time is real"),
        pytest.param(
            crossing(SILENCE, rest=idle(seconds=5.0)), "unseen unproven", id="time is real, and there is silence"
        ),
        pytest.param(crossing(OK, first=asks(GET, SILENCE)), "unseen", id="the first request is not answered"),
        pytest.param(crossing(OK, first=asks(GET, OK, FIN)), "unseen", id="the connection is not kept"),
        pytest.param([*asks(GET, OK), again(), gets(OK)], "unseen", id="no time passes"),
        pytest.param([], "unseen", id="nothing happens"),
    ],
)
def test_a_crossing_request_is_answered_or_visibly_not(parts: list[Part], expected: str) -> None:
    assert kind(ruling(RULE, *parts, plain=PLAIN)) == expected


def test_who_is_let_go_and_asks_again_sees_the_end() -> None:
    let_go, late = idle(*ends(FIN)), again(NotSent(0, "A", GET, "ENOTCONN"))
    nothing: Part = (Receive("A"), [])
    assert kind(ruling(RULE, *asks(GET, OK), let_go, late, nothing, plain=PLAIN)) == "held"


def test_a_408_in_the_pause_is_an_answer() -> None:
    let_go = idle(*ends(LATE, FIN))
    assert kind(ruling(RULE, *asks(GET, OK), let_go, again(), gets(), plain=PLAIN)) == "held"


def test_a_server_that_has_died_is_another_rules_affair() -> None:
    died = idle(ServerEnded(0, -14), *ends(FIN))
    assert kind(ruling(RULE, *asks(GET, OK), died, again(), gets(), plain=PLAIN)) == "unseen"


def test_nothing_is_said_where_nobody_knows_what_a_lone_client_gets() -> None:
    assert kind(ruling(RULE, *crossing(SILENCE))) == "unseen"


def test_what_is_told_says_how_long_it_was_idle_and_what_came() -> None:
    said = ruling(RULE, *crossing(OK[:20], FIN), plain=PLAIN)
    assert isinstance(said, Finding)
    told = "in which the server did not run, and got 20 bytes of its answer, then the connection ended"
    assert said.got == f"A asked again after 61 s, {told}"
    said = ruling(RULE, *asks(GET, OK), idle(), again(), gets(SILENCE), plain=PLAIN)
    assert isinstance(said, Finding)
    assert said.got == "A asked again after 61 s, and got not a byte, and the connection stays open"
