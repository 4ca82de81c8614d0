"""What share of its time a task has wanted a processor: its own time, in which what was skipped has passed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gatecrash.instruments.real_time.ticks import Ticks
from gatecrash.instruments.spinning import SPIN_WINDOW, Spinning, SpinWatch
from gatecrash.model.processes import Task


class Program:
    """A program of one task: `busy` seconds on a processor, then `asleep`, which is skipped; and again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, busy: float, asleep: float) -> None:
        self.now = self.skipped = 0.0
        self._busy, self._asleep, self._left = busy, asleep, busy
        monkeypatch.setattr("gatecrash.instruments.spinning.time", SimpleNamespace(monotonic=lambda: self.now))

    def tasks(self) -> tuple[Task, ...]:
        return (Task(1, 1, "R", "running", (), 0, int(self.now * 1e9), 0, False, None),)

    def run(self, seconds: float) -> None:
        self.now += seconds
        self._left -= seconds
        if self._left <= 0:
            self.skipped, self._left = self.skipped + self._asleep, self._busy


def watched(program: Any, least: float, ticks: Ticks) -> tuple[Spinning | None, float]:
    """What is seen in four seconds, and when."""
    watch = SpinWatch(program, ticks, lambda: program.skipped)
    watch.least = least
    began = program.now
    while program.now - began < 4:
        if (seen := watch.look(lambda: "nothing new")) is not None:
            return seen, program.now - began
        program.run(0.02)
    return None, 4.0


@pytest.mark.parametrize(("busy", "asleep", "spins"), [(100.0, 0.0, True), (1.1, 1.0, False), (1.1, 0.05, True)])
def test_what_sleeps_between_is_no_spinning(
    monkeypatch: pytest.MonkeyPatch, busy: float, asleep: float, spins: bool
) -> None:
    seen, _ = watched(Program(monkeypatch, busy, asleep), 2.0, Ticks())
    assert (seen is not None) is spins
    assert seen is None or (round(seen.share, 6) < 1.0) is (asleep > 0)


def test_who_was_seen_to_spin_on_is_seen_by_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    program, ticks = Program(monkeypatch, 100.0, 0.0), Ticks()
    _, first = watched(program, 2.0, ticks)
    _, second = watched(program, 2.0, ticks)
    _, longer = watched(program, 3.0, ticks)
    assert first >= 1.8
    assert SPIN_WINDOW * 0.9 <= second <= 2 * SPIN_WINDOW
    assert longer >= 2.7
