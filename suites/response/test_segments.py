"""How requests and answers travel: in any segments, of any size, with short writes and slow readers."""

from collections.abc import Sequence

import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    Receive,
    Scenario,
    Send,
    Settle,
    Shorten,
    Step,
    scenario,
)
from gatecrash.protocols.http import MISSING, get_request
from strategies import http_requests, segmentations, segmented_requests, slow_readers, two_slow_readers
from strategies.requests import PLACES, SIZES, filled_request
from strategies.segments import in_segments

#: Seconds: a server that looks round now and then is not waited for.
_MOMENT = 0.1
_BODIES = (b"a=1&b=2", b"x" * 1000, b"x" * 5000, b"x" * 70000)
_SMALL_HEAD = 256  # bytes
_SHORT = (1, 2, 7, 12, 16, 40, 100, 1000, 5000)  # bytes that a send takes


@pytest.mark.rule("RESP-02", probe=lambda contract: _in_three(get_request(contract.http.path)))
def test_segments_do_not_matter(trial: Trial) -> None:
    trial.verify(_requests(trial.contract).flatmap(segmented_requests).filter(_is_cut))


@pytest.mark.rule("RESP-03", probe=lambda contract: _with_its_line_alone(get_request(contract.http.path)))
def test_the_answer_waits_for_the_whole_head(trial: Trial) -> None:
    """The server comes to rest after each segment, so that an early answer is early for certain."""
    head = get_request(trial.contract.http.path)
    cut = segmentations(head, max_segments=3, byte_by_byte=False).map(_looking_after_each)
    trial.verify(cut.filter(_is_cut))


@pytest.mark.rule("RESP-11")
def test_a_short_write_is_continued(trial: Trial) -> None:
    paths = [path for path in (trial.contract.http.path, trial.contract.http.large_path) if path is not None]
    drawn = st.tuples(st.sampled_from(paths), st.sampled_from(_SHORT), st.integers(1, 3))
    trial.verify(drawn.map(lambda facts: _short_writes(*facts)))


@pytest.mark.rule("RESP-12")
def test_a_large_request_is_never_hung_on(trial: Trial) -> None:
    drawn = st.tuples(st.sampled_from(SIZES), st.sampled_from(PLACES))
    trial.verify(drawn.map(lambda facts: _large_after_small(trial.contract, *facts)))


@pytest.mark.rule("RESP-13", probe=lambda contract: next(iter(_with_much_unread(contract)), _plainly(contract)))
def test_the_answer_is_not_lost_by_a_reset(trial: Trial) -> None:
    requests = _requests(trial.contract)
    cut_in_two = requests.flatmap(lambda request: segmentations(request, max_segments=2))
    drawn = st.one_of(requests.map(lambda request: (request,)), cut_in_two).map(_read_to_the_end)
    trial.verify(drawn, surely=_with_much_unread(trial.contract))


@pytest.mark.rule("RESP-32")
def test_a_refusal_is_not_lost_by_a_reset(trial: Trial) -> None:
    paths, bodies = st.sampled_from((MISSING, trial.contract.http.path)), st.sampled_from(_BODIES)
    refused = st.builds(_with_a_body, st.sampled_from(("POST", "PUT")), paths, bodies)
    *_, larger, largest = _BODIES
    surely = (_with_a_body("POST", MISSING, larger), _with_a_body("POST", MISSING, largest), _in_one_chunk(largest))
    trial.verify(refused.map(_whole), examples=8, surely=[_whole(request) for request in surely])


@pytest.mark.rule("RESP-28", probe=lambda contract: two_slow_readers(_large(contract)))
def test_a_slow_reader_gets_everything(trial: Trial) -> None:
    trial.verify(slow_readers(_large(trial.contract)))


def _large(contract: Contract) -> bytes:
    return get_request(contract.http.large_path or contract.http.path)


def _requests(contract: Contract) -> SearchStrategy[bytes]:
    """GET in several dresses, and POST with a body where it is taken."""
    asks = http_requests(path=contract.http.path, methods=("GET", "HEAD"), max_fields=2)
    bodies = st.sampled_from(_BODIES).map(lambda body: _post(contract, body))
    return st.one_of(asks, bodies) if contract.http.post_path is not None else asks


def _post(contract: Contract, body: bytes) -> bytes:
    return _with_a_body("POST", str(contract.http.post_path), body)


def _with_a_body(method: str, path: str, body: bytes) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _in_one_chunk(body: bytes) -> bytes:
    """RFC 9112 7.1. Who knows no chunks refuses it when all of its head is there (6.1: 501)."""
    head = f"POST {MISSING} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n"
    return head.encode() + body + b"\r\n0\r\n\r\n"


def _whole(request: bytes) -> Scenario:
    return _read_to_the_end((request,))


def _plainly(contract: Contract) -> Scenario:
    return _whole(get_request(contract.http.path))


def _with_much_unread(contract: Contract) -> list[Scenario]:
    """A body that comes behind its head, and one that no buffer holds."""
    if contract.http.post_path is None:
        return []
    request, large = _post(contract, _BODIES[1]), _post(contract, _BODIES[-1])
    head = request.index(b"\r\n\r\n") + 4
    return [_read_to_the_end((request[:head], request[head:])), _read_to_the_end((large,))]


def _in_three(request: bytes) -> Scenario:
    """A request cut near its beginning and inside its empty line, each piece read before the next is sent."""
    return in_segments((request[:2], request[2:-1], request[-1:]))


def _with_its_line_alone(request: bytes) -> Scenario:
    """A request cut near its beginning and behind its request line."""
    line = request.index(b"\r\n") + 2
    return _looking_after_each((request[:2], request[2:line], request[line:]))


def _is_cut(played: Scenario) -> bool:
    """A request in one segment shows nothing."""
    return sum(isinstance(step, Send) for step in played.steps) > 1


def _looking_after_each(segments: Sequence[bytes]) -> Scenario:
    sends = ((Send("A", segment), Settle(labels.SENT, within=_MOMENT)) for segment in segments)
    return scenario(Connect("A"), *sends, Receive("A"))


def _short_writes(path: str, size: int, times: int) -> Scenario:
    asks = (Connect("A"), Send("A", get_request(path), until_read=False), Receive("A", "announced"))
    return scenario(Shorten(size, times), asks, Settle(labels.ANSWERED, within=_MOMENT))


def _large_after_small(contract: Contract, size: int, place: str) -> Scenario:
    """A has a small head with the same kind of filling: a server that stumbles over that has another mistake."""
    small, large = (filled_request(contract.http.path, "localhost", n, place) for n in (_SMALL_HEAD, size))
    return scenario(_ask("A", small), Close("A"), Settle(labels.BEFORE, within=_MOMENT), _ask("B", large))


def _ask(client: str, request: bytes) -> tuple[Step, ...]:
    return (Connect(client), Send(client, request, until_read=False), Receive(client))


def _read_to_the_end(segments: Sequence[bytes]) -> Scenario:
    sends = (Send("A", segment) for segment in segments[:-1])
    last = Send("A", segments[-1], until_read=False)
    return scenario(Connect("A"), *sends, last, Receive("A", "announced"), Settle(labels.ANSWERED, within=_MOMENT))
