"""Whose the lock is that a task waits for, as real programs show it: the mutexes of the C library."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from gatecrash.instruments.blocked import blocked_where
from gatecrash.model.blocked import BlockedTask, Futex
from tests.nursery import Nursery, running_nursery, until

MUTEX = """
import ctypes, mmap, os, signal, threading, time
libc = ctypes.CDLL(None, use_errno=True)
memory = mmap.mmap(-1, 4096)
lock = ctypes.addressof(ctypes.c_char.from_buffer(memory))
attributes = ctypes.create_string_buffer(64)
libc.pthread_mutexattr_init(attributes)
libc.pthread_mutexattr_setpshared(attributes, SHARED)
libc.pthread_mutex_init(ctypes.c_void_p(lock), attributes)
take = lambda: libc.pthread_mutex_lock(ctypes.c_void_p(lock))
"""
ITSELF = "take(); print(os.getpid(), flush=True); take()"
#: The child dies with the lock; its parent does not wait for it before it was looked at.
GONE = """
child = os.fork()
if child == 0:
    take(); print(os.getpid(), flush=True); signal.pause()
while libc.pthread_mutex_trylock(ctypes.c_void_p(lock)) == 0:
    libc.pthread_mutex_unlock(ctypes.c_void_p(lock)); time.sleep(0.001)
take()
"""
FORKED = """
take()
if os.fork() == 0:
    print(os.getpid(), flush=True); take()
signal.pause()
"""
THREAD = """
held = threading.Event()
def hold():
    take(); held.set(); signal.pause()
threading.Thread(target=hold).start()
held.wait()
print(threading.get_native_id(), flush=True)
take()
"""


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    yield from running_nursery()


def waiting(nursery: Nursery, *, shared: bool) -> BlockedTask:
    """The task that waits for a lock with FUTEX_WAIT: Python's own locks wait with FUTEX_WAIT_BITSET."""
    found: list[BlockedTask] = []

    def there() -> bool:
        tasks = [task for task in nursery.census.tasks() if task.call == "futex" and task.state == "S"]
        found[:] = [blocked_where(task, nursery.census) for task in tasks if task.args[1] == (0 if shared else 128)]
        return bool(found)

    until(there, "a task waits for the lock")
    return found[0]


def test_a_lock_that_a_process_holds_itself_is_told(nursery: Nursery) -> None:
    pid = nursery.python(MUTEX.replace("SHARED", "0") + ITSELF)
    where = waiting(nursery, shared=False)
    assert where.futex == Futex(alone=True, owner="itself", number=pid)
    assert where.line().endswith("blocked in futex, waiting for a lock that it holds itself")


def test_a_lock_whose_owner_died_is_told_with_its_number(nursery: Nursery) -> None:
    child = nursery.python(MUTEX.replace("SHARED", "1") + GONE)
    where = waiting(nursery, shared=True)
    assert where.futex == Futex(shared=True, owner="living", number=child)
    nursery.census.processes()
    os.kill(child, signal.SIGKILL)

    def gone() -> bool:
        return child in nursery.census.zombies()

    until(gone, "the owner has ended")
    again = waiting(nursery, shared=True)
    assert again.futex == Futex(shared=True, owner="gone", number=child)
    assert again.line().endswith(f"waiting for a lock whose owner, process {child}, is gone")


def test_a_lock_that_was_held_at_a_fork_is_told(nursery: Nursery) -> None:
    child = nursery.python(MUTEX.replace("SHARED", "0").replace("mmap.mmap(-1, 4096)", "bytearray(4096)") + FORKED)
    where = waiting(nursery, shared=False)
    assert (where.pid, where.futex and where.futex.owner) == (child, "forked")
    assert "its copy of a lock" in where.line()


def test_a_lock_that_another_thread_holds_is_told(nursery: Nursery) -> None:
    nursery.python(MUTEX.replace("SHARED", "0") + THREAD)
    where = waiting(nursery, shared=False)
    assert where.futex is not None
    assert (where.futex.owner, where.futex.alone, where.futex.number != where.tid) == ("living", False, True)


def test_what_is_no_lock_has_no_owner(nursery: Nursery) -> None:
    nursery.python("import threading\nprint(1, flush=True)\nthreading.Semaphore(0).acquire()")

    def there() -> bool:
        return [task.call for task in nursery.census.tasks()] == ["futex"]

    until(there, "it waits")
    where = blocked_where(nursery.census.tasks()[0], nursery.census)
    assert where.futex == Futex(alone=True)
    assert where.line().endswith("waiting for another thread, and it has none")
