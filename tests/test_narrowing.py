"""Smaller scenarios: one client of a crowd, and less of what it says."""

from __future__ import annotations

from gatecrash.engine.shrinking import fewer_segments, smaller
from gatecrash.model.scenario import (
    Close,
    Connect,
    Freeze,
    HalfClose,
    Reset,
    Send,
    SendDatagram,
    Settle,
    Step,
    scenario,
)


def test_each_client_is_tried_alone_with_the_looks_it_needs() -> None:
    crowd = scenario(
        Freeze("parent"),
        *((Connect(name), Send(name, b"x"), Settle("said"), Close(name)) for name in "AB"),
        Settle("left"),
    )
    alone = scenario(Freeze("parent"), Connect("A"), Send("A", b"x"), Settle("said"), Close("A"), Settle("left"))
    assert list(smaller(crowd)) == [alone, alone]


def test_what_a_client_says_is_cut_by_half_first_and_by_a_byte_last() -> None:
    lone = scenario(Connect("A"), Send("A", b"0123456789" * 10), Close("A"))
    assert [len(step.data) for played in smaller(lone) for step in played.steps if isinstance(step, Send)] == [
        50,
        75,
        87,
        99,
    ]


def test_datagrams_are_cut_as_well() -> None:
    assert len(list(smaller(scenario(SendDatagram("A", b"0123456789"))))) == 4


def test_what_is_small_already_is_left_alone() -> None:
    assert list(smaller(scenario(Connect("A"), Send("A", b"x"), Close("A")))) == []


def test_many_segments_become_two_of_the_same_bytes() -> None:
    cut = scenario(Connect("A"), *(Send("A", b"%d" % digit) for digit in range(6)), Close("A"))
    sends = [[step.data for step in played.steps if isinstance(step, Send)] for played in fewer_segments(cut)]
    assert sends == [[b"0", b"12345"], [b"01234", b"5"], [b"012", b"345"]]


def test_two_segments_are_as_few_as_they_get() -> None:
    assert list(fewer_segments(scenario(Connect("A"), Send("A", b"0"), Send("A", b"1"), Send("B", b"2")))) == []


def test_what_a_client_does_when_it_has_left_is_left_out() -> None:
    gone = (Connect("A"), Close("A"), Settle("left"))
    twice = scenario(*gone, Close("A"), Connect("Z"), Close("Z"))
    assert list(fewer_segments(twice)) == [scenario(*gone, Connect("Z"), Close("Z"))]


def test_a_reset_is_tried_without_the_half_close_before_it() -> None:
    resets = scenario(Connect("A"), HalfClose("A"), Reset("A"))
    assert list(fewer_segments(resets)) == [scenario(Connect("A"), Reset("A"))]
    assert list(fewer_segments(scenario(Connect("A"), HalfClose("A"), Settle("here"), Reset("A")))) == []


def test_of_a_crowd_of_several_kinds_one_is_tried() -> None:
    def kind(said: bytes, names: str) -> list[Step]:
        return [step for name in names for step in (Connect(name), Send(name, said), Close(name))]

    crowd = scenario(*kind(b"x", "ABCDEFGH"), *kind(b"y", "IJKLMNOP"), Settle("left"))
    of_one_kind = [scenario(*kind(b"x", "ABCDEFGH"), Settle("left")), scenario(*kind(b"y", "IJKLMNOP"), Settle("left"))]
    assert list(fewer_segments(crowd)) == of_one_kind
    assert list(fewer_segments(of_one_kind[0])) == []
