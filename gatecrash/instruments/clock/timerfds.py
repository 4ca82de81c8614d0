"""Timers that are descriptors (timerfd_create(2)): they stay the kernel's, and are moved on with the target's clocks.

That is done through copies of the descriptors (borrowing.py). So they expire by the target's clock, and tell what is
left by it; only one that is set to a moment has to be set by us, the kernel knowing nothing of that clock.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack

from gatecrash.instruments import borrowing, procfs, waits
from gatecrash.instruments.clock.spans import Setting, read_setting, unpacked, write_setting
from gatecrash.instruments.memory import Gone
from gatecrash.instruments.trapped import CONTINUE, Handler, Respond
from gatecrash.language import stated
from gatecrash.sandbox.namespaces import checked

_TFD_TIMER_ABSTIME = 1
_SET_TICKS = 0x40085400  # TFD_IOC_SET_TICKS (linux/timerfd.h)
_TICKS = re.compile(rb"ticks: (\d+)")
_KCMP = {"x86_64": 312, "aarch64": 272}
_KCMP_FILE = 0
_libc = ctypes.CDLL(None, use_errno=True)


class TimerDescriptors:
    """Those of one target's processes. `ahead_ns`: nanoseconds that its clocks are ahead."""

    def __init__(self, ahead_ns: Callable[[], int]) -> None:
        self._ahead_ns = ahead_ns
        #: Whether there has been one: nobody else's descriptors are looked through.
        self.used = False

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Who answers each trapped call, by its name."""
        return {"timerfd_create": self._created, "timerfd_settime": self._set_to_a_moment}

    def _created(self, id: int, tid: int, args: tuple[int, ...], respond: Respond) -> None:
        self.used = True
        respond(id, flags=CONTINUE)

    def _set_to_a_moment(self, id: int, tid: int, args: tuple[int, ...], respond: Respond) -> None:
        try:
            setting = read_setting(tid, args[2])
            if setting is None or not (setting.value and args[1] & _TFD_TIMER_ABSTIME and self._ahead_ns()):
                respond(id, flags=CONTINUE)
                return
            with borrowing.borrowed_timer(procfs.process_of(tid), args[0] & 0xFFFFFFFF) as copy:
                moment = Setting(max(setting.value - self._ahead_ns(), 1), setting.interval)
                before = _settime(copy, args[1] & 0xFFFFFFFF, moment)
        except Gone:
            respond(id, flags=CONTINUE)
            return
        except OSError as error:
            respond(id, error=error.errno or errno.EINVAL)
            return
        try:
            if args[3]:
                write_setting(tid, args[3], before)
            respond(id, value=0)
        except Gone:
            respond(id, error=errno.EFAULT)

    def coming(self, pids: Iterable[int]) -> list[tuple[float, int, int]]:
        """Seconds until each that is armed expires, with its process and descriptor."""
        if not self.used:
            return []
        return [(left, pid, number) for pid in pids for number, left in waits.armed_timerfds(pid)]

    def move_on(self, pids: Iterable[int], nanoseconds: int) -> str | None:
        """So many less are left of each; why that is refused, where it is."""
        if not self.used:
            return None
        try:
            with ExitStack() as stack:
                copies: list[int] = []
                for _, pid, number in self.coming(pids):
                    copy = _borrow(stack, pid, number)
                    if copy is not None and not any(_same(copy, other) for other in copies):
                        copies.append(copy)
                for copy in copies:
                    _move_on(copy, nanoseconds)
        except OSError as error:
            return stated("its timers cannot be moved on: {reason}", reason=error.strerror or str(error))
        return None


def _borrow(stack: ExitStack, pid: int, number: int) -> int | None:
    """None for what is gone meanwhile. Raises OSError where nothing is lent."""
    try:
        return stack.enter_context(borrowing.borrowed_timer(pid, number))
    except Gone:
        if (refused := borrowing.refused()) is not None:
            raise OSError(refused) from None
        return None


def _move_on(copy: int, passed: int) -> None:
    before = _gettime(copy)  # which also counts what has come since the kernel last did
    if not before.value:
        return
    ticks = _TICKS.search(procfs.read(f"/proc/self/fdinfo/{copy}"))
    unread = int(ticks[1]) if ticks else 0
    left, come = before.value - passed, 0
    if left <= 0:
        come = -left // before.interval + 1 if before.interval else 1
        left = left + come * before.interval if before.interval else 0
    then = _settime(copy, 0, Setting(left, before.interval))
    if not come and (not then.value or then.value > before.value):  # it has come by itself just now
        come = 1
        if not before.interval:
            _settime(copy, 0, Setting(0))
    if unread + come:
        _expire(copy, unread + come, before.interval)


def _expire(copy: int, ticks: int, interval: int) -> None:
    try:
        fcntl.ioctl(copy, _SET_TICKS, struct.pack("Q", ticks))
    except OSError as error:
        if error.errno != errno.ENOTTY:  # a kernel without CONFIG_CHECKPOINT_RESTORE
            raise
        _settime(copy, 0, Setting(1, interval))


def _gettime(copy: int) -> Setting:
    found = ctypes.create_string_buffer(32)
    checked(_libc.timerfd_gettime(copy, found), "timerfd_gettime")
    return unpacked(found.raw) or Setting(0)


def _settime(copy: int, flags: int, setting: Setting) -> Setting:
    before = ctypes.create_string_buffer(32)
    checked(_libc.timerfd_settime(copy, flags, setting.packed(), before), "timerfd_settime")
    return unpacked(before.raw) or Setting(0)


def _same(one: int, other: int) -> bool:
    """Whether two descriptors of ours are one timer, which processes share after a fork (kcmp(2))."""
    number, ours = _KCMP[os.uname().machine], os.getpid()
    return checked(int(_libc.syscall(number, ours, ours, _KCMP_FILE, one, other)), "kcmp") == 0
