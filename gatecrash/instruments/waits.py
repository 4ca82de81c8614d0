"""The time limit of a system call that a task sleeps in, read from its arguments and its memory."""

from __future__ import annotations

import ctypes
import math
import os
import re
import socket
import struct
import time
from collections.abc import Callable
from typing import Literal

from gatecrash.instruments import borrowing, procfs
from gatecrash.instruments.memory import Gone
from gatecrash.instruments.syscalls import TIME_LIMITS, TimeLimit

_PAIR = struct.Struct("=qq")
_FUTEX_COMMAND = 0x7F  # without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME
_FUTEX_SPANS = frozenset({0})  # FUTEX_WAIT: a span
_FUTEX_DEADLINES = frozenset({6, 9, 11, 13})  # LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2: points in time
_TIMER_ABSTIME = 1
_IT_VALUE = re.compile(rb"it_value: \((\d+), (\d+)\)")
_WATCHING_CALLS = frozenset(
    {"poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "epoll_pwait2", "io_uring_enter"},
)
_RING_TAKES, _RING_UNTIL = 0x08, 0x20  # IORING_ENTER_EXT_ARG, IORING_ENTER_ABS_TIMER
_RING_ARGUMENT = struct.Struct("=QIIQ")  # struct io_uring_getevents_arg; the last is the address of the time
_SOCKET_LIMITS = {
    **dict.fromkeys(
        ("accept", "accept4", "read", "readv", "preadv2", "recvfrom", "recvmsg", "recvmmsg"), "SO_RCVTIMEO"
    ),
    **dict.fromkeys(("write", "writev", "pwritev2", "sendto", "sendmsg", "sendmmsg", "connect"), "SO_SNDTIMEO"),
    "sendfile": "SO_SNDTIMEO",  # of the descriptor that it fills
}
_FUTEX_LOCK_PI, _FUTEX_CLOCK_REALTIME = 6, 256
_CLOCK_AT = {"clock_nanosleep": 0, "futex_waitv": 4, "futex_wait": 5}  # which argument names the clock
#: What goes on while all sleep; the others count processor time.
_CLOCKS = frozenset({0, 1, 7, 8, 9, 11})

#: What is known of a socket's own time limit by its inode and the option's name: seconds, or None without a limit.
KnownLimit = Callable[[int, str], float | None]


def time_limit(pid: int, call: str, args: tuple[int, ...], known: KnownLimit | None = None) -> float | None:
    """Seconds the call may sleep at most; None without a limit, `inf` when there may be one we cannot read.

    A span counts from the moment the call began, which is not known here, so the truth may be less. `known` tells of
    sockets where none can be borrowed.
    """
    limit = own_limit(pid, call, args, known)
    return sooner(limit, timer_limit(pid)) if call in _WATCHING_CALLS else limit


def own_limit(pid: int, call: str, args: tuple[int, ...], known: KnownLimit | None = None) -> float | None:
    """As `time_limit`, of the call alone: a timer that it watches does not count."""
    if call == "?" or call == "restart_syscall":
        return math.inf
    if len(args) < 6:
        return None
    if call in _SOCKET_LIMITS:
        return _socket_limit(pid, args[0] & 0xFFFFFFFF, _SOCKET_LIMITS[call], known)
    if call == "splice":
        into = _socket_limit(pid, args[2] & 0xFFFFFFFF, "SO_SNDTIMEO", known)
        return sooner(_socket_limit(pid, args[0] & 0xFFFFFFFF, "SO_RCVTIMEO", known), into)
    if call == "futex":
        return _futex_limit(pid, args)
    if call == "io_uring_enter":
        return _ring_limit(pid, args)
    if call == "clock_nanosleep":
        form = TimeLimit(2, "deadline" if args[1] & _TIMER_ABSTIME else "timespec")
        return _limit(pid, form, args, _clock_of(call, args))
    form_of_call = TIME_LIMITS.get(call)
    return None if form_of_call is None else _limit(pid, form_of_call, args, _clock_of(call, args))


def _clock_of(call: str, args: tuple[int, ...]) -> int:
    """By which clock a call waits: clock_gettime(2)."""
    if call == "futex":
        realtime = args[1] & _FUTEX_CLOCK_REALTIME or args[1] & _FUTEX_COMMAND == _FUTEX_LOCK_PI
        return time.CLOCK_REALTIME if realtime else time.CLOCK_MONOTONIC
    if call in _CLOCK_AT:
        return ctypes.c_int(args[_CLOCK_AT[call]] & 0xFFFFFFFF).value
    return time.CLOCK_REALTIME if call in ("mq_timedsend", "mq_timedreceive") else time.CLOCK_MONOTONIC


def until_a_deadline(call: str, args: tuple[int, ...]) -> bool:
    """Whether the limit of a call is a point in time: the kernel's clocks decide, however long it has slept."""
    if call == "futex":
        return args[1] & _FUTEX_COMMAND in _FUTEX_DEADLINES
    if call == "clock_nanosleep":
        return bool(args[1] & _TIMER_ABSTIME)
    if call == "io_uring_enter":
        return bool(args[3] & _RING_UNTIL)
    form = TIME_LIMITS.get(call)
    return form is not None and form.form == "deadline"


def sooner(one: float | None, other: float | None) -> float | None:
    """The smaller of two limits, where None is none."""
    return one if other is None else other if one is None else min(one, other)


def _socket_limit(pid: int, descriptor: int, option: str, known: KnownLimit | None) -> float | None:
    """SO_RCVTIMEO or SO_SNDTIMEO of a socket of another process, through a copy of its descriptor or by `known`."""
    if borrowing.refused() is not None:
        inode = procfs.socket_inode(pid, descriptor)
        if inode is None:  # not a socket: no such limit
            return None
        return math.inf if known is None else known(inode, option)
    try:
        with borrowing.borrowed_socket(pid, descriptor) as copy:
            seconds: int
            fraction: int
            seconds, fraction = _PAIR.unpack(copy.getsockopt(socket.SOL_SOCKET, getattr(socket, option), _PAIR.size))
    except (Gone, OSError):  # what is no socket has no such limit
        return None
    return seconds + fraction / 1e6 or None


def timer_limit(pid: int) -> float | None:
    """Until the first armed timerfd of a process expires; a poll or an epoll set may watch it (timerfd_create(2))."""
    return min((left for _, left in armed_timerfds(pid)), default=None)


def armed_timerfds(pid: int) -> list[tuple[int, float]]:
    """The timerfds of a process that are armed, by their descriptors, each with the seconds until it expires."""
    found: list[tuple[int, float]] = []
    try:
        with os.scandir(f"/proc/{pid}/fd") as numbers:
            for entry in numbers:
                if borrowing.is_timer(entry.path):
                    value = _IT_VALUE.search(procfs.read(f"/proc/{pid}/fdinfo/{entry.name}"))
                    if value is not None and (left := int(value[1]) + int(value[2]) / 1e9):
                        found.append((int(entry.name), left))
    except OSError:  # the process is gone, or closed a descriptor: then it runs and the look is void anyway
        pass
    return found


def _limit(pid: int, limit: TimeLimit, args: tuple[int, ...], clock: int = time.CLOCK_MONOTONIC) -> float | None:
    value = args[limit.argument]
    if limit.form == "milliseconds":
        signed = (value & 0xFFFFFFFF) - ((value & 0x80000000) << 1)
        return None if signed < 0 else signed / 1000
    if value == 0:
        return None
    read = procfs.memory(pid, value, _PAIR.size)
    if read is None or clock not in _CLOCKS:
        return math.inf
    seconds: int
    fraction: int
    seconds, fraction = _PAIR.unpack(read)
    if limit.form == "timeval":
        return float(seconds) + fraction / 1e6
    total = float(seconds) + fraction / 1e9
    if limit.form == "timespec":
        return total
    return max(0.0, total - time.clock_gettime(clock))


def _futex_limit(pid: int, args: tuple[int, ...]) -> float | None:
    command = args[1] & _FUTEX_COMMAND
    if command in _FUTEX_SPANS:
        return _limit(pid, TimeLimit(3, "timespec"), args)
    if command in _FUTEX_DEADLINES:
        return _limit(pid, TimeLimit(3, "deadline"), args, _clock_of("futex", args))
    return None


def _ring_limit(pid: int, args: tuple[int, ...]) -> float | None:
    """Of the call itself, io_uring_enter(2): what operations were given one is not in it (rings.py)."""
    if not args[3] & _RING_TAKES:
        return None
    given = procfs.memory(pid, args[4], _RING_ARGUMENT.size)
    if given is None or args[5] != _RING_ARGUMENT.size:
        return math.inf
    form: Literal["deadline", "timespec"] = "deadline" if args[3] & _RING_UNTIL else "timespec"
    address = int(_RING_ARGUMENT.unpack(given)[3])
    return _limit(pid, TimeLimit(4, form), (*args[:4], address))
