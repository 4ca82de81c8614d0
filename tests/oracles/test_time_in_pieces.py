"""Pauses in a request, on transcripts made by hand: the answer is the usual one, another one, or nobody knows."""

from __future__ import annotations

import pytest

from gatecrash.model.scenario import LetTimePass, Send
from gatecrash.model.transcript import Event, NotSent, Sent, ServerEnded, TimePassed
from gatecrash.model.verdicts import Finding
from gatecrash.protocols.http import post_request
from tests.oracles.answering import FIN, GET, OK, RST, SILENCE, UNPROVEN, Came, answer, flat, gets, here, kind, ruling
from tests.sequences import Part

RULE = "TIME-11"
POST = post_request("/echo", b"knock=1&again=2")
BAD, LATE, OTHER = (answer(status=status) for status in ("400 Bad Request", "408 Request Timeout", "404 Not Found"))
PLAIN = {GET: OK, POST: answer(b"knock=1&again=2")}


def pause(*events: Event, seconds: float = 5.0) -> Part:
    return LetTimePass(5.0), [TimePassed(0, seconds), *events]


def paused(*came: Came, meanwhile: Part | None = None, said: int = 14, request: bytes = GET) -> list[Part]:
    """A request in two parts, with a pause between them, and what its client got in the end."""
    first, last = request[:said], request[said:]
    sends: list[Part] = [(Send("A", first), [Sent(0, "A", first, None, None)])]
    sends += [meanwhile or pause(), (Send("A", last), [Sent(0, "A", last, None, None)])]
    return [here(), *sends, gets(*came)]


def got(*came: Came) -> list[Event]:
    return list(gets(*came)[1])


def early(*came: Came) -> Part:
    return pause(*got(*came))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param(paused(OK), "held", id="the usual answer"),
        pytest.param(paused(OK, FIN), "held", id="the usual answer, and the end"),
        pytest.param(paused(OTHER, FIN), "broken", id="another answer"),
        pytest.param(paused(BAD, FIN), "broken", id="the second part alone is no request"),
        pytest.param(paused(SILENCE), "broken", id="no answer"),
        pytest.param(paused(UNPROVEN), "broken unproven", id="no answer yet, from one that is never still"),
        pytest.param(paused(RST, meanwhile=early(OK)), "broken", id="success for a half"),
        pytest.param(
            paused(RST, meanwhile=(LetTimePass(5.0), [*got(OK), TimePassed(0, 5.0)])), "unseen", id="success at once"
        ),
        pytest.param(paused(FIN, meanwhile=early(OK[:9])), "unseen", id="nobody knows what began"),
        pytest.param(paused(FIN, meanwhile=early(LATE)), "unseen", id="408 in the pause"),
        pytest.param(paused(FIN, meanwhile=early(BAD, FIN)), "unseen", id="another error in the pause"),
        pytest.param(paused(meanwhile=early(FIN)), "unseen", id="an end in the pause"),
        pytest.param(paused(LATE, FIN), "unseen", id="408 when the rest has come"),
        pytest.param(paused(FIN), "unseen", id="an end when the rest has come"),
        pytest.param(paused(OK[:-1], FIN), "unseen", id="half an answer is another rule's affair"),
        pytest.param(paused(OK, meanwhile=pause(seconds=1.0)), "unseen unproven", id="time is real"),
        pytest.param(paused(OK, meanwhile=(LetTimePass(5.0), [])), "unseen unproven", id="no time passed"),
        pytest.param([here(), gets(OK)], "unseen", id="nothing is sent"),
        pytest.param([], "unseen", id="nothing happens"),
    ],
)
def test_pauses_do_not_matter(parts: list[Part], expected: str) -> None:
    assert kind(ruling(RULE, *parts, plain=PLAIN)) == expected


def test_an_answer_before_the_body_is_none_to_a_half_of_the_head() -> None:
    body = POST.find(b"\r\n\r\n") + 8
    whole, half = answer(b"knock=1&again=2"), answer(b"knoc")
    assert kind(ruling(RULE, *paused(meanwhile=early(whole, FIN), said=body, request=POST), plain=PLAIN)) == "held"
    assert kind(ruling(RULE, *paused(meanwhile=early(half, FIN), said=body, request=POST), plain=PLAIN)) == "broken"


def test_what_could_not_be_sent_any_more_was_cut_off_by_a_limit() -> None:
    first, last = GET[:14], GET[14:]
    steps = flat(
        [here(), (Send("A", first), [Sent(0, "A", first, None, None)]), pause()],
        [(Send("A", last), [NotSent(0, "A", last, "ECONNRESET")]), gets()],
    )
    assert kind(ruling(RULE, *steps, plain=PLAIN)) == "unseen"


def test_a_pause_behind_the_whole_request_is_none_in_it() -> None:
    whole: Part = (Send("A", GET), [Sent(0, "A", GET, None, None)])
    assert kind(ruling(RULE, here(), whole, pause(), gets(OK), plain=PLAIN)) == "unseen"


def test_a_server_that_has_died_is_another_rules_affair() -> None:
    died = ServerEnded(0, -11)
    assert kind(ruling(RULE, *paused(FIN, meanwhile=pause(died)), plain=PLAIN)) == "unseen"


def test_nothing_is_said_where_nobody_knows_what_a_lone_client_gets() -> None:
    assert kind(ruling(RULE, *paused(SILENCE))) == "unseen"


def test_what_is_told_says_what_was_sent_and_how_long_the_pause_was() -> None:
    said = ruling(RULE, *paused(RST, meanwhile=early(OK)), plain=PLAIN)
    assert isinstance(said, Finding)
    assert said.got == "A had sent 14 of 35 bytes, and after a pause of 5 s it got status 200"
