"""Signals are told by their names."""

from __future__ import annotations

import signal

import pytest

from gatecrash.diagrams.phrases import death
from gatecrash.model.signals import signal_name, status_named
from gatecrash.model.transcript import CrashedProcess, ServerEnded, Started


@pytest.mark.parametrize(
    ("number", "name"),
    [(13, "SIGPIPE"), (11, "SIGSEGV"), (int(signal.SIGRTMIN) + 2, "SIGRTMIN+2"), (400, "signal 400")],
)
def test_a_signal_has_a_name(number: int, name: str) -> None:
    assert signal_name(number) == name
    assert ServerEnded(1, -number).line() == f"the server was ended by {name}"
    assert CrashedProcess(1, 7, number).line() == f"process 7 of the server was ended by {name}"
    assert death(-number) == f"killed by {name}"


def test_a_shells_status_names_the_signal_that_it_means() -> None:
    assert status_named(139) == "139 (128 + 11: SIGSEGV)"
    assert ServerEnded(1, 141).line() == "the server exited with status 141 (128 + 13: SIGPIPE)"


@pytest.mark.parametrize("status", [0, 1, 127, 128, 200, 255])
def test_other_statuses_are_numbers(status: int) -> None:
    assert status_named(status) == str(status)


def test_a_start_that_a_signal_ended_names_it() -> None:
    said = Started(1, "restart", listening=False, ports=(), status=-6, output="").line()
    assert said.endswith("server was ended by SIGABRT")
