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
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager

from gatecrash.instruments import borrowing, procfs, waits
from gatecrash.instruments.clock.spans import Setting, read_setting, unpacked, write_setting
from gatecrash.instruments.memory import Gone
from gatecrash.instruments.trapped import CONTINUE, Handler, Respond
from gatecrash.language import stated
from gatecrash.sandbox.namespaces import checked

_TFD_TIMER_ABSTIME = 1
_SET_TICKS = 0x40085400  # TFD_IOC_SET_TICKS (linux/timerfd.h)
_TICKS = re.compile(rb"ticks: (\d+)")
_SOON = 10_000_000  # nanoseconds in which the copy that a timer was set through is closed, which is the next to happen
_FAR = 1_000_000_000  # and those in which we are done with all that comes before
_NEAR = 100_000_000  # what comes within these may come by itself meanwhile
_KCMP = {"x86_64": 312, "aarch64": 272}
_KCMP_FILE = 0
_libc = ctypes.CDLL(None, use_errno=True)

Standing = Callable[[Collection[int]], AbstractContextManager[bool]]


class TimerDescriptors:
    """Those of one target's processes."""

    def __init__(self, ahead_ns: Callable[[], int], standing: Standing) -> None:
        """`ahead_ns`: nanoseconds that its clocks are ahead. `standing`: see `Clock._standing`."""
        self._ahead_ns = ahead_ns
        self._standing = standing
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
        coming = self.coming(pids)
        if not coming:
            return None
        come = coming if any(left * 1e9 <= nanoseconds + _NEAR for left, _, _ in coming) else ()
        moved: list[tuple[int, int]] = []
        try:
            with self._standing({pid for _, pid, _ in come}) as all_stand:
                soon = 1 if all_stand else _SOON
                for _, pid, number in coming:
                    if not any(_same((pid, number), other) for other in moved):
                        moved.append((pid, number))
                        _moved_on(pid, number, nanoseconds, soon)
        except OSError as error:
            return stated("its timers cannot be moved on: {reason}", reason=error.strerror or str(error))
        if come and not all_stand:
            time.sleep(_SOON / 1e9)
        return None


def _moved_on(pid: int, number: int, passed: int, soon: int) -> None:
    """One that comes does so `soon`. Raises OSError where nothing is lent.

    A copy keeps what its owner closes in the owner's epoll set (epoll(7), question 6), where it is told of for ever: a
    timer is closed by whoever it comes for. So its owner stands while there is a copy of one that comes; where that
    cannot be, the copy is closed first.
    """
    try:
        with borrowing.borrowed_timer(pid, number) as copy:
            _move_on(copy, passed, soon)
    except Gone:
        if (refused := borrowing.refused()) is not None:
            raise OSError(refused) from None


def _move_on(copy: int, passed: int, soon: int) -> None:
    before = _gettime(copy)  # which also counts what has come since the kernel last did
    if not before.value:
        return
    left, interval, ticks = before.value - passed, before.interval, _unread(copy)
    if left <= 0 and interval:
        come = -left // interval + 1
        left, ticks = left + come * interval, ticks + come
    then = _settime(copy, 0, Setting(left if left > soon else _FAR, interval))
    by_itself = not then.value or then.value > before.value  # just now, and setting it has made that undone
    if by_itself or left <= soon:
        _settime(copy, 0, Setting(soon, interval))
    if ticks:
        _expire(copy, ticks, interval)


def _unread(copy: int) -> int:
    ticks = _TICKS.search(procfs.read(f"/proc/self/fdinfo/{copy}"))
    return int(ticks[1]) if ticks else 0


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


def _same(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two descriptors of processes are one timer, which these share after a fork (kcmp(2))."""
    number = _KCMP[os.uname().machine]
    (pid, descriptor), (its_pid, its_descriptor) = one, other
    return int(_libc.syscall(number, pid, its_pid, _KCMP_FILE, descriptor, its_descriptor)) == 0
