"""Our own copies of a target's sockets (pidfd_getfd(2)), where there are some to be had, for a block and no longer.

A send is made short through one, and a socket's own time limit is read through one; timers are moved through one, too.
A container's usual profile refuses the call to whoever has no CAP_SYS_PTRACE.

A copy that stays changes what is judged: a pipe whose writing end the tester holds has no end for its reader, a socket
that is closed by the target sends no FIN. So there is no way to a copy but through a context manager.
"""

from __future__ import annotations

import ctypes
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from gatecrash.instruments.memory import Gone

_SYS_PIDFD_GETFD = 438  # the same on every processor (Linux 5.6)
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def borrowed_socket(pid: int, descriptor: int) -> Iterator[socket.socket]:
    """Our own copy of a socket of the process `pid`, closed when the block ends; `descriptor` is its number there.

    Raises Gone when there is no such process or descriptor, when the machine refuses to copy (it asks for the right to
    trace, ptrace(2)), and when the descriptor is no socket: then it is not copied at all.
    """
    if not _is_socket(pid, descriptor):
        raise Gone(f"descriptor {descriptor} of process {pid} is no socket")
    with _copied(pid, descriptor) as copy:
        if not stat.S_ISSOCK(os.fstat(copy).st_mode):  # it was closed, and its number taken, since the look before
            raise Gone(f"descriptor {descriptor} of process {pid} is no socket")
        ours = socket.socket(fileno=copy)
        try:
            yield ours
        finally:
            ours.detach()


@contextmanager
def borrowed_timer(pid: int, descriptor: int) -> Iterator[int]:
    """As `borrowed_socket`, of a timer that is a descriptor (timerfd_create(2))."""
    if not is_timer(f"/proc/{pid}/fd/{descriptor}"):
        raise Gone(f"descriptor {descriptor} of process {pid} is no timer")
    with _copied(pid, descriptor) as copy:
        if not is_timer(f"/proc/self/fd/{copy}"):
            raise Gone(f"descriptor {descriptor} of process {pid} is no timer")
        yield copy


def is_timer(path: str) -> bool:
    """Whether a link below /proc/PID/fd is one to a timer."""
    try:
        return os.readlink(path) == "anon_inode:[timerfd]"
    except OSError:
        return False


@cache
def refused() -> str | None:
    """Why no socket of another process can be had on this machine; None where it can.

    Asked of this very process: who may read /proc/PID/syscall may have its descriptors, too (ptrace(2), "Ptrace access
    mode checking"), unless the call itself is refused.
    """
    reader, writer = os.pipe()
    try:
        with _copied(os.getpid(), reader):
            pass
    except Gone as error:
        return f"pidfd_getfd: {error}"
    finally:
        os.close(reader)
        os.close(writer)
    return None


def _is_socket(pid: int, descriptor: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/fd/{descriptor}").startswith("socket:")
    except OSError as error:
        raise Gone(error.strerror) from error


@contextmanager
def _copied(pid: int, descriptor: int) -> Iterator[int]:
    try:
        process = os.pidfd_open(pid)
    except OSError as error:
        raise Gone(error.strerror) from error
    try:
        copy = _libc.syscall(_SYS_PIDFD_GETFD, process, ctypes.c_int(descriptor), 0)
    finally:
        os.close(process)
    if copy < 0:
        raise Gone(os.strerror(ctypes.get_errno()))
    try:
        yield copy
    finally:
        os.close(copy)
