"""RESP-18 on made-up transcripts: only bytes of another client count, never an answer that is merely cut short."""

from collections.abc import Mapping

import pytest

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Receive, Send, scenario
from gatecrash.model.transcript import Connected, Ended, Event, Got, Sent, Silent, Transcript
from gatecrash.model.verdicts import Case, Finding, Plain
from strategies import distinct_requests
from tests.ruling import finding as finding_in

PAGE, HEAD_ONLY, MISSING, POST = range(4)


def answer(body: str, status: str = "200 OK", *, length: int | None = None) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n{body}".encode()


ALONE = {
    PAGE: answer("Hello.\n"),
    HEAD_ONLY: answer("", length=7),
    MISSING: answer("There is no such page.\n", "404 Not Found"),
}


def alone(kind: int, client: str) -> bytes:
    return ALONE[kind] if kind in ALONE else answer(f"gatecrash-of-{client}-")


def judged(
    asked: Mapping[str, int], got: Mapping[str, bytes], *, ended: bool = True, stable: bool = True
) -> Finding | None:
    """The verdict on clients that ask for these kinds of things and get these bytes."""
    requests = {name: distinct_requests("/", name, post_path="/")[kind] for name, kind in asked.items()}
    played = scenario(
        *((Connect(name), Send(name, request)) for name, request in requests.items()),
        (Receive(name) for name in asked),
    )
    events: list[Event] = [Connected(0, name) for name in asked]
    for name, data in got.items():
        events.append(Got(4, name, data))
        events.append(Ended(4, name, "FIN") if ended else Silent(4, name, proven=True, still="quiet"))
    plain = {request: Plain(alone(asked[name], name), "FIN", answered=True) for name, request in requests.items()}
    contract = Contract.of(protocol="http", concurrency="event_loop", post_path="/", stable_body=stable)
    return finding_in("RESP-18", Case(Transcript(played, tuple(events), sent=requests), contract, plain))


def test_the_mark_of_another_client_is_foreign() -> None:
    finding = judged({"A": POST, "B": POST}, {"A": answer("gatecrash-of-B-")})
    assert finding is not None
    assert finding.got == 'A got "gatecrash-of-B-", which B sent'


def misread(sent: bytes, got: bytes, *, first: bytes = b"GET / HT") -> Finding | None:
    """A has sent a part of its request when B asks for the page, and gets this."""
    page = distinct_requests("/", "B", post_path="/")[PAGE]
    steps = (Connect("A"), Send("A", first), Connect("B"), Send("B", sent), Receive("B"), Send("A", page[len(first) :]))
    events: list[Event] = [Connected(0, "A"), Sent(1, "A", first, True, None), Connected(2, "B")]
    events += [Sent(3, "B", sent, True, None), Got(4, "B", got), Ended(4, "B", "FIN")]
    plain = {page: Plain(ALONE[PAGE], "FIN", answered=True)}
    contract = Contract.of(protocol="http", concurrency="event_loop", post_path="/", stable_body=True)
    return finding_in(
        "RESP-18", Case(Transcript(scenario(*steps), tuple(events), sent={"A": first, "B": sent}), contract, plain)
    )


def test_a_whole_request_behind_a_part_of_anothers_is_not_taken_for_a_wrong_one() -> None:
    page = distinct_requests("/", "B", post_path="/")[PAGE]
    finding = misread(page, answer("", "400 Bad Request"))
    assert finding is not None
    assert finding.got == (
        "B got status 400 with 0 bytes of body, when A had sent a part of its request; "
        "alone it gets status 200 with 7 bytes of body"
    )
    assert misread(page, ALONE[PAGE]) is None
    assert misread(page, answer("", "503 Service Unavailable")) is None  # it is busy
    assert misread(page[:9], answer("", "400 Bad Request")) is None  # it was cut itself
    assert misread(page, answer("", "400 Bad Request"), first=page) is None  # nobody's was


def test_what_another_client_gets_alone_is_foreign() -> None:
    finding = judged({"A": PAGE, "B": MISSING}, {"A": ALONE[MISSING], "B": ALONE[MISSING]})
    assert finding is not None
    assert finding.got == (
        "A got what B gets alone, status 404 with 23 bytes of body; alone it gets status 200 with 7 bytes of body"
    )


@pytest.mark.parametrize(
    ("kind", "got"),
    [
        pytest.param(POST, answer("gatecrash-of"), id="a body of which one read() brought half"),
        pytest.param(POST, answer(""), id="a body that one read() did not bring at all"),
        pytest.param(POST, ALONE[PAGE], id="a POST without its body, answered with the page that B gets"),
        pytest.param(POST, answer("gatecrash-of-gatecrash-of-A-"), id="half a body in front of a whole one"),
        pytest.param(PAGE, answer("Hel", length=7), id="an answer that ends too early"),
        pytest.param(PAGE, answer("Bad request.\n", "400 Bad Request"), id="a request cut in its head is refused"),
        pytest.param(PAGE, b"", id="no answer"),
    ],
)
@pytest.mark.parametrize("ended", [True, False])
def test_a_missing_tail_is_not_foreign(kind: int, got: bytes, ended: bool) -> None:
    assert judged({"A": kind, "B": PAGE}, {"A": got, "B": ALONE[PAGE]}, ended=ended) is None


def test_pages_that_change_by_themselves_are_not_compared() -> None:
    assert judged({"A": PAGE, "B": MISSING}, {"A": ALONE[MISSING]}, stable=False) is None


def test_one_page_for_everything_is_everybodys_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ALONE, MISSING, ALONE[PAGE])
    assert judged({"A": PAGE, "B": MISSING}, {"A": ALONE[PAGE], "B": ALONE[PAGE]}) is None
