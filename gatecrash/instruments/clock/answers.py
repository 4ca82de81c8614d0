"""What each call with a time limit returns when its time is up, and what it leaves in the caller's memory."""

from __future__ import annotations

import errno

_NOTHING_READY = ("poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "epoll_pwait2")
_SLEPT = ("nanosleep", "clock_nanosleep", "io_getevents", "io_pgetevents")
_TIMED_OUT = ("futex", "futex_wait", "futex_waitv", "mq_timedsend", "mq_timedreceive")
_NOTHING_CAME = (
    *("rt_sigtimedwait", "semtimedop"),
    *("read", "readv", "preadv2", "recvfrom", "recvmsg", "recvmmsg", "accept", "accept4"),
    *("write", "writev", "pwritev2", "sendto", "sendmsg", "sendmmsg", "sendfile", "splice"),
)

#: The value in the register: 0, or the negated errno.
ANSWERS: dict[str, int] = {
    **dict.fromkeys((*_NOTHING_READY, *_SLEPT), 0),
    **dict.fromkeys(_TIMED_OUT, -errno.ETIMEDOUT),
    **dict.fromkeys(_NOTHING_CAME, -errno.EAGAIN),
    "connect": -errno.EINPROGRESS,
    "io_uring_enter": -errno.ETIME,
}

_TIME_AT = {"select": 4, "pselect6": 4, "ppoll": 2}  # where the kernel writes the time that is left
_TIME_SIZE = 16


def emptied(call: str, args: tuple[int, ...]) -> list[tuple[int, int]]:
    """Address and size of what is all zeros then: the sets of a select, and the time that was left."""
    found = [(args[_TIME_AT[call]], _TIME_SIZE)] if call in _TIME_AT else []
    if call in ("select", "pselect6"):
        size = ((args[0] & 0xFFFFFFFF) + 63) // 64 * 8
        found += [(address, size) for address in args[1:4] if address]
    return found


_SENDS = frozenset({"write", "writev", "pwritev2", "sendto", "sendmsg", "sendmmsg", "sendfile", "splice"})
_COUNTED = frozenset({"write", "sendto"})  # whose third argument is how many bytes are offered
_FLAGS_AT = {"recvfrom": 3, "recvmsg": 2}
_MSG_WAITALL = 0x100


def cut_short(call: str, args: tuple[int, ...], result: int) -> bool:
    """Whether a call has moved a part of its bytes: it returns how many, interrupted or when its time is up."""
    if call in _SENDS:
        return result > 0 and (call not in _COUNTED or result < args[2])
    if call == "recvmmsg" or (call == "io_uring_enter" and args[1]):  # how many it has taken, whatever it waited for
        return result > 0
    return call in _FLAGS_AT and result > 0 and bool(args[_FLAGS_AT[call]] & _MSG_WAITALL)
