"""Bare reads of /proc (proc(5)), where every process may vanish between two reads: then the answer is empty."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

_VANISHED = frozenset({errno.ENOENT, errno.ESRCH})
_FLAGS = os.O_RDONLY | os.O_CLOEXEC
_THREADS_LINK_BASE = 2
_ONE_PAGE = 4000

DENIED = b"denied"


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


def children(pid: int, tids: Iterable[int]) -> list[int]:
    """The child processes of the threads `tids` of `pid`, zombies included."""
    found: list[int] = []
    for tid in tids:
        path = f"/proc/{pid}/task/{tid}/children"
        listed = read(path)
        if len(listed) > _ONE_PAGE:  # the kernel gives long lists in several reads
            listed = read_all(path)
        if listed and listed != DENIED:
            found.extend(map(int, listed.split()))
    return found


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

    __slots__ = ("pending", "state", "switches")

    def __init__(self, content: bytes) -> None:
        """From the file's content; `state` is empty when that is."""
        if not content or content == DENIED:
            self.state, self.pending, self.switches = "", False, 0
            return
        signals = int(field(content, b"\nSigPnd:\t"), 16) | int(field(content, b"\nShdPnd:\t"), 16)
        self.state = field(content, b"\nState:\t")[:1].decode()
        self.pending = bool(signals & ~int(field(content, b"\nSigBlk:\t"), 16))
        self.switches = int(field(content, b"\nvoluntary_ctxt_switches:\t")) + int(
            field(content, b"\nnonvoluntary_ctxt_switches:\t")
        )


def field(content: bytes, title: bytes) -> bytes:
    """The rest of the line that begins with `title`; a search pattern over the whole file takes ten times as long."""
    start = content.find(title) + len(title)
    return content[start : content.find(b"\n", start)]
