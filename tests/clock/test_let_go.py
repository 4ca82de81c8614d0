"""A task that was stopped and is killed as it stands: its parent gets to know of its end when it is let go."""

from __future__ import annotations

import os
import signal

import pytest

from gatecrash.model.processes import Task
from gatecrash.sandbox import tracing
from tests.clock.conftest import Start
from tests.clock.skipping import Skipping

#: Its child waits to be killed.
BURIES = r"""
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
    pid_t child = fork();
    if (child == 0) {
        if (write(1, "waits\n", 6) != 6) _exit(1);
        for (;;) pause();
    }
    if (waitpid(child, NULL, 0) == child) puts("buried");
    return 0;
}
"""


@pytest.fixture
def parent(start: Start) -> tuple[Skipping, Task]:
    """The program, and its child."""
    program = start(c=BURIES)
    program.says("waits")
    return program, next(task for task in program.census.tasks() if task.pid != program.process.pid)


def test_one_that_was_killed_as_it_stood_is_buried(parent: tuple[Skipping, Task]) -> None:
    program, child = parent
    tracing.ptrace(tracing.SEIZE, child.tid)
    tracing.ptrace(tracing.INTERRUPT, child.tid)
    assert tracing.stopped(child.tid, within=10.0) is not None
    os.kill(child.pid, signal.SIGKILL)
    tracing.let_go(child.tid)
    program.says("buried")


def test_one_that_was_never_stopped_goes_on(parent: tuple[Skipping, Task]) -> None:
    program, child = parent
    tracing.ptrace(tracing.SEIZE, child.tid)
    tracing.let_go(child.tid)
    os.kill(child.pid, signal.SIGKILL)
    program.says("buried")


def test_one_whose_end_was_told_is_not_waited_for(parent: tuple[Skipping, Task]) -> None:
    program, child = parent
    tracing.ptrace(tracing.SEIZE, child.tid)
    os.kill(child.pid, signal.SIGKILL)
    assert tracing.stopped(child.tid, within=10.0) == signal.SIGKILL
    tracing.let_go(child.tid)
    program.says("buried")
