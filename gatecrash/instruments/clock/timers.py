"""Timers that send a signal, alarm(2), setitimer(2) and timer_settime(2): kept here in the kernel's place.

One of the kernel's comes by the kernel's clocks, late by all that is skipped after it was set. So the calls that set
and read a timer are answered here, by the target's clock, and the signal is sent from here when its moment has come, by
itself or because it is let come. It says SI_TIMER, as those of POSIX timers do; that of an alarm would say SI_KERNEL.

The kernel still makes POSIX timers and ends them, with timer_delete(2), with their program (execve(2)), with their
process: it lists those that there are (proc(5), /proc/PID/timers). Timers of processor time stay the kernel's, and so
does every call that it refuses. Not told: timer_getoverrun(2), which stays 0.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import signal
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gatecrash.instruments import procfs
from gatecrash.instruments.clock.spans import SECOND, Setting, read_setting, write_setting
from gatecrash.instruments.memory import Gone
from gatecrash.instruments.trapped import CONTINUE, Handler, Respond
from gatecrash.sandbox.namespaces import checked

_ITIMER_REAL = 0
_ALARM = -1  # the number of the one timer that alarm and setitimer set
_TIMER_ABSTIME = 1
_CLOCKS = frozenset({0, 1, 7, 8, 9, 11})  # of those that timers can have: not processor time
_LISTED = re.compile(rb"ID: (\d+)\nsignal: (\d+)/([0-9a-f]+)\nnotify: (\w+)/(pid|tid)\.(-?\d+)\nClockID: (-?\d+)\n")
_MICROSECOND = 1000
_SI_TIMER = -2
_INFO = struct.Struct("iiixxxxiiQ96x")  # siginfo_t of a timer: signal, errno, code; timer, overrun, value
#: rt_sigqueueinfo(2) and rt_tgsigqueueinfo(2)
_QUEUE = {"x86_64": (129, 297), "aarch64": (138, 240)}
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Notice:
    """What a timer sends: a signal with a value, to one thread or (0) to its process; no signal: nothing."""

    signal: int
    value: int = 0
    thread: int = 0


@dataclass
class Timer:
    """One that is set. `due`: in nanoseconds of the target's monotonic clock; `born`: when its process was started."""

    pid: int
    number: int
    call: str
    born: float | None
    notice: Notice
    due: int
    interval: int


class Timers:
    """Those of one target. `ahead_ns`: nanoseconds that its clocks are ahead."""

    def __init__(self, ahead_ns: Callable[[], int]) -> None:
        self._ahead_ns = ahead_ns
        self._set: dict[tuple[int, int], Timer] = {}
        #: Whether any has been set.
        self.used = False
        #: Whether one was set that this kernel does not tell us of.
        self.unlisted = False

    def _now(self) -> int:
        return time.monotonic_ns() + self._ahead_ns()

    # --- What programs set and ask ----------------------------------------------------------------------------------

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Who answers each trapped call, by its name; one without an answer is the kernel's."""
        answers: dict[str, Callable[[int, tuple[int, ...]], int | None]] = {
            "alarm": self._alarm,
            "setitimer": self._setitimer,
            "getitimer": self._getitimer,
            "timer_settime": self._timer_settime,
            "timer_gettime": self._timer_gettime,
        }
        return {name: _handler(answer) for name, answer in answers.items()}

    def _alarm(self, tid: int, args: tuple[int, ...]) -> int | None:
        pid, setting = procfs.process_of(tid), Setting((args[0] & 0xFFFFFFFF) * SECOND)
        before = self._left(pid, _ALARM, _MICROSECOND)
        self._put(pid, _ALARM, "alarm", setting, Notice(signal.SIGALRM))
        seconds, rest = divmod(before.value, SECOND)  # rounded as the kernel does it (kernel/time/itimer.c)
        return seconds + (rest >= SECOND // 2 or 0 == seconds < rest)

    def _setitimer(self, tid: int, args: tuple[int, ...]) -> int | None:
        setting = read_setting(tid, args[1], _MICROSECOND) if args[1] else Setting(0)
        if args[0] & 0xFFFFFFFF != _ITIMER_REAL or setting is None:
            return None
        pid = procfs.process_of(tid)
        before = self._left(pid, _ALARM, _MICROSECOND)
        self._put(pid, _ALARM, "setitimer", setting, Notice(signal.SIGALRM))
        return _told(tid, args[2], before, _MICROSECOND)

    def _getitimer(self, tid: int, args: tuple[int, ...]) -> int | None:
        if args[0] & 0xFFFFFFFF != _ITIMER_REAL:
            return None
        return _told(tid, args[1], self._left(procfs.process_of(tid), _ALARM, _MICROSECOND), _MICROSECOND, needed=True)

    def _timer_settime(self, tid: int, args: tuple[int, ...]) -> int | None:
        pid, number = procfs.process_of(tid), ctypes.c_int(args[0] & 0xFFFFFFFF).value
        listed = _listed(pid)
        self.unlisted = self.unlisted or listed is None
        clock, notice = (listed or {}).get(number, (None, Notice(0)))
        setting = read_setting(tid, args[2])
        if clock not in _CLOCKS or setting is None:
            return None
        if setting.value and args[1] & _TIMER_ABSTIME:
            left = setting.value - time.clock_gettime_ns(clock) - self._ahead_ns()
            setting = Setting(max(left, 1), setting.interval)
        before = self._left(pid, number, 1)
        self._put(pid, number, "timer_settime", setting, notice)
        return _told(tid, args[3], before)

    def _timer_gettime(self, tid: int, args: tuple[int, ...]) -> int | None:
        pid, number = procfs.process_of(tid), ctypes.c_int(args[0] & 0xFFFFFFFF).value
        if (pid, number) not in self._set:
            return None
        return _told(tid, args[1], self._left(pid, number, 1), needed=True)

    def _put(self, pid: int, number: int, call: str, setting: Setting, notice: Notice) -> None:
        self._set.pop((pid, number), None)
        if setting.value:
            born = procfs.started(pid, pid)
            due = self._now() + setting.value
            self._set[pid, number] = Timer(pid, number, call, born, notice, due, setting.interval)
            self.used = True

    def _left(self, pid: int, number: int, least: int) -> Setting:
        """What is left of one: at least so much while it is set."""
        timer = self._set.get((pid, number))
        if timer is None or not _is_there(timer):
            return Setting(0)
        return Setting(max(timer.due - self._now(), least), timer.interval)

    # --- Their moments ----------------------------------------------------------------------------------------------

    def coming(self) -> list[tuple[float, Timer]]:
        """Those that will send something, with the seconds until then."""
        if not self._set:
            return []
        self._set = {key: timer for key, timer in self._set.items() if _is_there(timer)}
        now = self._now()
        return [(max(one.due - now, 0) / 1e9, one) for one in self._set.values() if one.notice.signal]

    def expire(self, timer: Timer, go_on: Callable[[], None]) -> bool:
        """Whether it still was to come; then `go_on` is called before its signal is sent.

        Raises OSError where that is refused.
        """
        if self._set.get((timer.pid, timer.number)) is not timer or not _is_there(timer):
            return False
        go_on()
        if timer.interval:
            timer.due += timer.interval * max((self._now() - timer.due) // timer.interval + 1, 1)
        else:
            del self._set[timer.pid, timer.number]
        _send(timer)
        return True

    def catch_up(self) -> int:
        """Let those come whose moment has come by itself; how many. Raises OSError where sending is refused."""
        if not self._set:
            return 0
        now = self._now()
        due = [timer for timer in self._set.values() if timer.due <= now]
        return sum(self.expire(timer, lambda: None) for timer in due)


def _handler(answer: Callable[[int, tuple[int, ...]], int | None]) -> Handler:
    def handle(id: int, tid: int, args: tuple[int, ...], respond: Respond) -> None:
        try:
            value = answer(tid, args)
        except Gone:  # memory that cannot be read: the kernel says so
            value = None
        if value is None:
            respond(id, flags=CONTINUE)
        elif value < 0:
            respond(id, error=-value)
        else:
            respond(id, value=value)

    return handle


def _told(tid: int, address: int, setting: Setting, unit: int = 1, *, needed: bool = False) -> int:
    """Write what was asked for, or may be given beside the answer; the answer then."""
    try:
        if address or needed:
            write_setting(tid, address, setting, unit)
    except Gone:
        return -errno.EFAULT
    return 0


def _is_there(timer: Timer) -> bool:
    if procfs.started(timer.pid, timer.pid) != timer.born:
        return False
    if (
        procfs.is_ending(timer.pid) and len(procfs.threads(timer.pid)) <= 1
    ):  # its first thread may end before the others
        return False
    return timer.number == _ALARM or timer.number in (_listed(timer.pid) or {})


def _listed(pid: int) -> dict[int, tuple[int, Notice]] | None:
    """The POSIX timers of a process: clock and notice; None where the kernel tells of none (CONFIG_CHECKPOINT_RESTORE).

    No process that is there lacks the list; one that is gone has no timer any more.
    """
    content = procfs.read_all(f"/proc/{pid}/timers")
    if not content and not os.path.exists("/proc/self/timers"):
        return None
    found: dict[int, tuple[int, Notice]] = {}
    for match in _LISTED.finditer(content):
        number, sent, value, how, whom, receiver, clock = match.groups()
        thread = int(receiver) if whom == b"tid" else 0
        found[int(number)] = (int(clock), Notice(int(sent) if how != b"none" else 0, int(value, 16), thread))
    return found


def _send(timer: Timer) -> None:
    """Nobody gets it twice: one that is pending waits for both (timer_getoverrun(2))."""
    notice = timer.notice
    if not notice.signal or _is_pending(timer):
        return
    info = _INFO.pack(notice.signal, 0, _SI_TIMER, max(timer.number, 0), 0, notice.value)
    to_process, to_thread = _QUEUE[os.uname().machine]
    whom = (to_thread, timer.pid, notice.thread) if notice.thread else (to_process, timer.pid)
    try:
        checked(int(_libc.syscall(*whom, notice.signal, info)), "rt_sigqueueinfo")
    except (ProcessLookupError, BlockingIOError):  # it has ended, or is full of signals that wait (RLIMIT_SIGPENDING)
        return


def _is_pending(timer: Timer) -> bool:
    who = timer.notice.thread or timer.pid
    status = procfs.read(f"/proc/{timer.pid}/task/{who}/status")
    title = b"\nSigPnd:\t" if timer.notice.thread else b"\nShdPnd:\t"
    return bool(int(procfs.field(status, title) or b"0", 16) >> timer.notice.signal - 1 & 1)
