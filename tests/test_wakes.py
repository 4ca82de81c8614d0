"""How often a task wakes, counted from the waits that were let expire."""

from __future__ import annotations

import pytest

from gatecrash.player.wakes import Wakes


def counted(*waits: tuple[int, float | None], at: tuple[float, ...] | None = None) -> Wakes:
    """These waits, each of a task with its length, have ended; `at`: when, by the target's clock."""
    moments = iter(at or tuple(float(number) for number in range(len(waits))))
    wakes = Wakes(lambda: next(moments))
    for tid, whole in waits:
        wakes.note(tid, whole)
    return wakes


def test_a_server_that_does_not_wake_wakes_never() -> None:
    assert counted().most_often(2.0) == 0.0


def test_waits_are_counted_by_their_length_though_some_ended_unseen() -> None:
    assert counted(*[(7, 0.01)] * 64).most_often(None) == pytest.approx(100)
    assert counted(*[(7, 0.1)] * 25).most_often(2.0) == pytest.approx(10)


def test_a_few_short_waits_are_no_habit() -> None:
    assert counted(*[(7, 0.01)] * 5).most_often(2.0) == pytest.approx(2.5)
    assert counted(*[(7, 0.01)] * 5).most_often(None) == 0.0


def test_each_task_counts_for_itself() -> None:
    assert counted(*[(tid, 1.0) for tid in range(64)]).most_often(None) == 0.0
    assert counted(*[(tid, 1.0) for tid in range(40)] * 2).most_often(2.0) == pytest.approx(1)


def test_of_waits_until_a_moment_the_time_between_them_counts() -> None:
    wakes = counted(*[(7, None)] * 21, at=tuple(0.05 * number for number in range(21)))
    assert wakes.most_often(None) == pytest.approx(20)
