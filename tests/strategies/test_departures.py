"""Departures: every phase and kind comes, and each is what its name says."""

from __future__ import annotations

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from gatecrash.errors import UsageError
from gatecrash.model.scenario import (
    AwaitHeld,
    Close,
    Connect,
    HalfClose,
    Hold,
    Receive,
    Release,
    Reset,
    Scenario,
    Send,
    Settle,
    Step,
    scenario,
)
from strategies import KINDS, PHASES, departures

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
QUIET = settings(max_examples=50, database=None, deadline=None, derandomize=True)


def smallest(phase: str, kind: str, *, gates: bool = True) -> tuple[Step, ...]:
    strategy = departures(REQUEST, phases=[phase], kinds=[kind], gates=gates)
    return find(strategy, lambda _: True, settings=QUIET)


@pytest.mark.parametrize(
    ("phase", "kind", "steps"),
    [
        ("queue", "reset", (Connect("A"), Reset("A"))),
        ("before", "close", (Connect("A"), Settle("accepted"), Close("A"))),
        ("mid-request", "close", (Connect("A"), Send("A", b"G"), Close("A"))),
        ("mid-request", "vanish", (Connect("A"), Send("A", b"G"))),
        ("after-request", "half-close", (Connect("A"), Send("A", REQUEST), HalfClose("A"), Receive("A", "silence"))),
        ("after-request", "half-close-reset", (Connect("A"), Send("A", REQUEST), HalfClose("A"), Reset("A"))),
        (
            "mid-response",
            "reset",
            (Hold("send"), Connect("A"), Send("A", REQUEST), AwaitHeld(), Reset("A"), Release()),
        ),
    ],
)
def test_each_departure_is_what_its_name_says(phase: str, kind: str, steps: tuple[Step, ...]) -> None:
    assert smallest(phase, kind) == steps


def test_without_gates_the_middle_of_the_answer_is_behind_its_first_byte() -> None:
    steps = smallest("mid-response", "close", gates=False)
    assert steps == (Connect("A"), Send("A", REQUEST), Receive("A", at_most=1), Close("A"))
    assert scenario(steps).traps == frozenset()


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", KINDS)
def test_all_departures_say_no_more_than_the_request_and_then_leave(phase: str, kind: str) -> None:
    @settings(QUIET, max_examples=10)
    @given(departures(REQUEST, phases=[phase], kinds=[kind], client="Z"))
    def holds(steps: tuple[Step, ...]) -> None:
        played: Scenario = scenario(steps)
        assert played.clients == ("Z",)
        assert REQUEST.startswith(played.sent_by("Z"))
        assert not isinstance(steps[0], Send)

    holds()


@settings(QUIET, max_examples=40)
@given(st.data(), st.sampled_from([b"ab", REQUEST, b"x" * 3000]))
def test_mid_request_is_neither_nothing_nor_all(data: st.DataObject, request: bytes) -> None:
    steps = data.draw(departures(request, phases=["mid-request"]))
    assert 0 < len(scenario(steps).sent_by("A")) < len(request)


def test_a_reset_in_the_middle_of_an_answer_is_among_all_departures() -> None:
    steps = find(departures(REQUEST), lambda steps: Hold("send") in steps and Reset("A") in steps, settings=QUIET)
    assert AwaitHeld() in steps


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"phases": ["later"]}, "phases has the unknown 'later'; choose from queue, before"),
        ({"kinds": []}, "kinds is empty; choose from close, reset"),
    ],
)
def test_unknown_phases_and_kinds_are_refused(options: dict[str, list[str]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        departures(REQUEST, **options)  # type: ignore[arg-type]  # the mistake is the point
