"""What being stopped does to calls with a time limit on a socket, undone: they begin again when the task goes on.

Such a call fails with EINTR once its process has been stopped and goes on, without any handler (signal(7),
"Interruption of system calls and library functions by stop signals"). A tester that stops a server to let clients
gather does not want to try that: the task is given the call that it was in once more.
"""

from __future__ import annotations

import ctypes
import errno

from gatecrash.instruments.syscalls import NAMES
from gatecrash.sandbox import tracing

_ON_SOCKETS = frozenset(
    {
        *("accept", "accept4", "read", "readv", "preadv2", "recvfrom", "recvmsg", "splice"),
        *("write", "writev", "pwritev2", "sendto", "sendmsg", "sendmmsg", "sendfile", "connect"),
    }
)
_WITHIN = 1.0  # seconds in which a task that is stopped already says so


def begin_again(tid: int) -> bool:
    """Whether the call that a stopped task was in had failed by that, and will be made again.

    Raises OSError where tracing is refused.
    """
    try:
        tracing.ptrace(tracing.SEIZE, tid)
    except ProcessLookupError:
        return False
    try:
        status = tracing.stopped(tid, within=_WITHIN)
        return status is not None and status & 0xFF == 0x7F and _given_back(tid)
    except ProcessLookupError:
        return False
    finally:
        tracing.let_go(tid)


def _given_back(tid: int) -> bool:
    state = tracing.registers(tid)
    if ctypes.c_longlong(state.rax).value != -errno.EINTR or NAMES.get(state.orig_rax) not in _ON_SOCKETS:
        return False
    tracing.call_again(tid, state)
    return True
