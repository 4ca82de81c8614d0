"""The rules of several clients at once, on transcripts made by hand."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gatecrash.model.scenario import Send, Settle
from gatecrash.model.transcript import ClientSide, Event, Looked, NotSent, Sent, Still
from gatecrash.model.verdicts import Case, Finding, NotExercised, Plain, Ruling
from gatecrash.oracles import oracle_of
from strategies import distinct_requests
from tests.oracles.answering import CONTRACT, FIN, OK, SILENCE, UNPROVEN, answer, gets, here, kind, looks, says, seen
from tests.sequences import Part, look

NAMES = "ABC"
PAGE, HEAD, MISSING, POST = range(4)
ASKED = {name: distinct_requests("/", name, post_path="/") for name in NAMES}
REFUSED = answer(b"no", status="404 Not Found")


def own(name: str) -> bytes:
    """What a POST of this client is answered: its own body."""
    return answer(f"gatecrash-of-{name}-".encode())


ALONE = {
    request: got
    for name in NAMES
    for request, got in zip(ASKED[name], (OK, OK[:-2], REFUSED, own(name)), strict=True)
}  # fmt: skip


def judged(rule: str, parts: list[Part], plain: Mapping[bytes, bytes] = ALONE) -> Ruling:
    known = {sent: Plain(got, None, answered=True) for sent, got in plain.items()}
    return oracle_of(rule)(Case(seen(*parts), CONTRACT, known))


def interleaved(first: int, second: int, *came: Event | bytes, between: bool = True) -> list[Part]:
    """A sends its request in two parts, B the whole of its own between them, or behind; A, then B get these."""
    a, b = ASKED["A"][first], ASKED["B"][second]
    late, other = says(a[9:]), says(b, "B")
    return [
        here(),
        says(a[:9]),
        here("B"),
        *((other, late) if between else (late, other)),
        *(gets(one, client=name) for one, name in zip(came, NAMES, strict=False)),
    ]


@pytest.mark.parametrize("rule", ["RESP-18", "RESP-19"])
@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([], id="nothing"),
        pytest.param([here(), here("B"), looks("rest", "restless")], id="connections and a restless look"),
        pytest.param(interleaved(PAGE, MISSING), id="nobody who reads"),
        pytest.param(interleaved(PAGE, MISSING, UNPROVEN, UNPROVEN), id="no answers in time"),
    ],
)
def test_nothing_is_said_where_nobody_was_answered(rule: str, parts: list[Part]) -> None:
    said = judged(rule, parts)
    assert kind(said).startswith("unseen")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        pytest.param(interleaved(PAGE, MISSING, OK, REFUSED), "held", id="each gets its own"),
        pytest.param(interleaved(POST, PAGE, own("A"), OK), "held", id="a mark comes back to its sender"),
        pytest.param(interleaved(PAGE, MISSING, OK, REFUSED, between=False), "unseen", id="one after the other"),
        pytest.param(interleaved(PAGE, HEAD, OK, OK[:-2]), "unseen", id="answers that tell nobody apart"),
        pytest.param(interleaved(PAGE, MISSING, SILENCE, SILENCE), "unseen", id="nobody is answered"),
        pytest.param(interleaved(PAGE, MISSING, REFUSED, REFUSED), "broken", id="A gets what is B's"),
        pytest.param(interleaved(POST, POST, own("B"), own("B")), "broken", id="A gets the mark of B"),
    ],
)
def test_answers_are_not_mixed(parts: list[Part], said: str) -> None:
    assert kind(judged("RESP-18", parts)) == said


def test_where_all_get_the_same_nothing_could_be_mixed() -> None:
    same = dict.fromkeys(ALONE, OK)
    assert kind(judged("RESP-18", interleaved(PAGE, MISSING, OK, OK), same)) == "unseen"


def crowd(*came: list[Event | bytes], waiting: str = "", still: Still = "quiet") -> list[Part]:
    """Clients that come at once and see this; at the last look these of them still wait in the accept queue."""
    names = NAMES[: len(came)]
    sides = [ClientSide(name, "ESTABLISHED", name not in waiting, 0, 0, 0, ((7, 4),)) for name in names]
    arrivals = [part for name in names for part in (here(name), says(ASKED[name][PAGE], name, read=None))]
    read = [gets(*events, client=name) for name, events in zip(names, came, strict=True)]
    return [*arrivals, *read, (Settle("rest"), [Looked(0, "rest", look(still=still, connections=sides))])]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        pytest.param(crowd([OK], [OK, FIN]), "held", id="all are answered"),
        pytest.param(crowd([OK], [OK], [FIN]), "held", id="one is refused"),
        pytest.param(crowd([OK], [OK], [answer(status="503 Busy")]), "held", id="one is turned away"),
        pytest.param(crowd([OK], [OK], [SILENCE], waiting="C"), "held", id="one still waits in the queue"),
        pytest.param(crowd([OK], [OK], [SILENCE], waiting="C", still="restless"), "unseen unproven", id="restless"),
        pytest.param(crowd([OK], [FIN]), "unseen", id="one is answered"),
        pytest.param(crowd([OK], [OK], []), "unseen", id="nobody waits for one"),
        pytest.param(crowd([OK]), "unseen", id="one client"),
        pytest.param(crowd([OK], [SILENCE]), "broken", id="one is forgotten"),
        pytest.param(crowd([OK], [UNPROVEN]), "broken unproven", id="one gets nothing in time"),
        pytest.param(crowd([OK], [OK[:-1], FIN]), "broken", id="one is cut off"),
        pytest.param(crowd([OK], [answer(b"ko")]), "broken", id="one gets another page"),
    ],
)
def test_everybody_of_a_crowd_is_answered(parts: list[Part], said: str) -> None:
    assert kind(judged("RESP-19", parts)) == said


def test_without_what_each_gets_alone_nothing_is_compared() -> None:
    assert kind(judged("RESP-19", crowd([OK], [OK]), {})) == "unseen"


def test_who_was_answered_too_early_got_an_answer() -> None:
    a, b = ASKED["A"][PAGE], ASKED["B"][MISSING]
    refused = (Send("A", a[9:]), [NotSent(0, "A", a[9:], "EPIPE")])
    parts = [here(), says(a[:9]), here("B"), says(b, "B"), refused, gets(OK, FIN), gets(OK, FIN, client="B")]
    between = (Send("A", a[9:12]), [Sent(0, "A", a[9:12], False, None)])
    said = judged("RESP-18", [*parts[:4], between, *parts[4:]])
    assert said == NotExercised("A was answered before it had sent everything, and could not send the rest")


@pytest.mark.parametrize(
    ("came", "why"),
    [
        ([[OK], [FIN]], "1 of 2 clients that came at once got a whole answer, so nothing could be mixed up"),
        ([[OK]], "only 1 of 2 clients were connected"),
        (
            [[OK], [answer(status="503 Busy")]],
            "1 of 2 clients that came at once were turned away with status 429 or 503",
        ),
    ],
)
def test_why_nothing_is_said_of_a_crowd(came: list[list[Event | bytes]], why: str) -> None:
    late = (Send("B", b"x"), [NotSent(0, "B", b"x", "ENOTCONN")])
    assert judged("RESP-19", [*crowd(*came), *([late] if len(came) < 2 else [])]) == NotExercised(why)


def test_an_answer_in_bad_form_is_no_measure_and_that_is_said() -> None:
    odd = OK.replace(b"\r\n", b"\n")
    said = judged("RESP-19", crowd([odd], [odd]), dict.fromkeys(ALONE, odd))
    assert isinstance(said, NotExercised)
    assert said.why.startswith("the answer that a lone client gets to GET / has mistakes of its own")


def test_a_forgotten_client_is_named() -> None:
    said = judged("RESP-19", crowd([OK], [SILENCE]))
    assert isinstance(said, Finding)
    assert said.got.startswith("B was accepted and gets no answer")


@pytest.mark.parametrize("rule", ["RESP-18", "RESP-19"])
def test_an_answer_in_chunks_that_is_the_same_for_both_is_nobody_elses(rule: str) -> None:
    """Its body does not stand in what came as it is: the sizes of the chunks lie between its parts."""
    page = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
    plain = {ASKED[name][PAGE]: page for name in NAMES}
    assert not isinstance(judged(rule, interleaved(PAGE, PAGE, page, page), plain), Finding)
