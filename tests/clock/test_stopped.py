"""A tester that stops a process does not make its calls fail."""

from __future__ import annotations

import os
import signal

import pytest

from gatecrash.model.processes import Task
from tests.clock.conftest import Start
from tests.clock.skipping import Skipping

WAITS = r"""
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
int main(void) {
    char buffer[9];
    int pair[2];
    struct timeval limit = {600, 0};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return 1;
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    printf("waits\n");
    fflush(stdout);
    long result = recv(pair[0], buffer, sizeof buffer, 0);
    printf("%ld %s\n", result, errno == EINTR ? "EINTR" : errno == EAGAIN ? "EAGAIN" : "-");
    return 0;
}
"""


def the_task(program: Skipping, state: str, *, call: bool = True) -> Task | None:
    tasks = (task for task in program.census.tasks() if task.state == state)
    return next((task for task in tasks if not call or task.call == "recvfrom"), None)


@pytest.mark.parametrize(("undone", "said"), [(False, "-1 EINTR"), (True, "-1 EAGAIN")])
def test_a_call_on_a_socket_with_a_limit_goes_on_after_a_stop_as_if_there_had_been_none(
    start: Start, undone: bool, said: str
) -> None:
    program = start(c=WAITS)
    program.says("waits")
    program.until(lambda: the_task(program, "S"), "it sleeps in recv")
    os.kill(program.process.pid, signal.SIGSTOP)
    program.until(lambda: the_task(program, "T"), "it is stopped")
    if undone:
        program.clock.stopped([program.process.pid])
        program.until(lambda: the_task(program, "T", call=False), "it is stopped still")
    os.kill(program.process.pid, signal.SIGCONT)
    if undone:
        program.until(lambda: the_task(program, "S"), "it sleeps in recv again")
    assert said in program.run()


POLLS = """
import select, socket, sys
here, there = socket.socketpair()
poller = select.poll()
poller.register(here, select.POLLIN)
print("waits", flush=True)
print("found", len(poller.poll(60_000)))
"""


def test_whoever_is_stopped_finds_that_its_time_is_up_when_it_goes_on(start: Start) -> None:
    program = start(py=POLLS)
    program.says("waits")
    program.until(lambda: program.clock.held(), "it sleeps in poll")
    os.kill(program.process.pid, signal.SIGSTOP)
    program.until(lambda: the_task(program, "T", call=False), "it is stopped")
    program.clock.advance(61.0)
    assert not program.clock.held()
    assert program.clock.expire() is None
    assert program.clock.catch_up() == 0
    os.kill(program.process.pid, signal.SIGCONT)
    assert "found 0" in program.run()
