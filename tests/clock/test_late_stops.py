"""A task that does not stop in time is let go when it does: it goes on as if nobody had asked it to."""

from __future__ import annotations

import os
import signal

import pytest

from gatecrash.instruments import procfs
from gatecrash.instruments.clock import calls, expiry
from gatecrash.instruments.clock.calls import executed
from gatecrash.instruments.clock.expiry import Expiry
from gatecrash.model.processes import Task
from tests.clock.conftest import Start
from tests.clock.skipping import Skipping

#: Who has called vfork(2) stops for nobody until its child ends; this one ends when it is told to.
VFORKS = r"""
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
    sigset_t user;
    sigemptyset(&user);
    sigaddset(&user, SIGUSR1);
    sigprocmask(SIG_BLOCK, &user, NULL);
    if (write(1, "waits\n", 6) != 6) return 1;
    pid_t child = vfork();
    if (child == 0) {
        sigwaitinfo(&user, NULL);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    puts("goes on");
    return 0;
}
"""


@pytest.fixture
def vforked(start: Start, monkeypatch: pytest.MonkeyPatch) -> tuple[Skipping, Task]:
    """The program and its task that cannot stop; little patience with it."""
    for module in (expiry, calls):
        monkeypatch.setattr(module, "_WITHIN", 0.05)
    program = start(c=VFORKS)
    program.says("waits")
    program.until(lambda: parent_in_vfork(program), "it has a child")
    found = parent_in_vfork(program)
    assert found is not None
    return program, found


def parent_in_vfork(program: Skipping) -> Task | None:
    tasks = program.census.tasks()
    mine = (task for task in tasks if task.tid == program.process.pid and task.state == "D")
    return next(mine, None) if len(tasks) == 2 else None


def ends_once_let_go(program: Skipping, task: Task, late: Expiry) -> None:
    """Its child ends, so it stops; and goes on when those that are late are let go."""
    child = next(one.pid for one in program.census.tasks() if one.pid != task.pid)
    os.kill(child, signal.SIGUSR1)
    program.until(lambda: procfs.read(f"/proc/{task.pid}/stat").rpartition(b") ")[2][:1] == b"t", "it stops")
    assert "goes on" not in program.said()
    late.let_late_ones_go()
    program.says("goes on")
    program.until(lambda: program.process.exit_status() is not None, "it ends")


def test_a_wait_whose_task_does_not_stop_has_not_ended(vforked: tuple[Skipping, Task]) -> None:
    program, task = vforked
    ending = Expiry()
    assert not ending.expire(task, lambda: pytest.fail("nothing was let expire"))
    ending.let_late_ones_go()  # it has not stopped yet, and is not forgotten
    ends_once_let_go(program, task, ending)


def test_who_stops_too_late_to_be_given_a_clock_executes_its_program(vforked: tuple[Skipping, Task]) -> None:
    program, task = vforked
    ending = Expiry()
    answered: list[int] = []

    def respond(id: int, *, value: int = 0, error: int = 0, flags: int = 0) -> bool:
        answered.append(id)
        return True

    executed(lambda: 0, ending.too_late)(7, task.tid, (), respond)
    assert answered == [7]
    ends_once_let_go(program, task, ending)
