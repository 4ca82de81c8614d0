"""Brokers are forked from one process of the tester's, which nobody has to be kind to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gatecrash.sandbox import cgroups
from gatecrash.sandbox.arena import Arena


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _server_of(arena: Arena) -> int:
    """The fork server: what below this process the broker comes from."""
    pid = arena.broker_pid
    while _parent(pid) != os.getpid():
        pid = _parent(pid)
    return pid


def test_all_arenas_of_a_process_come_from_one_fork_server() -> None:
    with Arena.open(kind="loopback") as one, Arena.open(kind="loopback") as other:
        assert one.broker_pid != other.broker_pid
        assert _server_of(one) == _server_of(other)


def test_an_arena_lives_on_without_the_fork_server_and_the_next_gets_another_one() -> None:
    with Arena.open(kind="loopback") as arena:
        first = _server_of(arena)
        os.kill(first, signal.SIGKILL)
        arena.clear()
        with Arena.open(kind="loopback") as following:
            assert _server_of(following) != first
            following.clear()
        arena.clear()


def test_a_forked_process_has_a_fork_server_of_its_own() -> None:
    with Arena.open(kind="loopback") as arena:
        mine = _server_of(arena)
        child = os.fork()
        if child == 0:
            with Arena.open(kind="loopback") as theirs:
                os._exit(0 if _server_of(theirs) != mine else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        arena.clear()


def test_threads_that_open_arenas_at_once_get_one_each() -> None:
    arenas: list[Arena] = []
    threads = [threading.Thread(target=lambda: arenas.append(Arena.open(kind="loopback"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len({arena.broker_pid for arena in arenas}) == len(threads)
        for arena in arenas:
            arena.clear()
    finally:
        for arena in arenas:
            arena.close()


def test_no_fork_server_is_left_when_its_process_has_ended() -> None:
    program = """
import os
from gatecrash.sandbox.arena import Arena
Arena.open(kind="loopback").close()
print(open(f"/proc/self/task/{os.getpid()}/children").read())
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stderr == ""
    (pid,) = map(int, said.stdout.split())
    assert not Path(f"/proc/{pid}").exists()


def test_a_child_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy of a process with threads may wait for one of them for ever."""
    monkeypatch.setattr(cgroups, "_CHILD_MS", 20)
    stuck = subprocess.Popen([sys.executable, "-S", "-c", "import signal; signal.pause()"])
    cgroups._end_unless_ended(stuck.pid)
    assert stuck.wait(timeout=10) == -signal.SIGKILL
