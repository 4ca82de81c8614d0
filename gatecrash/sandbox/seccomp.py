"""The seccomp filter that hands chosen system calls to the tester: families, call numbers, BPF.

Filters are classic BPF over struct seccomp_data (seccomp(2), linux/seccomp.h); built by hand, it is a page.
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

from gatecrash.errors import Unavailable, UsageError
from gatecrash.sandbox.vdso import MAGIC


class Machine(NamedTuple):
    """What differs between processors: the audit number (linux/audit.h) and the call numbers (unistd.h)."""

    audit: int
    calls: dict[str, int]


MACHINES = {
    "x86_64": Machine(
        0xC000003E,
        {
            "read": 0, "write": 1, "close": 3, "readv": 19, "writev": 20, "sendfile": 40, "socket": 41, "accept": 43,
            "sendto": 44, "recvfrom": 45, "sendmsg": 46, "recvmsg": 47, "shutdown": 48, "bind": 49, "listen": 50,
            "setsockopt": 54, "clone": 56, "fork": 57, "vfork": 58, "wait4": 61, "waitid": 247, "accept4": 288,
            "recvmmsg": 299, "sendmmsg": 307, "clone3": 435,
            "execve": 59, "gettimeofday": 96, "time": 201, "clock_gettime": 228, "execveat": 322,
            "getitimer": 36, "alarm": 37, "setitimer": 38, "timer_settime": 223, "timer_gettime": 224,
            "timerfd_create": 283, "timerfd_settime": 286,
        },
    ),
    "aarch64": Machine(
        0xC00000B7,
        {
            "close": 57, "read": 63, "write": 64, "readv": 65, "writev": 66, "sendfile": 71, "waitid": 95,
            "socket": 198, "bind": 200, "listen": 201, "accept": 202, "sendto": 206, "recvfrom": 207, "shutdown": 210,
            "sendmsg": 211, "recvmsg": 212, "clone": 220, "accept4": 242, "recvmmsg": 243, "wait4": 260,
            "setsockopt": 208, "sendmmsg": 269, "clone3": 435,
            "clock_gettime": 113, "gettimeofday": 169, "execve": 221, "execveat": 281,
            "timerfd_create": 85, "timerfd_settime": 86, "getitimer": 102, "setitimer": 103, "timer_gettime": 108,
            "timer_settime": 110,
        },
    ),
}  # fmt: skip

# clone and clone3 belong to "fork" or "thread" by their flags.
FAMILIES: dict[str, tuple[str, ...]] = {
    "accept": ("accept", "accept4"),
    "fork": ("fork", "vfork", "clone", "clone3"),
    "thread": ("clone", "clone3"),
    "send": ("sendto", "sendmsg", "sendmmsg", "write", "writev", "sendfile"),
    "recv": ("recvfrom", "recvmsg", "recvmmsg", "read", "readv"),
    "close": ("close", "shutdown"),
    "bind": ("bind",),
    "listen": ("listen",),
    "socket": ("socket",),
    "wait": ("wait4", "waitid"),
    "time limit": ("setsockopt",),  # only SO_RCVTIMEO and SO_SNDTIMEO
}

#: What the clock has trapped (instruments/clock): its own families, which no plan of the gates names.
CLOCK_FAMILIES: dict[str, tuple[str, ...]] = {
    "timer": (
        *("alarm", "setitimer", "getitimer", "timer_settime", "timer_gettime"),
        *("timerfd_create", "timerfd_settime"),  # of the second only what is not zero, a moment: TFD_TIMER_ABSTIME
    ),
    "clock read": ("clock_gettime", "gettimeofday", "time"),
    "exec": ("execve", "execveat"),
}


class Pointer(NamedTuple):
    """Told only with something in this argument."""

    argument: int


class Unless(NamedTuple):
    """Told only without this value in this argument."""

    argument: int
    value: int


#: The calls that are told only with certain arguments.
TESTS: dict[str, Pointer | Unless] = {
    "timerfd_settime": Pointer(1),
    "clock_gettime": Unless(2, MAGIC),  # the stub's own (vdso.py)
    "gettimeofday": Unless(2, MAGIC),
    "execve": Unless(3, MAGIC),  # the one that makes the target: nobody is there yet to let it go
}
CLONE_THREAD = 0x10000  # clone(2); always comes with CLONE_VM

RET_ALLOW, RET_USER_NOTIF = 0x7FFF0000, 0x7FC00000
LOAD, RETURN, IF_EQUAL, IF_BITS = 0x20, 0x06, 0x15, 0x45  # BPF_LD|W|ABS, BPF_RET|K, BPF_JMP|JEQ|K, BPF_JMP|JSET|K
# Offsets in struct seccomp_data (low word of a 64-bit argument).
AT_NUMBER, AT_ARCH, AT_FIRST_ARGUMENT, AT_SECOND_ARGUMENT, AT_THIRD_ARGUMENT = 0, 4, 16, 24, 32
SOL_SOCKET = 1
#: asm-generic/socket.h: the options programs name, and those with a 64-bit time, the same where long has 64 bits.
LIMIT_OPTIONS = {20: "SO_RCVTIMEO", 66: "SO_RCVTIMEO", 21: "SO_SNDTIMEO", 67: "SO_SNDTIMEO"}


def machine() -> Machine:
    """This processor's numbers. Raises Unavailable on one we have no table for."""
    name = os.uname().machine
    if name not in MACHINES:
        raise Unavailable("trapping system calls", f"no system call table for {name}, only {', '.join(MACHINES)}")
    return MACHINES[name]


def build_filter(traps: frozenset[str], *, exempt: int) -> bytes:
    """The program that notifies for these families and lets everything else pass.

    `exempt`: sendmsg(2) on this descriptor always passes, or the listener could never leave the process that
    installed it. Raises UsageError for a family that does not exist.
    """
    families = FAMILIES | CLOCK_FAMILIES
    if unknown := traps - set(families):
        raise UsageError(f"No such trap: {', '.join(sorted(unknown))}. There are {', '.join(families)}.")
    here = machine()
    names = {name for family in traps for name in families[family] if name in here.calls}
    program = [_step(LOAD, AT_ARCH), _step(IF_EQUAL, here.audit, 1, 0), _step(RETURN, RET_ALLOW)]
    program.append(_step(LOAD, AT_NUMBER))
    for name in sorted(names):
        block = _block(name, traps, exempt)
        program += [_step(IF_EQUAL, here.calls[name], 0, len(block)), *block]
    program.append(_step(RETURN, RET_ALLOW))
    return b"".join(program)


def _block(name: str, traps: frozenset[str], exempt: int) -> list[bytes]:
    """What to do once the number is known; every path through it ends in a return."""
    notify, allow = _step(RETURN, RET_USER_NOTIF), _step(RETURN, RET_ALLOW)
    if name == "sendmsg":
        return [_step(LOAD, AT_FIRST_ARGUMENT), _step(IF_EQUAL, exempt, 0, 1), allow, notify]
    if name == "clone" and not {"fork", "thread"} <= traps:
        test = _step(IF_BITS, CLONE_THREAD, 0, 1)
        return [_step(LOAD, AT_FIRST_ARGUMENT), test, *([allow, notify] if "fork" in traps else [notify, allow])]
    if name == "setsockopt":
        tests = [_step(IF_EQUAL, option, left, 0) for left, option in zip(range(4, 0, -1), LIMIT_OPTIONS, strict=True)]
        level = [_step(LOAD, AT_SECOND_ARGUMENT), _step(IF_EQUAL, SOL_SOCKET, 0, len(tests) + 1)]
        return [*level, _step(LOAD, AT_THIRD_ARGUMENT), *tests, allow, notify]
    return _tested(TESTS[name]) if name in TESTS else [notify]


def _tested(test: Pointer | Unless) -> list[bytes]:
    notify, allow = _step(RETURN, RET_USER_NOTIF), _step(RETURN, RET_ALLOW)
    low = _step(LOAD, AT_FIRST_ARGUMENT + 8 * test.argument)
    match test:
        case Pointer():
            high = _step(LOAD, AT_FIRST_ARGUMENT + 8 * test.argument + 4)
            return [low, _step(IF_EQUAL, 0, 0, 2), high, _step(IF_EQUAL, 0, 1, 0), notify, allow]
        case Unless():
            return [low, _step(IF_EQUAL, test.value, 0, 1), allow, notify]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One struct sock_filter; jumps count the steps to skip."""
    return struct.pack("HBBI", code, if_true, if_false, value)
