"""Makes one wait end as if its time were up: the task is interrupted, and finds the answer in its register.

What happened first counts: a task that somebody woke, or that a signal waits for, is let go untouched. A call that is
interrupted has returned one of the kernel's own codes, which no program ever sees (linux/errno.h).
"""

from __future__ import annotations

import ctypes
import errno
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from gatecrash.instruments import procfs
from gatecrash.instruments.clock.answers import ANSWERS, cut_short, emptied
from gatecrash.instruments.memory import Gone, write_memory
from gatecrash.instruments.syscalls import ARGUMENTS, NAMES
from gatecrash.model.processes import Task
from gatecrash.sandbox import tracing

# ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK. Not ERESTARTSYS (512): a call that has not begun yet returns
# it, being trapped, and none with a limit does but those on message queues, which nobody traps.
_INTERRUPTED = frozenset({-errno.EINTR, -513, -514, -516})
_RESTARTED = {"mq_timedsend": -512, "mq_timedreceive": -512}
_WITHIN = 2.0  # seconds a task that slept may need to stop


class Expiry:
    """Ends waits. One thread only: a tracer is a thread (ptrace(2))."""

    def __init__(self) -> None:
        self._unstopped: set[int] = set()
        self._in_hand = 0  # the task whose wait is being ended: it stands already

    def expire(self, task: Task, go_on: Callable[[], None]) -> bool:
        """Whether the task was still in its wait; then `go_on` is called while it stands, before it is let go.

        Raises OSError where tracing is refused.
        """
        self.let_late_ones_go()
        if _has_run(task) or not self._stop(task.tid):
            return False
        self._in_hand = task.tid
        try:
            return self._answered(task, go_on)
        except ProcessLookupError:  # killed meanwhile
            return False
        finally:
            self._in_hand = 0
            tracing.let_go(task.tid)

    @contextmanager
    def standing(self, tasks: Iterable[Task]) -> Iterator[None]:
        """These tasks stand while the block runs, and are in the calls again that they were in when it ends.

        One that does not stop in time, or that a signal comes to, goes on. Raises OSError where tracing is refused.
        """
        stopped: list[Task] = []
        try:
            for task in tasks:
                if task.tid != self._in_hand and self._stop(task.tid):
                    stopped.append(task)
            yield
        finally:
            for task in stopped:
                with suppress(ProcessLookupError):
                    _call_again_if_cut_short(task)
                tracing.let_go(task.tid)

    def _stop(self, tid: int) -> bool:
        try:
            tracing.ptrace(tracing.SEIZE, tid)
            tracing.ptrace(tracing.INTERRUPT, tid)
        except ProcessLookupError:
            return False
        status = tracing.stopped(tid, within=_WITHIN)
        if status is None:
            self.too_late(tid)
            return False
        if status & 0xFF != 0x7F:  # it has ended
            return False
        if tracing.event(status) == tracing.EVENT_STOP:
            return True
        tracing.let_go(tid, status >> 8 & 0xFF)  # a signal of its own came first
        return False

    def _answered(self, task: Task, go_on: Callable[[], None]) -> bool:
        state = tracing.registers(task.tid)
        result = ctypes.c_longlong(state.rax).value
        if _signal_waits(task):
            return False
        if _is_in(task, state) and cut_short(task.call, task.args, result):
            go_on()
            return True
        if _is_in(task, state) and (result in _INTERRUPTED or result == _RESTARTED.get(task.call)):
            go_on()
            for address, size in emptied(task.call, task.args):
                _zero(task.tid, address, size)
            state.rax = ANSWERS[task.call] & (1 << 64) - 1
            state.orig_rax = tracing.NO_CALL
            tracing.set_registers(task.tid, state)
            return True
        _call_again(task, state)  # another call by now, which only we have interrupted
        return False

    def too_late(self, tid: int) -> None:
        """A task that is to stop has not yet: it is let go when it does."""
        self._unstopped.add(tid)

    def let_late_ones_go(self) -> None:
        """Those that did not stop in time, once they have."""
        for tid in list(self._unstopped):
            if (status := tracing.stopped(tid, within=0.0)) is not None:
                self._unstopped.discard(tid)
                if status & 0xFF == 0x7F:
                    tracing.let_go(tid, 0 if tracing.event(status) else status >> 8 & 0xFF)


def _call_again_if_cut_short(task: Task) -> None:
    """What a stop has ended with EINTR begins again; the kernel itself does so with all other calls (signal(7))."""
    if not _signal_waits(task):
        _call_again(task, tracing.registers(task.tid))


def _call_again(task: Task, state: tracing.Registers) -> None:
    if ctypes.c_longlong(state.rax).value == -errno.EINTR and state.orig_rax != tracing.NO_CALL:
        tracing.call_again(task.tid, state)


def _has_run(task: Task) -> bool:
    """Whether a task was given a CPU since it was looked at (schedstat, proc(5))."""
    times = procfs.read(f"/proc/{task.pid}/task/{task.tid}/schedstat").split()
    return len(times) < 2 or (int(times[0]), int(times[1])) != (task.cpu_ns, task.wait_ns)


def _is_in(task: Task, state: tracing.Registers) -> bool:
    """Whether a stopped task is in the call that it was seen in."""
    if NAMES.get(state.orig_rax) not in (task.call, "restart_syscall"):
        return False
    count = ARGUMENTS.get(task.call, len(task.args))
    return tracing.arguments(state)[:count] == task.args[:count]


def _signal_waits(task: Task) -> bool:
    """A signal that is neither blocked nor ignored: it interrupts the call, whatever we do."""
    status = procfs.read(f"/proc/{task.pid}/task/{task.tid}/status")
    if not status:
        return True
    masks = (procfs.field(status, title) for title in (b"\nSigPnd:\t", b"\nShdPnd:\t", b"\nSigBlk:\t", b"\nSigIgn:\t"))
    own, shared, blocked, ignored = (int(mask, 16) for mask in masks)
    return bool((own | shared) & ~blocked & ~ignored & ~(1 << signal.SIGCONT - 1))


def _zero(tid: int, address: int, size: int) -> None:
    """The kernel forgives memory that cannot be written, too."""
    try:
        write_memory(tid, address, bytes(size))
    except Gone:
        return
