"""Segmentations: what they are, what they find, and how small a failure becomes."""

from __future__ import annotations

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from gatecrash.errors import UsageError
from gatecrash.model.scenario import Connect, Receive, Scenario, Send
from strategies import segmentations, segmented_requests
from strategies.segments import telling_offsets

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
QUIET = settings(max_examples=100, database=None, deadline=None, derandomize=True)


@settings(QUIET, max_examples=40)
@given(st.data(), st.sampled_from([b"", b"a", b"ab", REQUEST, b"x" * 5000]), st.integers(1, 6))
def test_segments_joined_are_the_payload(data: st.DataObject, payload: bytes, most: int) -> None:
    segments = data.draw(segmentations(payload, max_segments=most))
    assert b"".join(segments) == payload
    assert all(segments) or payload == b""
    assert len(segments) in range(1, most + 1) or len(segments) == len(payload) <= 256


def test_without_a_reason_to_cut_there_is_one_segment() -> None:
    assert find(segmentations(REQUEST), lambda _: True, settings=QUIET) == (REQUEST,)


def test_a_server_that_takes_one_read_for_a_request_is_found_with_one_early_cut() -> None:
    smallest = find(segmentations(REQUEST), lambda segments: len(segments) > 1, settings=QUIET)
    assert smallest == (REQUEST[:1], REQUEST[1:])


def test_a_server_that_wants_the_empty_line_in_one_read_is_found_with_one_cut_inside_it() -> None:
    end = REQUEST.index(b"\r\n\r\n")
    smallest = find(
        segmentations(REQUEST), lambda segments: not any(b"\r\n\r\n" in segment for segment in segments), settings=QUIET
    )
    assert smallest == (REQUEST[: end + 1], REQUEST[end + 1 :])


def test_byte_by_byte_is_drawn() -> None:
    smallest = find(segmentations(REQUEST), lambda segments: len(segments) == len(REQUEST), settings=QUIET)
    assert set(map(len, smallest)) == {1}


def test_a_cut_next_to_a_round_buffer_size_is_found() -> None:
    smallest = find(segmentations(b"x" * 3000), lambda segments: 1023 <= len(segments[0]) <= 1025, settings=QUIET)
    assert list(map(len, smallest)) == [1023, 1977]


def test_offsets_lie_inside_the_payload_and_inside_its_line_ends() -> None:
    offsets = telling_offsets(REQUEST)
    assert set(offsets) <= set(range(1, len(REQUEST)))
    assert {1, 15, len(REQUEST) - 3, len(REQUEST) - 2, len(REQUEST) - 1} <= set(offsets)


def test_a_segmented_request_is_one_clients_whole_story() -> None:
    story = find(segmented_requests(REQUEST, until="end"), lambda _: True, settings=QUIET)
    assert story == Scenario((Connect("A"), Send("A", REQUEST), Receive("A", "end")))


def test_less_than_one_segment_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="max_segments is 0; it has to be 1 or more"):
        segmentations(REQUEST, max_segments=0)
