"""Echo payloads, datagrams and conversations: in their bounds, and rich in what breaks string functions."""

from __future__ import annotations

import pytest
from hypothesis import find, given, settings

from gatecrash.errors import UsageError
from gatecrash.model.scenario import (
    Close,
    Connect,
    Freeze,
    HalfClose,
    Receive,
    ReceiveDatagrams,
    Scenario,
    Send,
    SendDatagram,
    SmallBuffers,
    Thaw,
    scenario,
)
from strategies import (
    all_queued,
    answered_in_turn,
    datagrams,
    echo_payloads,
    echoed,
    pipelines,
    slow_readers,
    two_slow_readers,
)

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
QUIET = settings(max_examples=100, database=None, deadline=None, derandomize=True)


@settings(QUIET, max_examples=40)
@given(echo_payloads(max_size=1000))
def test_payloads_are_never_empty_and_keep_their_bound(payload: bytes) -> None:
    assert 1 <= len(payload) <= 1000


def test_the_largest_payload_is_drawn() -> None:
    assert len(find(echo_payloads(max_size=999), lambda p: len(p) == 999, settings=QUIET)) == 999


def test_strlen_is_found_with_a_single_nul() -> None:
    assert find(echo_payloads(), lambda payload: b"\x00" in payload, settings=QUIET) == b"\x00"


def test_a_server_that_waits_for_a_newline_is_found_with_one_letter() -> None:
    assert find(echo_payloads(), lambda payload: b"\n" not in payload, settings=QUIET) == b"a"


def test_a_server_that_decodes_utf_8_is_found_with_one_byte() -> None:
    def is_no_text(payload: bytes) -> bool:
        return "\ufffd" in payload.decode(errors="replace")

    assert find(echo_payloads(), is_no_text, settings=QUIET) == b"\xc3"


def test_a_buffer_of_1024_bytes_is_found_one_byte_behind() -> None:
    assert len(find(echo_payloads(), lambda payload: len(payload) > 1024, settings=QUIET)) == 1025


def test_an_empty_datagram_is_a_datagram_unless_told_otherwise() -> None:
    assert find(datagrams(), lambda _: True, settings=QUIET) == b""
    assert find(datagrams(empty=False), lambda _: True, settings=QUIET) == b"a"


def test_the_largest_datagram_is_udps_own() -> None:
    assert find(datagrams(max_size=65507).map(len), lambda size: size > 65506, settings=QUIET) == 65507
    with pytest.raises(UsageError, match="UDP's largest datagram is -1"):
        datagrams(max_size=65508)


def test_every_message_is_echoed_before_the_next_and_the_client_ends_first() -> None:
    one, two = (Send("A", b"one"), Receive("A")), (Send("A", b"two"), Receive("A"))
    assert echoed([b"one", b"two"]) == scenario(Connect("A"), one, two, HalfClose("A"), Receive("A", "end"))


def test_datagrams_are_answered_in_turn_or_wait_for_a_frozen_server() -> None:
    sent = [("A", b"1"), ("B", b"2"), ("A", b"3")]
    first, second, third = (SendDatagram(name, data) for name, data in sent)
    takes_a, takes_b = ReceiveDatagrams("A"), ReceiveDatagrams("B")
    assert answered_in_turn(sent) == scenario(first, takes_a, second, takes_b, third, takes_a)
    readers = (ReceiveDatagrams("A", None), ReceiveDatagrams("B", None))
    assert all_queued(sent) == scenario(Freeze(), first, second, third, Thaw(), readers)


@settings(QUIET, max_examples=40)
@given(pipelines([REQUEST, REQUEST.replace(b"/", b"/2", 1), REQUEST]))
def test_a_pipeline_waits_for_no_answer_between_its_requests(played: Scenario) -> None:
    sends = [step for step in played.steps if isinstance(step, Send)]
    assert played.sent_by("A").count(b"Host") in (2, 3)
    assert not sends[-1].until_read
    assert not any(isinstance(step, Receive) for step in played.steps[:-1])
    assert played.steps[-1] == Receive("A")


@settings(QUIET, max_examples=40)
@given(slow_readers(REQUEST, reads=4))
def test_a_slow_reader_takes_small_bites_and_then_the_rest(played: Scenario) -> None:
    small, connect, send, *bites, rest = played.steps
    assert (small, connect, rest) == (SmallBuffers(), Connect("A", small_window=True), Receive("A"))
    assert isinstance(send, Send)
    assert all(isinstance(bite, Receive) and bite.at_most is not None for bite in bites)
    assert 1 <= len(bites) <= 4


def test_two_slow_readers_have_answers_under_way_at_once() -> None:
    steps = list(two_slow_readers(REQUEST).steps)
    asked = [steps.index(Send(name, REQUEST, until_read=False)) for name in ("A", "B")]
    assert asked[0] < steps.index(Receive("A", at_most=1)) < asked[1] < steps.index(Receive("A"))
    assert steps.index(Close("A")) < steps.index(Receive("B", at_most=1)) < steps.index(Receive("B"))
