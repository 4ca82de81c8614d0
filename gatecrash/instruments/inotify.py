"""What happens to files, as the kernel tells it: inotify(7)."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ACCESSED, OPENED, CREATED = 0x1, 0x20, 0x100  # IN_ACCESS, IN_OPEN, IN_CREATE
REMOVED = 0x40 | 0x200 | 0x400 | 0x800  # IN_MOVED_FROM, IN_DELETE, IN_DELETE_SELF, IN_MOVE_SELF
OVERFLOWN = 0x4000  # IN_Q_OVERFLOW: some events were lost

_HEAD = struct.Struct("iIII")
_MOST = 1 << 16
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Happened:
    """One event: which watch it is of, what happened (bits), and to which file of a watched folder."""

    watch: int
    what: int
    name: str


class Inotify:
    """Watches files and folders. Where the kernel gives none, nothing is watched and nothing happens.

    One that is closed is kept for the next: the kernel takes 10 ms to give one up, and almost nothing to forget a file.
    """

    def __init__(self) -> None:
        self._descriptor = _IDLE.pop() if _IDLE else int(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._watches: set[int] = set()

    def watch(self, path: Path, what: int) -> int:
        """The number of a new watch of a file, or of what is in a folder; -1 where it cannot be watched."""
        if self._descriptor < 0:
            return -1
        number = int(_libc.inotify_add_watch(self._descriptor, os.fsencode(path), what))
        self._watches.add(number)
        return number

    def events(self) -> Iterator[Happened]:
        """What has happened since the last call."""
        while self._descriptor >= 0:
            try:
                data = os.read(self._descriptor, _MOST)
            except BlockingIOError:
                return
            yield from _events(data)

    def close(self) -> None:
        """Watch no longer."""
        if self._descriptor < 0:
            return
        for number in self._watches - {-1}:
            _libc.inotify_rm_watch(self._descriptor, number)  # refused where what it watched is gone
        for _ in self.events():  # numbers are not given twice (inotify(7)): what is still told is of nobody
            pass
        _IDLE.append(self._descriptor)
        self._descriptor = -1


#: Those that watch nothing now. A fork shares them with us, and would hear what is told to us.
_IDLE: list[int] = []


def _leave_to_parent() -> None:
    while _IDLE:
        os.close(_IDLE.pop())


os.register_at_fork(after_in_child=_leave_to_parent)


def _events(data: bytes) -> Iterator[Happened]:
    at = 0
    while at < len(data):
        watch, what, _, length = _HEAD.unpack_from(data, at)
        name = data[at + _HEAD.size : at + _HEAD.size + length].rstrip(b"\0")
        at += _HEAD.size + length
        yield Happened(watch, what, os.fsdecode(name))
