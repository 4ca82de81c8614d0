"""Copies of a target's descriptors go back at once; a run holds no more of them after a suite than before it."""

from __future__ import annotations

import contextlib
import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.profiles import profile
from gatecrash.engine.session import Session
from gatecrash.engine.suite_run import try_all
from gatecrash.instruments.borrowing import borrowed_socket
from gatecrash.instruments.memory import Gone
from gatecrash.instruments.waits import time_limit
from gatecrash.paths import tree_root
from gatecrash.rulebook import AREAS
from gatecrash.sandbox.arena import Arena
from tests.nursery import Nursery, running_nursery, until

_PIPES = """
import os, socket
reading, writing = os.pipe()
here, there = socket.socketpair()
there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, (7).to_bytes(8, "little") + bytes(8))
os.write(1, b"%d\\n%d\\n%d\\n" % (os.getpid(), reading, there.fileno()))
os.read(reading, 1)
"""


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    yield from running_nursery()


def _held() -> dict[str, str]:
    found: dict[str, str] = {}
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that lists them
            found[number] = os.readlink(f"/proc/self/fd/{number}")
    return found


def test_a_pipe_that_a_target_reads_is_never_copied(nursery: Nursery) -> None:
    pid, reading = nursery.python(_PIPES), int(nursery.line())
    nursery.line()
    before = _held()
    assert time_limit(pid, "read", (reading, 0, 1, 0, 0, 0)) is None
    with pytest.raises(Gone, match="is no socket"), borrowed_socket(pid, reading):
        pass
    assert _held() == before


def test_a_copy_of_a_socket_lives_as_long_as_its_block(nursery: Nursery) -> None:
    pid = nursery.python(_PIPES)
    nursery.line()
    theirs = int(nursery.line())
    until(lambda: "socket:" in os.readlink(f"/proc/{pid}/fd/{theirs}"), "its socket")
    before = _held()
    try:
        with borrowed_socket(pid, theirs):
            assert len(_held()) == len(before) + 1
    except Gone as refused:
        pytest.skip(f"pidfd_getfd: {refused}")
    assert _held() == before
    assert time_limit(pid, "recvfrom", (theirs, 0, 1, 0, 0, 0)) == 7.0
    with pytest.raises(ZeroDivisionError), borrowed_socket(pid, theirs):
        raise ZeroDivisionError
    assert _held() == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["http_fork_cgi", "echo_thread_log", "udp_echo"])
def test_a_run_holds_as_many_descriptors_after_every_suite_as_before(name: str) -> None:
    """Servers with pipes of their own, every property of every area, in this process."""
    glance = profile("glance")
    with (
        tempfile.TemporaryDirectory(prefix="gatecrash-") as folder,
        SessionPool(Path(folder), sanitized=False) as session_pool,
    ):
        opened = session_pool.open(str(tree_root() / "servers" / "c" / f"{name}.c"))
        assert opened is not None
        # What is opened once and stays: the last server that was looked at is remembered.
        try_all(opened, "plain", lambda rule: glance if rule.id in ("ACC-01", "DGRAM-01") else None)
        counts = {"at first": _held_by(opened.session)}
        for area in AREAS:
            verdicts = try_all(opened, "plain", lambda rule, area=area: glance if rule.area == area else None)  # type: ignore[misc]
            assert all(verdict.outcome in ("pass", "not_applicable", "not_observable") for verdict in verdicts)
            counts[area] = _held_by(opened.session)
    assert set(counts.values()) == {counts["at first"]}, counts


def _held_by(session: Session) -> int:
    """Descriptors of this process while no server runs, less what the arena has in store."""
    session.drop()
    gc.collect()  # processes give their descriptors back with the object
    return len(_held()) - (session.arena.in_store if isinstance(session.arena, Arena) else 0)
