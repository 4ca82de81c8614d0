"""Echo payloads, datagrams and conversations: in their bounds, and rich in what breaks string functions."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import find, given, settings

from gatecrash.errors import UsageError
from gatecrash.model.scenario import (
    Connect,
    Freeze,
    HalfClose,
    Receive,
    ReceiveDatagrams,
    Scenario,
    Send,
    SendDatagram,
    Thaw,
)
from strategies import (
    datagram_conversations,
    datagrams,
    echo_conversations,
    echo_payloads,
    pipelines,
    slow_readers,
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


@settings(QUIET, max_examples=40)
@given(echo_conversations(rounds=3))
def test_every_message_is_echoed_before_the_next_and_the_client_ends_first(scenario: Scenario) -> None:
    assert scenario.steps[0] == Connect("A")
    assert scenario.steps[-2:] == (HalfClose("A"), Receive("A", "end"))
    assert 1 <= scenario.steps.count(Receive("A")) <= 3
    assert all(isinstance(step, Send | Receive) for step in scenario.steps[1:-2])


def test_a_stale_tail_is_found_with_two_short_messages() -> None:
    def long_then_short(scenario: Scenario) -> bool:
        sizes = [len(step.data) for step in scenario.steps if isinstance(step, Send)]
        return any(one > other for one, other in pairwise(sizes))

    smallest = find(echo_conversations(), long_then_short, settings=QUIET)
    assert len(smallest.sent_by("A")) <= 4


@settings(QUIET, max_examples=40)
@given(datagram_conversations())
def test_a_frozen_server_is_thawed_and_everybody_looks_for_answers(scenario: Scenario) -> None:
    senders = Counter(step.client for step in scenario.steps if isinstance(step, SendDatagram))
    last_looks = {s.client for s in scenario.steps if isinstance(s, ReceiveDatagrams) and s.count is None}
    assert set(senders) == last_looks
    assert Freeze() not in scenario.steps or Thaw() in scenario.steps


@settings(QUIET, max_examples=40)
@given(datagram_conversations(max_size=65507, size=8))
def test_what_waits_in_a_frozen_servers_buffer_fits_in(scenario: Scenario) -> None:
    if Freeze() in scenario.steps:
        assert sum(len(s.data) + 1024 for s in scenario.steps if isinstance(s, SendDatagram)) < 100_000


def test_two_senders_waiting_at_once_are_found() -> None:
    smallest = find(datagram_conversations(), lambda s: Freeze() in s.steps and len(s.clients) == 2, settings=QUIET)
    assert sum(isinstance(step, SendDatagram) for step in smallest.steps) == 2


@settings(QUIET, max_examples=40)
@given(pipelines([REQUEST, REQUEST.replace(b"/", b"/2", 1), REQUEST]))
def test_a_pipeline_waits_for_nothing_between_its_requests(scenario: Scenario) -> None:
    sends = [step for step in scenario.steps if isinstance(step, Send)]
    assert scenario.sent_by("A").count(b"Host") in (2, 3)
    assert not any(step.until_read for step in sends)
    assert scenario.steps[-1] == Receive("A")


@settings(QUIET, max_examples=40)
@given(slow_readers(REQUEST, reads=4))
def test_a_slow_reader_takes_small_bites_and_then_the_rest(scenario: Scenario) -> None:
    connect, send, *bites, rest = scenario.steps
    assert (connect, rest) == (Connect("A", small_window=True), Receive("A"))
    assert isinstance(send, Send)
    assert all(isinstance(bite, Receive) and bite.at_most is not None for bite in bites)
    assert 1 <= len(bites) <= 4
