"""The descriptors that a task is on, by its call."""

from __future__ import annotations

import pytest

from gatecrash.instruments.blocked import waits_on
from gatecrash.model.processes import Task


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("read", (4,)),
        ("sendfile", (4,)),  # it fills the first of its two
        ("splice", (4, 6)),
        ("tee", (4, 5)),
        ("accept4", (4,)),
        ("clock_nanosleep", ()),
        ("wait4", ()),
    ],
)
def test_who_waits_on_what(call: str, expected: tuple[int, ...]) -> None:
    task = Task(9, 9, "S", call, (4, 5, 6, 7, 8, 9), 0, 0, 0, False, None)
    assert waits_on(task) == expected


def test_a_register_has_more_bits_than_a_descriptor() -> None:
    task = Task(9, 9, "S", "splice", (0xFFFFFFFF00000004, 0, 6, 0, 0, 0), 0, 0, 0, False, None)
    assert waits_on(task) == (4, 6)
