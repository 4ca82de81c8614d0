"""Another process's memory, read through /proc/PID/mem (proc(5)), and what a sending call offers from it."""

from __future__ import annotations

import os
import struct

MOST_PIECES = 1024  # IOV_MAX


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
