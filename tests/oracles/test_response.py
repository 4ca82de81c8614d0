"""The rules of whether something is answered, and what, on transcripts made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gatecrash.model.blocked import BlockedTask, Descriptor
from gatecrash.model.scenario import Connect, Send, Settle
from gatecrash.model.transcript import (
    ClientSide,
    CrashedProcess,
    Event,
    Looked,
    NotConnected,
    NotSent,
    ServerEnded,
    Still,
    TimePassed,
)
from gatecrash.model.verdicts import Case, Finding, NotExercised, Plain
from gatecrash.oracles import oracle_of
from gatecrash.protocols.http import get_request, post_request
from gatecrash.rulebook import Seen, load
from tests.oracles.answering import (
    CONTRACT,
    FIN,
    GET,
    HEAD,
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
    looks,
    ruling,
    says,
    seen,
)
from tests.sequences import Part, look

POST = post_request("/echo")
NO_SUCH = get_request("/gatecrash-not-there")
MISSING = answer(b"none", status="404 Not Found")
WAITED = TimePassed(0, 10.0)
DIES, SEGFAULT = ServerEnded(0, 1), ServerEnded(0, -11)


@pytest.mark.parametrize(
    ("request_", "came", "first", "refused"),
    [
        pytest.param(GET, [OK], "held", "unseen", id="a GET is answered"),
        pytest.param(GET, [b"H", SILENCE], "held", "unseen", id="an answer has begun"),
        pytest.param(GET, [SILENCE], "broken", "unseen", id="a GET gets silence"),
        pytest.param(GET, [UNPROVEN], "broken unproven", "unseen", id="a GET gets nothing in time"),
        pytest.param(GET, [FIN], "broken", "unseen", id="a GET is dropped"),
        pytest.param(GET, [], "unseen", "unseen", id="nobody waits for the answer to a GET"),
        pytest.param(POST, [OK], "held", "held", id="a POST is answered"),
        pytest.param(POST, [SILENCE], "broken", "unseen", id="a POST gets silence"),
        pytest.param(POST, [FIN], "unseen", "broken", id="a POST is dropped"),
        pytest.param(POST, [RST], "unseen", "broken", id="a POST is reset"),
        pytest.param(POST, [WAITED, FIN], "broken", "unseen", id="a time limit lets a POST go"),
        pytest.param(POST, [FIN, DIES], "broken", "unseen", id="a POST ends the server"),
        pytest.param(POST, [], "unseen", "unseen", id="nobody waits for the answer to a POST"),
        pytest.param(GET[:-1], [SILENCE], "unseen", "unseen", id="half a request"),
    ],
)
def test_a_request_is_answered_or_refused(request_: bytes, came: Sequence[Came], first: str, refused: str) -> None:
    parts = [here(), says(request_), gets(*came)]
    assert (kind(ruling("RESP-01", *parts)), kind(ruling("RESP-31", *parts))) == (first, refused)


@pytest.mark.parametrize(("end", "how"), [(FIN, "closed"), (RST, "reset")])
def test_that_a_time_limit_had_to_end_the_connection_is_said(end: Came, how: str) -> None:
    found = ruling("RESP-01", here(), says(GET), gets(WAITED, end))
    assert isinstance(found, Finding)
    assert found.got == f"A got not a byte, and 10 s later, by the server's own clock, the connection was {how}"


def test_where_the_server_waited_until_its_limit_came_is_told() -> None:
    place = BlockedTask(7, 7, "server", "blocked", "recvfrom", Descriptor(4, "socket"), limit=10.0)
    found = ruling("RESP-01", here(), says(GET), gets(replace(WAITED, where=(place,)), FIN))
    assert isinstance(found, Finding)
    assert found.evidence[-2:] == ("until its own time limit came:", place)


@pytest.mark.parametrize("rule", ["RESP-01", "RESP-22", "RESP-24", "RESP-25", "RESP-27", "RESP-31"])
@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([], id="nothing"),
        pytest.param([here()], id="a connection"),
        pytest.param([here(), here("B")], id="two connections"),
        pytest.param([(Connect("A"), [NotConnected(0, "A", "refused")]), gets()], id="no connection"),
        pytest.param([looks("asked", "restless"), looks("after", "restless")], id="restless looks"),
    ],
)
def test_nothing_is_said_where_nobody_asked(rule: str, parts: list[Part]) -> None:
    assert kind(ruling(rule, *parts, plain={b"": OK})).startswith("unseen")


def malformed(still: Still = "quiet", consumed: int | None = 9, *events: Event, then: Came = OK) -> list[Part]:
    """A malformed request, a look at the server after it, and a good client; consumed None: A is gone by the look."""
    sides = () if consumed is None else (ClientSide("A", "ESTABLISHED", True, 0, 0, consumed, ()),)
    seen = Looked(0, "asked", look(still=still, connections=sides))
    return [here(), says(b"GET\r\n\r\n"), (Settle("asked"), [seen, *events]), *asks(GET, then, client="B")]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        pytest.param(malformed(), "held", id="it is read, and the server sleeps"),
        pytest.param(malformed(consumed=None), "held", id="the connection is closed"),
        pytest.param(malformed("resting"), "held", id="the server sleeps for a time"),
        pytest.param(malformed("spinning"), "held", id="the server spins"),
        pytest.param(malformed("restless"), "unseen unproven", id="the server is not done"),
        pytest.param(malformed(consumed=0), "unseen", id="nothing is read"),
        pytest.param([*malformed()[:2], *malformed()[3:]], "unseen", id="nobody looks"),
        pytest.param(malformed()[:3], "unseen", id="nobody comes after it"),
        pytest.param(malformed(then=SILENCE), "broken", id="the next client is not served"),
        pytest.param(malformed("quiet", None, SEGFAULT), "broken", id="the server dies"),
        pytest.param(malformed("quiet", None, DIES), "broken", id="the server exits"),
        pytest.param(malformed("quiet", None, CrashedProcess(0, 9, 11)), "broken", id="a child dies"),
        pytest.param(
            [
                here(),
                (Send("A", b"GET"), [NotSent(0, "A", b"GET", "EPIPE")]),
                looks("asked"),
                *asks(GET, OK, client="B"),
            ],
            "unseen",
            id="it is never sent",
        ),
    ],
)
def test_a_malformed_request_harms_nobody_else(parts: list[Part], said: str) -> None:
    assert kind(ruling("RESP-22", *parts, plain={GET: OK})) == said


@pytest.mark.parametrize("rule", ["RESP-22", "RESP-25"])
@pytest.mark.parametrize(("end", "said"), [(DIES, ["its last words: IndexError: no word"]), (SEGFAULT, [])])
def test_what_a_server_said_of_its_end_is_evidence(rule: str, end: Event, said: list[str]) -> None:
    played = replace(seen(*malformed("quiet", None, end)), output="IndexError: no word")
    found = oracle_of(rule)(Case(played, CONTRACT))
    assert isinstance(found, Finding)
    assert [line for line in found.lines if "words" in line] == said


def in_vain(first: Sequence[Came], last: Sequence[Came], still: Still = "quiet") -> list[Part]:
    """A asks for what is not there; then B asks as usual."""
    return flat(asks(NO_SUCH, *first), looks("after", still), asks(GET, *last, client="B"))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (in_vain([MISSING], [OK]), "held"),
        (in_vain([MISSING, RST], [OK, FIN], "resting"), "held"),
        (in_vain([MISSING], [OK], "restless"), "unseen unproven"),
        (in_vain([], [OK]), "unseen"),
        (in_vain([MISSING], []), "unseen"),
        (in_vain([SILENCE], [OK]), "broken"),
        (in_vain([FIN], [OK]), "broken"),
        (in_vain([MISSING], [SILENCE]), "broken"),
        (in_vain([MISSING], [UNPROVEN]), "broken unproven"),
        (in_vain([MISSING], [answer(status="500 Oh")]), "broken"),
        (in_vain([MISSING, DIES], [FIN]), "broken"),
        (flat(asks(NO_SUCH, MISSING), asks(GET, OK, client="B")), "unseen"),
        (asks(GET, OK), "unseen"),
    ],
)
def test_what_is_not_there_harms_nothing(parts: list[Part], said: str) -> None:
    assert kind(ruling("RESP-25", *parts, plain={GET: OK})) == said


def test_without_a_measure_nobody_is_served_as_before() -> None:
    assert kind(ruling("RESP-25", *in_vain([MISSING], [OK]))) == "unseen"


def again(*answers: Came) -> list[Part]:
    """Clients that ask for the same, one after the other."""
    return flat(*(asks(GET, one, client=name) for name, one in zip("ABC", answers, strict=False)))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (again(OK, OK), "held"),
        (again(OK, OK, answer(b"")), "broken"),
        (again(OK, answer(status="404 No")), "broken"),
        (again(OK), "unseen"),
        (again(OK, SILENCE), "unseen"),
        (again(OK, UNPROVEN), "unseen unproven"),
        (again(SILENCE, OK), "unseen"),
        (flat(asks(GET, OK), asks(HEAD, OK, client="B")), "unseen"),
    ],
)
def test_the_same_request_gets_the_same_answer(parts: list[Part], said: str) -> None:
    assert kind(ruling("RESP-24", *parts, plain={GET: OK})) == said


def test_an_answer_that_changes_at_each_start_is_not_compared() -> None:
    varies = Plain(OK, None, answered=True, varies=frozenset({"status", "body"}))
    said = ruling("RESP-24", *again(OK, answer(b"ko")), plain={GET: varies})
    assert said == NotExercised("the answer to the request of B changes by itself, so it is not compared")
    assert kind(ruling("RESP-24", *again(OK, OK), plain={GET: replace(varies, varies=frozenset({"body"}))})) == "held"


@pytest.mark.parametrize(
    ("came", "said"),
    [
        ([OK], "held"),
        ([answer(status="302 Found")], "held"),
        ([answer(status="400 Bad Request")], "broken"),
        ([b"HTTP/1.1 200"], "unseen"),
        ([b"HTTP/1.1 103 Early Hints\r\n\r\n"], "unseen"),
        ([SILENCE], "unseen"),
        ([UNPROVEN], "unseen unproven"),
    ],
)
def test_a_path_that_exists_is_a_success(came: Sequence[Came], said: str) -> None:
    assert kind(ruling("RESP-27", *asks(GET, *came))) == said


def test_a_refusal_names_the_field_that_is_written_unlike_others() -> None:
    tab = GET.replace(b"Host: ", b"Host:\t")
    plain, told = (ruling("RESP-27", *asks(one, answer(status="400 Bad Request"))) for one in (GET, tab))
    assert isinstance(plain, Finding)
    assert isinstance(told, Finding)
    assert plain.got == 'A\'s request for / got "400 Bad Request"'
    assert told.got == 'A\'s request for /, with "Host:\\tlocalhost", got "400 Bad Request"'
    rule = load().get("RESP-27")
    first = [
        rule.fitting(Seen(language="c", mentions=frozenset({"strcmp"}), said=said))[0].text
        for said in (plain.got, told.got)
    ]
    assert [text.startswith("One space is expected") for text in first] == [False, True]


def test_the_request_is_told_where_it_is_not_the_plain_one() -> None:
    said = ruling("RESP-01", *asks(POST, SILENCE), contract=CONTRACT)
    assert isinstance(said, Finding)
    assert said.got == "POST /echo: A got not a byte"
