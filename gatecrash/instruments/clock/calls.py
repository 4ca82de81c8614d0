"""What the filter hands to the clock: clocks that are read past the vDSO, programs that are executed.

Each handler gets a trapped call and answers it.
"""

from __future__ import annotations

import ctypes
import os
import struct
import time
from collections.abc import Callable

from gatecrash.instruments import procfs
from gatecrash.instruments.memory import Gone, write_memory
from gatecrash.instruments.trapped import CONTINUE, Handler, Respond
from gatecrash.sandbox import tracing, vdso

_PAIR = struct.Struct("<qq")
#: What the kernel keeps in step with the wall or with what has passed: not the time that a process or thread has used.
_CLOCKS = frozenset({0, 1, 4, 5, 6, 7, 8, 9, 11})
_WITHIN = 10.0  # seconds a program may need to be executed on a loaded machine


def clock_read(name: str, ahead_ns: Callable[[], int]) -> Handler:
    """A reading that no stub answers: the kernel's, until something was skipped, then ours."""

    def handle(id: int, tid: int, args: tuple[int, ...], respond: Respond) -> None:
        ahead = ahead_ns()
        if not ahead:
            respond(id, flags=CONTINUE)
            return
        try:
            value = _READINGS[name](tid, args, ahead)
        except Gone:  # memory that cannot be written: the kernel says so
            value = None
        if value is None:
            respond(id, flags=CONTINUE)
        else:
            respond(id, value=value)

    return handle


def _clock_gettime(tid: int, args: tuple[int, ...], ahead: int) -> int | None:
    number = ctypes.c_int(args[0] & 0xFFFFFFFF).value
    if number not in _CLOCKS:
        return None
    write_memory(tid, args[1], _PAIR.pack(*divmod(time.clock_gettime_ns(number) + ahead, 1_000_000_000)))
    return 0


def _gettimeofday(tid: int, args: tuple[int, ...], ahead: int) -> int | None:
    seconds, rest = divmod(time.time_ns() + ahead, 1_000_000_000)
    if not args[0]:
        return None
    write_memory(tid, args[0], _PAIR.pack(seconds, rest // 1000))
    return 0


def _time(tid: int, args: tuple[int, ...], ahead: int) -> int | None:
    seconds = (time.time_ns() + ahead) // 1_000_000_000
    if args[0]:
        write_memory(tid, args[0], struct.pack("<q", seconds))
    return seconds


_READINGS: dict[str, Callable[[int, tuple[int, ...], int], int | None]] = {
    "clock_gettime": _clock_gettime,
    "gettimeofday": _gettimeofday,
    "time": _time,
}


def executed(ahead_ns: Callable[[], int], too_late: Callable[[int], None]) -> Handler:
    """A program is about to be executed: give it clocks, as they are by now, before its first instruction.

    Where that fails its clocks are found not to be set at the next skip (offsets.py). `too_late` is told of a task that
    has not stopped in time, and will.
    """

    def handle(id: int, tid: int, args: tuple[int, ...], respond: Respond) -> None:
        group = procfs.process_of(tid)
        try:
            tracing.ptrace(tracing.SEIZE, tid, 0, tracing.OPTION_TRACE_EXEC)
            tracing.ptrace(tracing.INTERRUPT, tid)  # so that it stops, too, when there is no such program
        except OSError:
            respond(id, flags=CONTINUE)
            return
        respond(id, flags=CONTINUE)
        status = tracing.stopped(tid, within=_WITHIN, group=group)
        if status is None:
            too_late(tid)
            return
        if not os.WIFSTOPPED(status & 0xFFFF):
            return
        stopped = group if tracing.event(status) == tracing.EVENT_EXEC else tid
        number = 0 if tracing.event(status) else os.WSTOPSIG(status & 0xFFFF)
        try:
            if tracing.event(status) == tracing.EVENT_EXEC:
                tracing.set_clock_ahead(stopped, ahead_ns())
        except (OSError, vdso.NoStub):
            pass
        finally:
            tracing.let_go(stopped, number)

    return handle
