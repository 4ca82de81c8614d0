"""Bare reads of /proc (proc(5)), where every process may vanish between two reads: then the answer is empty."""

from __future__ import annotations

import errno
import os
import re

_VANISHED = frozenset({errno.ENOENT, errno.ESRCH})
_FLAGS = os.O_RDONLY | os.O_CLOEXEC
_THREADS_LINK_BASE = 2

DENIED = b"denied"

_STATUS = re.compile(
    rb"\nState:\t(.).*?\nThreads:\t(\d+)\n.*?\nSigPnd:\t(\w+)\nShdPnd:\t(\w+)\nSigBlk:\t(\w+)\n.*?"
    rb"\nvoluntary_ctxt_switches:\t(\d+)\nnonvoluntary_ctxt_switches:\t(\d+)",
    re.DOTALL,
)


def read(path: str) -> bytes:
    """The file's content; b"" when the process is gone, DENIED when the kernel refuses to tell."""
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            return os.read(descriptor, 1 << 14)
        finally:
            os.close(descriptor)
    except PermissionError:
        return DENIED
    except OSError as error:
        if error.errno in _VANISHED:
            return b""
        raise


def read_all(path: str) -> bytes:
    """As `read`, for files that may be longer than one read (a list of many children)."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except PermissionError:
        return DENIED
    except OSError as error:
        if error.errno in _VANISHED:
            return b""
        raise


def threads(pid: int) -> tuple[int, ...]:
    """The thread ids of a process; its only one is its pid. Empty when it is gone."""
    task = f"/proc/{pid}/task"
    try:
        # The link count of `task` is two more than the number of threads (fs/proc/base.c): cheaper than a listing.
        if os.stat(task).st_nlink == _THREADS_LINK_BASE + 1:
            return (pid,)
        return tuple(sorted(map(int, os.listdir(task))))
    except OSError as error:
        if error.errno in _VANISHED:
            return ()
        raise


def children(pid: int) -> tuple[int, ...]:
    """The child processes of every thread of `pid`, zombies included."""
    found: list[int] = []
    for tid in threads(pid):
        listed = read(f"/proc/{pid}/task/{tid}/children")
        if len(listed) > 1 << 12:
            listed = read_all(f"/proc/{pid}/task/{tid}/children")
        if listed and listed != DENIED:
            found.extend(map(int, listed.split()))
    return tuple(found)


def memory(pid: int, address: int, size: int) -> bytes | None:
    """`size` bytes of the memory of a process; None when it is gone or the kernel refuses."""
    try:
        descriptor = os.open(f"/proc/{pid}/mem", _FLAGS)
        try:
            content = os.pread(descriptor, size, address)
        finally:
            os.close(descriptor)
    except (OSError, OverflowError):
        return None
    return content if len(content) == size else None


class Status:
    """The few fields of /proc/PID/task/TID/status that say whether a task can move."""

    __slots__ = ("pending", "state", "switches", "threads")

    def __init__(self, content: bytes) -> None:
        """From the file's content; `state` is empty when that is."""
        found = _STATUS.search(content)
        if found is None:
            self.state, self.threads, self.pending, self.switches = "", 0, False, 0
            return
        state, threads_, private, shared, blocked, voluntary, involuntary = found.groups()
        self.state = state.decode()
        self.threads = int(threads_)
        self.pending = bool((int(private, 16) | int(shared, 16)) & ~int(blocked, 16))
        self.switches = int(voluntary) + int(involuntary)
