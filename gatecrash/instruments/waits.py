"""The time limit of a system call that a task sleeps in, read from its arguments and its memory."""

from __future__ import annotations

import math
import struct
import time

from gatecrash.instruments import procfs
from gatecrash.instruments.syscalls import TIME_LIMITS, TimeLimit

_PAIR = struct.Struct("=qq")
_FUTEX_COMMAND = 0x7F  # without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME
_FUTEX_SPANS = frozenset({0})  # FUTEX_WAIT: a span
_FUTEX_DEADLINES = frozenset(
    {6, 9, 11, 13}
)  # LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2: points in time
_TIMER_ABSTIME = 1
_YEAR_2001 = 1_000_000_000  # seconds: a deadline beyond it is on the wall clock, not on the monotonic one


def time_limit(pid: int, call: str, args: tuple[int, ...]) -> float | None:
    """Seconds the call may sleep at most; None without a limit, `inf` when there is one we cannot read.

    A span counts from the moment the call began, which is not known here, so the truth may be less.
    """
    if call == "?" or call == "restart_syscall":
        return math.inf
    if len(args) < 6:
        return None
    if call == "futex":
        return _futex_limit(pid, args)
    if call == "clock_nanosleep":
        form = TimeLimit(2, "deadline" if args[1] & _TIMER_ABSTIME else "timespec")
        return _limit(pid, form, args)
    form_of_call = TIME_LIMITS.get(call)
    return None if form_of_call is None else _limit(pid, form_of_call, args)


def _limit(pid: int, limit: TimeLimit, args: tuple[int, ...]) -> float | None:
    value = args[limit.argument]
    if limit.form == "milliseconds":
        signed = (value & 0xFFFFFFFF) - ((value & 0x80000000) << 1)
        return None if signed < 0 else signed / 1000
    if value == 0:
        return None
    read = procfs.memory(pid, value, _PAIR.size)
    if read is None:
        return math.inf
    seconds: int
    fraction: int
    seconds, fraction = _PAIR.unpack(read)
    if limit.form == "timeval":
        return float(seconds) + fraction / 1e6
    total = float(seconds) + fraction / 1e9
    if limit.form == "timespec":
        return total
    return max(0.0, total - (time.time() if seconds > _YEAR_2001 else time.monotonic()))


def _futex_limit(pid: int, args: tuple[int, ...]) -> float | None:
    command = args[1] & _FUTEX_COMMAND
    if command in _FUTEX_SPANS:
        return _limit(pid, TimeLimit(3, "timespec"), args)
    if command in _FUTEX_DEADLINES:
        return _limit(pid, TimeLimit(3, "deadline"), args)
    return None
