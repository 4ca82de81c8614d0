"""System call numbers of the calls a server sleeps in, and where such a call keeps its time limit.

Numbers are from asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64); None where the machine has no
such call.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Literal

_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63),
    "write": (1, 64),
    "open": (2, None),
    "close": (3, 57),
    "poll": (7, None),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigreturn": (15, 139),
    "ioctl": (16, 29),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "readv": (19, 65),
    "writev": (20, 66),
    "select": (23, None),
    "sched_yield": (24, 124),
    "dup": (32, 23),
    "dup2": (33, None),
    "pause": (34, None),
    "nanosleep": (35, 101),
    "sendfile": (40, 71),
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    "sendmsg": (46, 211),
    "recvmsg": (47, 212),
    "shutdown": (48, 210),
    "bind": (49, 200),
    "listen": (50, 201),
    "setsockopt": (54, 208),
    "clone": (56, 220),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "exit": (60, 93),
    "wait4": (61, 260),
    "kill": (62, 129),
    "semop": (65, 193),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "fcntl": (72, 25),
    "flock": (73, 32),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "rt_sigtimedwait": (128, 137),
    "rt_sigsuspend": (130, 133),
    "futex": (202, 98),
    "io_getevents": (208, 4),
    "getdents64": (217, 61),
    "restart_syscall": (219, 128),
    "semtimedop": (220, 192),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "epoll_wait": (232, None),
    "tgkill": (234, 131),
    "mq_timedsend": (242, 182),
    "mq_timedreceive": (243, 183),
    "waitid": (247, 95),
    "openat": (257, 56),
    "pselect6": (270, 72),
    "ppoll": (271, 73),
    "splice": (275, 76),
    "epoll_pwait": (281, 22),
    "accept4": (288, 242),
    "dup3": (292, 24),
    "pipe2": (293, 59),
    "recvmmsg": (299, 243),
    "sendmmsg": (307, 269),
    "preadv2": (327, 286),
    "pwritev2": (328, 287),
    "io_uring_enter": (426, 426),
    "clone3": (435, 435),
    "io_pgetevents": (333, 292),
    "epoll_pwait2": (441, 441),
    "futex_waitv": (449, 449),
    "futex_wait": (455, 455),
}

_COLUMNS = {"x86_64": 0, "aarch64": 1}


def names(machine: str = platform.machine()) -> dict[int, str]:
    """Call numbers to names; empty for a machine without a table, where calls show as `call 45`."""
    column = _COLUMNS.get(machine)
    if column is None:
        return {}
    pairs = ((numbers[column], name) for name, numbers in _NUMBERS.items())
    return {number: name for number, name in pairs if number is not None}


NAMES = names()


@dataclass(frozen=True)
class TimeLimit:
    """Which argument (from 0) of a call limits its wait, and how it is written there."""

    argument: int
    form: Literal["milliseconds", "timespec", "timeval", "deadline"]


TIME_LIMITS = {
    "poll": TimeLimit(2, "milliseconds"),
    "epoll_wait": TimeLimit(3, "milliseconds"),
    "epoll_pwait": TimeLimit(3, "milliseconds"),
    "epoll_pwait2": TimeLimit(3, "timespec"),
    "ppoll": TimeLimit(2, "timespec"),
    "select": TimeLimit(4, "timeval"),
    "pselect6": TimeLimit(4, "timespec"),
    "nanosleep": TimeLimit(0, "timespec"),
    "rt_sigtimedwait": TimeLimit(2, "timespec"),
    "semtimedop": TimeLimit(3, "timespec"),
    "io_getevents": TimeLimit(4, "timespec"),
    "io_pgetevents": TimeLimit(4, "timespec"),
    "mq_timedsend": TimeLimit(4, "deadline"),
    "mq_timedreceive": TimeLimit(4, "deadline"),
    "futex_waitv": TimeLimit(3, "deadline"),
    "futex_wait": TimeLimit(4, "deadline"),
}
"""futex and clock_nanosleep are missing: another argument says whether theirs is a span or a deadline.
recvmmsg is missing on purpose: its limit is only looked at after a datagram came (recvmmsg(2), BUGS)."""

#: How many arguments a call takes that may have a time limit, or that a timer interrupts; behind them the kernel shows
#: what registers hold.
ARGUMENTS = {
    "pause": 0,
    **dict.fromkeys(("nanosleep", "rt_sigsuspend"), 2),
    **dict.fromkeys(("poll", "read", "readv", "write", "writev", "accept", "recvmsg", "sendmsg", "connect"), 3),
    **dict.fromkeys(
        ("epoll_wait", "accept4", "clock_nanosleep", "rt_sigtimedwait", "wait4", "sendmmsg", "sendfile"), 4
    ),
    **dict.fromkeys(("select", "ppoll", "waitid", "io_getevents", "recvmmsg", "mq_timedsend", "mq_timedreceive"), 5),
}

ON_A_DESCRIPTOR = frozenset(
    {
        *(
            "read",
            "write",
            "readv",
            "writev",
            "pread64",
            "pwrite64",
            "lseek",
            "ioctl",
            "fcntl",
            "flock",
            "fsync",
        ),
        *("fdatasync", "getdents64", "close", "shutdown", "bind", "listen", "connect", "setsockopt"),
        *("accept", "accept4", "recvfrom", "recvmsg", "recvmmsg", "sendto", "sendmsg", "sendmmsg", "sendfile"),
        *("preadv2", "pwritev2"),
        *("epoll_wait", "epoll_pwait", "epoll_pwait2", "io_uring_enter"),
    }
)
"""Calls that may wait on the descriptor which is their first argument (of the two of sendfile(2), the one it fills)."""

BETWEEN_DESCRIPTORS: dict[str, tuple[int, int]] = {"splice": (0, 2), "tee": (0, 1)}
"""Calls that may wait on either of two descriptors: which arguments these are (splice(2), tee(2))."""
