"""What an echo did not send back as it was: streams and datagrams."""

from __future__ import annotations

import pytest

from gatecrash.protocols import datagram, echo


@pytest.mark.parametrize(
    ("expected", "got", "kind", "offset"),
    [
        (b"hello", b"hel", "missing", 3),
        (b"hello", b"", "missing", 0),
        (b"hello", b"hello\n", "extra", 5),
        (b"a\x00b", b"a\xefb", "changed", 1),
        (b"x" * 100_000 + b"y", b"x" * 100_000 + b"z", "changed", 100_000),
    ],
)
def test_the_first_difference_of_a_stream_is_found(expected: bytes, got: bytes, kind: str, offset: int) -> None:
    found = echo.difference(expected, got)
    assert found is not None
    assert (found.kind, found.offset) == (kind, offset)


def test_equal_streams_do_not_differ() -> None:
    assert echo.difference(b"hello", b"hello") is None


def test_a_stream_is_complete_when_as_many_bytes_came_back() -> None:
    assert not echo.complete(b"hello", b"hell")
    assert echo.complete(b"hello", b"hallo")


def test_datagrams_may_overtake_each_other() -> None:
    assert datagram.difference([b"a", b"b", b"a"], [b"b", b"a", b"a"]) is None


@pytest.mark.parametrize(
    ("expected", "got", "kind", "detail"),
    [
        ([b"a", b""], [b"a"], "missing", None),
        ([b"a"], [b"a", b"a"], "extra", None),
        ([b"long one"], [b"long"], "changed", "missing"),
        ([b"one"], [b"one and more"], "changed", "extra"),
        ([b"one", b"two"], [b"two", b"0ne"], "changed", "changed"),
    ],
)
def test_a_wrong_datagram_is_named(expected: list[bytes], got: list[bytes], kind: str, detail: str | None) -> None:
    found = datagram.difference(expected, got)
    assert found is not None
    assert (found.kind, found.detail and found.detail.kind) == (kind, detail)


def test_differences_speak_in_sentences() -> None:
    other = echo.difference(b"one", b"0ne and more")
    assert other is not None
    assert other.line() == 'byte 0 of what came back is "0", and of what was sent "o"'
    lost, padded = datagram.difference([b""], []), datagram.difference([b"one"], [b"one\n"])
    cut = datagram.difference([b"\0"], [b""])
    assert cut is not None
    assert cut.line().startswith('the answer to "\\x00" (1 byte) is an empty one: 1 byte did not come back')
    assert lost is not None
    assert padded is not None
    assert lost.line() == 'no answer came to the datagram "" (0 bytes)'
    assert padded.line() == 'the answer to "one" (3 bytes) has 4 bytes: 1 byte came that it did not send: "\\n"'
