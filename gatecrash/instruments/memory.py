"""Another process's memory, read through /proc/PID/mem and /proc/PID/maps (proc(5)), and what a sending call offers."""

from __future__ import annotations

import os
import struct

from gatecrash.instruments import procfs

MOST_PIECES = 1024  # IOV_MAX
_MOST_GUARD = 1 << 16  # bytes: a stack's guard is a page or a few, an arena's unused part is megabytes
_USUAL_STACK = 8 << 20  # bytes: the usual RLIMIT_STACK, which pthread_create(3) takes for a new thread


class Gone(Exception):
    """The process ended, or never had that memory. Normal: processes vanish at any time."""


def read_memory(tid: int, address: int, size: int) -> bytes:
    """`size` bytes at `address` of that task. Raises Gone."""
    try:
        descriptor = os.open(f"/proc/{tid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Gone from error
    try:
        data = os.pread(descriptor, size, address)
    except (OSError, OverflowError) as error:
        raise Gone from error
    finally:
        os.close(descriptor)
    if len(data) != size:
        raise Gone
    return data


def write_memory(tid: int, address: int, data: bytes) -> None:
    """Put `data` at `address` of that task, also where it may only read: the page becomes its own. Raises Gone."""
    try:
        descriptor = os.open(f"/proc/{tid}/mem", os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Gone from error
    try:
        written = os.pwrite(descriptor, data, address)
    except (OSError, OverflowError) as error:
        raise Gone from error
    finally:
        os.close(descriptor)
    if written != len(data):
        raise Gone


def offered(tid: int, name: str, args: tuple[int, ...], *, limit: int) -> bytes:
    """The first bytes, at most `limit`, that a sendto, write, sendmsg or writev is about to send.

    b"" for calls that are not understood (sendfile, sendmmsg). Raises Gone.
    """
    if name in ("sendto", "write"):
        return read_memory(tid, args[1], min(args[2], limit))
    if name == "writev":
        return _gather(tid, args[1], args[2], limit)
    if name == "sendmsg":
        # struct msghdr (sendmsg(2)): name, namelen, iov, iovlen, ...
        _, _, pieces, count = struct.unpack("QQQQ", read_memory(tid, args[1], 32))
        return _gather(tid, pieces, count, limit)
    return b""


def _gather(tid: int, pieces: int, count: int, limit: int) -> bytes:
    """Join an array of struct iovec."""
    count = min(count, MOST_PIECES)
    data = b""
    for base, size in struct.iter_unpack("QQ", read_memory(tid, pieces, 16 * count)):
        data += read_memory(tid, base, min(size, limit - len(data)))
        if len(data) >= limit:
            break
    return data


def thread_stacks(pid: int) -> int:
    """How many stacks of threads a process has mapped, those of its first thread not counted; 0 when it is gone.

    A stack is anonymous memory behind a small guard nobody may touch (pthread_attr_setguardsize(3)). That of a thread
    which has ended stays until somebody joins it, or goes at once if it was detached (pthread_detach(3)).
    """
    return _stacks(procfs.read_all(f"/proc/{pid}/maps"))


def _stacks(maps: bytes) -> int:
    """Writable mappings of no file and no name, right behind a guard; without one, every 8 MiB count as a stack.

    Since version 2.42 the C library guards a stack with madvise(2), which no list shows, and neighbours become one.
    """
    found, guard_end = 0, -1
    for line in maps.splitlines():
        span, mode, _, _, inode, *name = line.split(maxsplit=5)
        start, end = (int(part, 16) for part in span.split(b"-"))
        anonymous = inode == b"0" and (not name or name[0].startswith(b"[anon"))
        if anonymous and mode == b"rw-p":
            found += 1 if start == guard_end else (end - start) // _USUAL_STACK
        guard_end = end if anonymous and mode == b"---p" and end - start <= _MOST_GUARD else -1
    return found
