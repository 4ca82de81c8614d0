"""The rules of how requests and answers travel, on transcripts made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gatecrash.model import calls as fates
from gatecrash.model.scenario import Connect, Send, Settle, Shorten
from gatecrash.model.transcript import (
    CallTrace,
    ClientSide,
    CrashedProcess,
    Flooded,
    Looked,
    NotConnected,
    NotSent,
    ServerEnded,
    Still,
    TimePassed,
    TracedCall,
)
from gatecrash.model.verdicts import Finding, NotExercised, Plain
from gatecrash.protocols.http import get_request, post_request
from tests.oracles.answering import (
    FIN,
    GET,
    OK,
    RST,
    SILENCE,
    SPINS,
    UNPROVEN,
    Came,
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
from tests.sequences import Part, look

PLAIN = {GET: OK}
REFUSED = answer(status="400 Bad Request")
POSTED = post_request("/")
LARGE = answer(b"x" * 70000)
CHANGES = Plain(OK, None, answered=True, varies=frozenset({"status", "body"}))


@pytest.mark.parametrize("rule", ["RESP-02", "RESP-03", "RESP-11", "RESP-12", "RESP-13", "RESP-28", "RESP-32"])
@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([], id="nothing"),
        pytest.param([here()], id="a connection"),
        pytest.param([here(), here("B"), looks(still="restless")], id="connections and a restless look"),
        pytest.param([(Connect("A"), [NotConnected(0, "A", "refused")]), gets()], id="no connection"),
        pytest.param([here(), says(GET[:5]), says(GET[5:])], id="nobody who reads"),
    ],
)
def test_nothing_is_said_where_nobody_read(rule: str, parts: list[Part]) -> None:
    assert kind(ruling(rule, *parts, plain={GET: OK, b"": OK})).startswith("unseen")


def in_two(*came: Came, read: bool | None = True) -> list[Part]:
    """A request in two segments; `read`: the server has read the first before the second is sent."""
    return [here(), says(GET[:5], read=read), says(GET[5:], read=None), gets(*came)]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (in_two(OK), "held"),
        (in_two(OK, read=None), "unseen unproven"),
        (in_two(OK, read=False), "unseen unproven"),
        (asks(GET, OK), "unseen"),
        (in_two(answer(b"ko")), "broken"),
        (in_two(REFUSED), "broken"),
        (in_two(SILENCE), "broken"),
        (in_two(OK[:-1], FIN), "broken"),
        (in_two(UNPROVEN), "broken unproven"),
        (in_two(OK[:-1], Flooded(0, "A", 9)), "broken unproven"),
        (in_two(), "unseen"),
    ],
)
def test_segments_do_not_matter(parts: list[Part], said: str) -> None:
    assert kind(ruling("RESP-02", *parts, plain=PLAIN)) == said


@pytest.mark.parametrize("rule", ["RESP-02", "RESP-28"])
def test_without_what_a_lone_client_gets_nothing_is_compared(rule: str) -> None:
    assert kind(ruling(rule, *in_two(OK))) == "unseen"
    assert kind(ruling(rule, *in_two(OK), plain={GET: CHANGES})) == "unseen"
    assert kind(ruling(rule, *in_two(SILENCE), plain={GET: CHANGES})) == "broken"


def waiting(*parts: Part, last: Came = OK, read: bool | None = True) -> list[Part]:
    """A part of the head is sent, then these parts, then the rest is."""
    return [here(), says(GET[:9], read=read), *parts, says(GET[9:]), gets(last)]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (waiting(looks("sent")), "held"),
        (waiting(looks("sent", "resting")), "held"),
        (waiting(looks("sent", "restless")), "unseen unproven"),
        (waiting(looks("sent"), read=None), "unseen unproven"),
        (waiting(), "unseen unproven"),
        (waiting(looks("sent"), last=REFUSED), "unseen"),
        (waiting(looks("sent"), last=SILENCE), "unseen"),
        (waiting(gets(OK), looks("sent")), "broken"),
        (waiting(gets(REFUSED), looks("sent")), "unseen"),
        ([here(), says(GET), looks("sent"), gets(OK)], "unseen"),
    ],
)
def test_the_answer_waits_for_the_whole_head(parts: list[Part], said: str) -> None:
    assert kind(ruling("RESP-03", *parts, plain=PLAIN)) == said


SHORT = fates.shortened(5)


def shortened(
    came: Sequence[Came], *after: Part, outcome: fates.CallOutcome = SHORT, family: str = "send"
) -> list[Part]:
    """A client whose answer meets a call with this outcome."""
    traced = CallTrace(0, (TracedCall(9, family, "sendto", 4, outcome),))
    return [(Shorten(5), []), *asks(GET, *came), *(after or [looks()]), (Settle("end"), [traced])]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        pytest.param(shortened([OK]), "held", id="the rest comes"),
        pytest.param(shortened([OK, FIN], looks(still="restless")), "held", id="the rest comes, then the end"),
        pytest.param(shortened([OK], looks(still="restless")), "unseen unproven", id="more may come"),
        pytest.param(shortened([OK], outcome=fates.RAN), "unseen", id="no send offers so much"),
        pytest.param(shortened([OK], family="accept"), "unseen", id="another call"),
        pytest.param(asks(GET, OK, FIN), "unseen", id="nothing is traced"),
        pytest.param(shortened([OK[:5], SILENCE]), "broken", id="the rest is lost"),
        pytest.param(shortened([OK[:5], UNPROVEN]), "broken unproven", id="the rest does not come in time"),
        pytest.param(shortened([OK + OK[:5], FIN]), "broken", id="the beginning comes twice"),
        pytest.param(shortened([]), "unseen", id="nobody waits"),
    ],
)
def test_a_short_write_is_continued(parts: list[Part], said: str) -> None:
    assert kind(ruling("RESP-11", *parts, plain=PLAIN)) == said


def test_a_send_that_was_never_cut_short_is_said_to_be_missing() -> None:
    said = ruling("RESP-11", *shortened([OK], outcome=fates.RAN), plain=PLAIN)
    assert said == NotExercised(
        "the server never made the call that was waited for (a send that offers more than is to be taken)"
    )


BIG = get_request("/", extra=b"X-F: " + b"a" * 9000 + b"\r\n")


def large(first: Sequence[Came], *came: Came, before: Still = "quiet") -> list[Part]:
    """A small request is answered with `first`, and the large one gets this."""
    return flat(asks(GET, *first), looks("before", before), asks(BIG, *came, client="B"))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (large([OK], OK), "held"),
        (large([OK], answer(status="431 Too Large")), "held"),
        (large([OK], FIN), "held"),
        (large([OK], RST), "held"),
        (large([OK], TimePassed(0, 15.0), FIN), "broken"),
        (large([OK], SILENCE), "broken"),
        (large([OK], SPINS), "broken"),
        (large([OK], SPINS, before="spinning"), "broken unproven"),
        (large([OK], UNPROVEN), "broken unproven"),
        (large([OK]), "unseen"),
        (large([SILENCE], OK), "unseen"),
        (large([OK], FIN, ServerEnded(0, 1)), "unseen"),
        (large([OK], FIN, CrashedProcess(0, 9, 11)), "unseen"),
        (asks(GET, OK), "unseen"),
    ],
)
def test_a_large_request_is_never_hung_on(parts: list[Part], said: str) -> None:
    assert kind(ruling("RESP-12", *parts)) == said


def kept_open(unread: int, still: Still = "quiet", consumed: int | None = 20) -> Part:
    """A look at a connection that is open, with so many bytes of the request unread."""
    side = ClientSide("A", "ESTABLISHED", True, unread, 0, consumed, ())
    return Settle("answered"), [Looked(0, "answered", look(still=still, connections=[side]))]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (asks(GET, OK, FIN), "held"),
        (asks(GET, OK, RST), "broken"),
        ([*asks(GET, OK), kept_open(0)], "held"),
        ([*asks(GET, OK), kept_open(3)], "unseen"),
        ([*asks(GET, OK), kept_open(0, consumed=0)], "unseen"),
        ([*asks(GET, OK), kept_open(0, "restless")], "unseen unproven"),
        (asks(GET, OK), "unseen unproven"),
        (asks(GET, OK[:-1], FIN), "unseen"),
        (asks(GET, REFUSED, RST), "unseen"),
        (asks(GET, RST), "unseen"),
        ([here(), says(GET), gets(OK, RST, ServerEnded(0, 1))], "unseen"),
    ],
)
def test_an_answer_is_not_lost_by_a_reset(parts: list[Part], said: str) -> None:
    assert kind(ruling("RESP-13", *parts)) == said


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (asks(POSTED, REFUSED, FIN), "held"),
        (asks(POSTED, REFUSED, RST), "broken"),
        ([*asks(POSTED, REFUSED), kept_open(0)], "held"),
        ([*asks(POSTED, REFUSED), kept_open(3)], "unseen"),
        (asks(POSTED, OK, RST), "unseen"),
        (asks(POSTED, RST), "unseen"),
        ([here(), says(POSTED), gets(REFUSED, RST, ServerEnded(0, 1))], "unseen"),
    ],
)
def test_a_refusal_is_not_lost_by_a_reset(parts: list[Part], said: str) -> None:
    assert kind(ruling("RESP-32", *parts)) == said


def in_bites(*came: Came) -> list[Part]:
    """A slow reader, who takes each of these at another time."""
    return [here(), says(GET), *(gets(one) for one in came)]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (in_bites(LARGE[:9], LARGE[9:]), "held"),
        (in_bites(LARGE), "unseen"),
        (in_bites(LARGE[:9], SILENCE), "broken"),
        (in_bites(LARGE[:9], FIN), "broken"),
        (in_bites(LARGE[:9], UNPROVEN), "broken unproven"),
        (in_bites(LARGE[:9]), "unseen"),
    ],
)
def test_a_slow_reader_gets_everything(parts: list[Part], said: str) -> None:
    assert kind(ruling("RESP-28", *parts, plain={GET: LARGE})) == said


def test_of_two_slow_readers_each_gets_everything() -> None:
    second = [here("B"), says(GET, "B"), gets(LARGE[:9], client="B"), gets(FIN, client="B")]
    said = ruling("RESP-28", *in_bites(LARGE[:9], LARGE[9:]), *second, plain={GET: LARGE})
    assert isinstance(said, Finding)
    assert said.expected.endswith("although another one reads slowly, too")


def test_a_small_answer_says_nothing_of_slow_readers() -> None:
    assert ruling("RESP-28", *in_bites(OK[:9], OK[9:]), plain=PLAIN) == NotExercised(
        f"what A got is not large ({len(OK)} bytes)"
    )


def test_a_request_that_was_refused_in_the_middle_is_held_against_the_whole_one() -> None:
    not_sent = (Send("A", GET[5:]), [NotSent(0, "A", GET[5:], "EPIPE")])
    said = ruling("RESP-02", here(), says(GET[:5]), not_sent, gets(FIN), plain=PLAIN)
    assert isinstance(said, Finding)
