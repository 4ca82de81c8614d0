"""The threads of a virtual machine have limits of their own, and what rests on them is nobody's affair."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gatecrash.instruments.housekeeping import Housekeepers
from gatecrash.instruments.quiescence import Quiet, Resting, settle
from tests.nursery import Nursery, running_nursery, until

#: A thread with the name of the machine's ticker, in a process that has mapped the file it is given.
TICKER = """
import ctypes, mmap, sys, threading
with open(sys.argv[1], "rb") as file:
    library = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
def tick():
    ctypes.CDLL(None).prctl(15, sys.argv[2].encode(), 0, 0, 0)
    print(1, flush=True)
    while True:
        never.wait(60)
never = threading.Event()
threading.Thread(target=tick).start()
"""
STATUS = b"Name:\t%s\nUmask:\t0022\nState:\tS (sleeping)\n"


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    yield from running_nursery()


def library(folder: Path, name: str) -> str:
    path = folder / name
    path.write_bytes(b"\x7fELF")
    return str(path)


@pytest.mark.parametrize("name", ["VM Periodic Task Thread", "C2 CompilerThread0", "Common-Cleaner"])
def test_a_virtual_machines_own_limits_are_none_of_its_program(nursery: Nursery, tmp_path: Path, name: str) -> None:
    nursery.python(TICKER, library(tmp_path, "libjvm.so"), name)
    until(
        lambda: any(task.housekeeping and task.call == "futex" for task in nursery.census.tasks()), "the thread ticks"
    )
    assert isinstance(settle(nursery.census, lambda: None, wait_out=False), Quiet)


@pytest.mark.parametrize(
    ("name", "mapped"), [("VM Thread", "libjvm.so"), ("Common-Cleaner", "libother.so"), ("client-1", "libjvm.so")]
)
def test_the_limits_of_any_other_thread_count(nursery: Nursery, tmp_path: Path, name: str, mapped: str) -> None:
    nursery.python(TICKER, library(tmp_path, mapped), name)
    assert isinstance(settle(nursery.census, lambda: None, wait_out=False), Resting)


def test_a_process_that_is_gone_has_none() -> None:
    assert not Housekeepers().has(2**22 + 1, STATUS % b"G1 Service")
