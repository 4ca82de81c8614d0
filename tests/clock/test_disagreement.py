"""Who asks again for less is made to wait now and then: whether that is why it asks for less tells what it goes by."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gatecrash.instruments.clock.disagreement import Disbelief

TASK = 7
A_ROUND = 0.001  # seconds that the tester takes for one


def rounds(less: Callable[[int, float], float], most: int = 60, span: float = 30.0) -> int | None:
    """In which of its waits a task is found that asks for `less(round, seconds that really passed)` each time."""
    disbelief, now, first = Disbelief(), 100.0, span
    for number in range(most):
        began, now = now, now + A_ROUND + disbelief.hold(TASK)
        if disbelief.given(TASK, "poll", span, began):
            return number
        span -= less(number, now - began)
        if span <= 0:
            span = first
    return None


@pytest.mark.parametrize("seconds", [1.0, 1.1, 5.0, 100.0, 400.0], ids=lambda one: f"{one:g} for one")
def test_who_counts_another_clock_is_found_whatever_it_takes_for_a_second(seconds: float) -> None:
    found = rounds(lambda _, passed: seconds * passed)
    assert found is not None
    assert found < 20


@pytest.mark.parametrize(
    "less",
    [
        lambda _, passed: 0.1,
        lambda number, passed: 0.01 * number,
        lambda number, passed: 0.2 if number % 3 else 0.0,
        lambda _, passed: 0.0,
        lambda _, passed: 30.0,
    ],
    ids=["a tenth less", "ever less", "less but for each third", "the same", "a wait of its own"],
)
def test_who_asks_for_less_for_its_own_reasons_is_believed(less: Callable[[int, float], float]) -> None:
    assert rounds(less) is None
