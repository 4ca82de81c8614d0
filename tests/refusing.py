"""A machine that refuses: calls that fail with EPERM for a command and all it starts, as in a hardened container.

Run as `python -m tests.refusing NAME COMMAND …`. The filter is the kernel's own (seccomp(2)), so what is tested is
what happens there, and not what a replaced function says.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

_AMD64 = os.uname().machine == "x86_64"
_SECCOMP, _SOCKET = (317, 41) if _AMD64 else (277, 198)
_AF_NETLINK, _NETLINK_SOCK_DIAG = 16, 4
#: By an instrument's name: the call it needs, and the arguments (by their index) that make it this call.
REFUSED: dict[str, tuple[int, dict[int, int]]] = {
    "gates": (_SECCOMP, {}),
    "queues": (_SOCKET, {0: _AF_NETLINK, 2: _NETLINK_SOCK_DIAG}),
}
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
# Classic BPF (linux/filter.h, linux/seccomp.h): load a word of struct seccomp_data, compare, return.
_LOAD, _IS_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _FAIL_EPERM = 0x7FFF0000, 0x00050001
_OFFSET_OF_ARGUMENTS = 16


def refuse(instrument: str) -> None:
    """From now on this process and its descendants are refused what this instrument needs."""
    number, arguments = REFUSED[instrument]
    compared = [(0, number), *((_OFFSET_OF_ARGUMENTS + 8 * index, value) for index, value in arguments.items())]
    program = []
    for position, (offset, value) in enumerate(compared):
        to_allow = 2 * (len(compared) - position - 1) + 1
        program += [(_LOAD, 0, 0, offset), (_IS_EQUAL, 0, to_allow, value)]
    program += [(_RETURN, 0, 0, _FAIL_EPERM), (_RETURN, 0, 0, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in program))
    whole = struct.pack("@HP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _MODE_FILTER, whole, 0, 0)):
        if libc.prctl(*words) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    refuse(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])
