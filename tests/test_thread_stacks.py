"""Stacks of threads, counted in lists of mappings (proc(5)) and in a program that leaves some behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gatecrash.instruments import procfs
from gatecrash.instruments.memory import thread_stacks
from tests.nursery import Nursery, compiled, running_nursery, until

GONE = 2**22 + 1  # above the kernel's largest pid (proc(5), pid_max)


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    yield from running_nursery()


@pytest.mark.parametrize(
    ("maps", "stacks"),
    [
        ("", 0),
        ("1000-2000 ---p 0 00:00 0 \n2000-802000 rw-p 0 00:00 0", 1),
        ("1000-2000 ---p 0 00:00 0 \n2000-802000 rw-p 0 00:00 0 [anon: glibc: pthread stack: 7]", 1),
        (
            "1000-2000 ---p 0 00:00 0 \n2000-6000 rw-p 0 00:00 0 \n6000-7000 ---p 0 00:00 0 \n7000-9000 rw-p 0 00:00 0",
            2,
        ),
        ("1000-2000 ---p 0 00:00 0 \n3000-6000 rw-p 0 00:00 0", 0),  # not right behind it
        ("7f0000000000-7f0000021000 rw-p 0 00:00 0 \n7f0000021000-7f0004000000 ---p 0 00:00 0", 0),  # an arena
        ("7f0000021000-7f0004000000 ---p 0 00:00 0 \n7f0004000000-7f0004021000 rw-p 0 00:00 0", 0),  # two of them
        ("1000-2000 ---p 0 08:01 99 /lib/x.so\n2000-3000 rw-p 0 08:01 99 /lib/x.so", 0),
        ("1000-2000 ---p 0 00:00 0 \n2000-3000 rw-p 0 08:01 99 /lib/x.so", 0),
        ("10000000-11000000 rw-p 0 00:00 0 ", 2),  # guarded in a way that no list shows, and become one
        ("10000000-10400000 rw-p 0 00:00 0 ", 0),
        ("10000000-11000000 rw-p 0 00:00 0 [heap]", 0),
    ],
)
def test_a_stack_is_known_by_its_guard(maps: str, stacks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procfs, "read_all", lambda path: maps.encode())
    assert thread_stacks(1) == stacks


@pytest.mark.parametrize(("detached", "left"), [("NULL", 12), ("&detached", 0)])
def test_a_thread_nobody_joins_leaves_its_stack(nursery: Nursery, tmp_path: Path, detached: str, left: int) -> None:
    program = compiled(
        tmp_path,
        """
        #include <pthread.h>
        #include <semaphore.h>
        #include <stdio.h>
        #include <unistd.h>
        static sem_t done;
        static void *work(void *unused) { sem_post(&done); return unused; }
        int main(void)
        {
            pthread_attr_t detached;
            pthread_attr_init(&detached);
            pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
            sem_init(&done, 0, 0);
            for (int i = 0; i < 12; i++) {
                pthread_t thread;
                pthread_create(&thread, ATTRIBUTES, work, NULL);
                sem_wait(&done);
            }
            printf("%d\\n", getpid());
            fflush(stdout);
            pause();
        }
        """.replace("ATTRIBUTES", detached),
        "-pthread",
    )
    pid = nursery.start(program)
    until(lambda: len(nursery.census.tasks()) == 1, "the threads end")
    if left:
        assert thread_stacks(pid) == left
    else:
        assert thread_stacks(pid) < 6  # the C library keeps some for the next threads


def test_a_process_that_is_gone_has_no_stacks() -> None:
    assert thread_stacks(GONE) == 0
