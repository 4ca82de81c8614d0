"""What is kept open of /proc tells of the process it was opened for, or is opened anew."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from gatecrash.instruments import procfs
from gatecrash.instruments.open_files import OpenFiles

_NAMES = ("schedstat", "status", "syscall")


@pytest.fixture
def files() -> Iterator[OpenFiles]:
    opened = OpenFiles()
    yield opened
    opened.close()


def asleep() -> subprocess.Popen[bytes]:
    """A process that waits for its input, and has come to it."""
    child = subprocess.Popen(
        [sys.executable, "-ISc", "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    return child


def test_what_is_read_again_is_what_is_there_by_then(files: OpenFiles) -> None:
    with asleep() as child:
        folder = f"/proc/{child.pid}/task/{child.pid}/"
        for _ in range(3):
            assert procfs.field(files.read(folder + "status"), b"\nPPid:\t") == b"%d" % os.getpid()
            assert [bool(files.read(folder + name)) for name in _NAMES] == [True] * 3
            assert files.threads(child.pid) == (child.pid,)
        assert child.stdin is not None
        child.stdin.close()
        while b"\nState:\tZ" not in files.read(folder + "status"):
            pass
    assert [files.read(folder + name) for name in _NAMES] == [b""] * 3
    assert files.threads(child.pid) == ()


def test_a_number_that_somebody_else_has_by_now_is_looked_up_anew(files: OpenFiles) -> None:
    with asleep() as one, asleep() as other:
        old, new = (f"/proc/{child.pid}/task/{child.pid}/" for child in (one, other))
        assert all(files.read(old + name) for name in _NAMES)
        assert files.threads(one.pid)
        kept = dict(files._open)
        one.kill()
        one.wait()
        files._open.clear()
        files._open.update({path.replace(str(one.pid), str(other.pid)): number for path, number in kept.items()})
        numbers = procfs.field(files.read(new + "status"), b"\nPid:\t")
        assert numbers == b"%d" % other.pid
        assert files.threads(other.pid) == (other.pid,)
        other.kill()


def test_threads_that_come_are_seen(files: OpenFiles) -> None:
    assert len(files.threads(os.getpid())) == len(procfs.threads(os.getpid()))
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    before = files.threads(os.getpid())
    thread.start()
    assert len(files.threads(os.getpid())) == len(before) + 1
    release.set()
    thread.join()


def test_only_so_many_are_kept(files: OpenFiles) -> None:
    with asleep() as child:
        held = len(os.listdir("/proc/self/fd"))
        for number in range(400):
            assert files.read(f"/proc/{child.pid}/task/./{'./' * number}{child.pid}/schedstat")
        assert len(os.listdir("/proc/self/fd")) - held <= 128
        files.close()
        assert len(os.listdir("/proc/self/fd")) == held
        child.kill()
