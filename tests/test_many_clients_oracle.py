"""RESP-18 on made-up transcripts: only bytes of another client count, never an answer that is merely cut short."""

from collections.abc import Mapping

import pytest

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Receive, Send, scenario
from gatecrash.model.transcript import Connected, Ended, Event, Got, Silent, Transcript
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
