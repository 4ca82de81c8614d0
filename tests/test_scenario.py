"""Scenarios are plain data: they print one line a step, compare, save and load."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatecrash.errors import UsageError
from gatecrash.model.scenario import STEPS, Connect, Fail, Hold, Reset, Scenario, Send, Shorten, Step, scenario
from gatecrash.text import shown

_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "client": st.sampled_from(["A", "B"]),
    "data": st.binary(max_size=20),
    "until": st.sampled_from(["message", "end", "silence"]),
    "who": st.sampled_from(["parent", "child", "all"]),
    "call": st.sampled_from(["accept", "fork", "send", "recv"]),
    "error": st.sampled_from(["EMFILE", "ECONNABORTED"]),
    "name": st.sampled_from(["SIGTERM", "SIGCHLD"]),
    "label": st.sampled_from(["", "before"]),
    "method": st.just("GET"),
    "path": st.just("/"),
}


def _steps_of(kind: type[Step]) -> st.SearchStrategy[Step]:
    needed = [f for f in fields(kind) if f.default is MISSING]
    return st.builds(kind, **{f.name: _VALUES.get(f.name, st.integers(1, 9)) for f in needed})


_SCENARIOS = st.lists(st.one_of([_steps_of(kind) for kind in STEPS]), max_size=6).map(
    lambda steps: Scenario(tuple(steps))
)


@given(played=_SCENARIOS)
def test_what_is_saved_loads_as_the_same_scenario(played: Scenario) -> None:
    assert Scenario.from_json(json.loads(json.dumps(played.to_json()))) == played


@given(played=_SCENARIOS)
def test_a_scenario_prints_one_printable_line_a_step(played: Scenario) -> None:
    lines = str(played).splitlines()
    assert len(lines) == len(played.steps)
    assert all(line.isprintable() for line in lines)


def test_every_kind_of_step_can_be_loaded_again() -> None:
    assert set(Step.__subclasses__()) == set(STEPS)


def test_every_step_has_a_kind_of_its_own() -> None:
    assert len({step.kind for step in STEPS}) == len(STEPS)


def test_an_unknown_step_is_named_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'warp'.*connect"):
        Scenario.from_json([{"kind": "warp"}])


def test_a_step_with_a_wrong_field_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'connect' does not fit"):
        Scenario.from_json([{"kind": "connect", "klient": "A"}])


def test_hostile_bytes_are_escaped_in_the_line() -> None:
    assert Send("A", b"\x1b[2J\r\n").line() == 'A sends "\\x1b[2J\\r\\n" (6 bytes), waits until it is read'


def test_nothing_is_left_out_where_to_say_so_takes_as_long() -> None:
    for size in range(73, 89):
        assert shown(b"x" * size) == f'"{"x" * size}"'
    assert shown(b"x" * 94) == f'"{"x" * 36}" … 22 bytes … "{"x" * 36}"'
    zeros = "\\x00" * 18
    assert shown(b"\x00" * 80) == f'"{zeros}" … 44 bytes … "{zeros}"'
    assert shown(b"\x00" * 40) == f'"{zeros}\\x00\\x00\\x00\\x00{zeros}"'


def test_a_long_segment_keeps_both_ends_and_counts_the_middle() -> None:
    line = Send("A", b"a" * 40 + b"b" * 1000 + b"c" * 40).line()
    assert "… 1008 bytes …" in line
    assert "aaaa" in line
    assert "cccc" in line


def test_the_calls_to_gate_follow_from_the_steps() -> None:
    assert scenario(Fail("accept", "EMFILE"), Hold("recv"), Shorten(3)).traps == {"accept", "recv", "send"}
    assert scenario(Connect("A"), Reset("A")).traps == frozenset()


def test_the_clients_stand_in_order_of_appearance() -> None:
    assert scenario(Connect("B"), Connect("A"), Send("B", b"x"), Send("B", b"y")).clients == ("B", "A")
    assert scenario(Connect("B"), Send("B", b"x"), Send("B", b"y")).sent_by("B") == b"xy"
