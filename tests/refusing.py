"""A machine that refuses: calls that fail with EPERM for a command and all it starts, as in a hardened container.

Run as `python -m tests.refusing NAME COMMAND …`. The filter is the kernel's own (seccomp(2)), and a /proc with nothing
in it is mounted (mount(2)), so what is tested is what happens there, and not what a replaced function says. A kernel
that refuses tracing everywhere (Yama's ptrace_scope 3) cannot be made and undone: for `census` the interpreter itself
refuses to open /proc/PID/task/TID/syscall (an audit hook, PEP 578), in this process and those it forks.

Or a machine of another kind than it is: for `table` the kernel itself says so (personality(2), uname26 and the like),
and for `stub` what looks for the stub of the clock is told that this is an aarch64, whose system calls are known.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import runpy
import struct
import sys
from types import SimpleNamespace

from gatecrash.sandbox import vdso
from gatecrash.sandbox.namespaces import CLONE_NEWNS, CLONE_NEWUSER, MS_PRIVATE, MS_REC, checked, libc, write_file

_AMD64 = os.uname().machine == "x86_64"
_SECCOMP, _SOCKET, _PTRACE = (317, 41, 101) if _AMD64 else (277, 198, 117)
_PIDFD_GETFD = 438
_AF_NETLINK, _NETLINK_SOCK_DIAG = 16, 4
#: By an instrument's name: the call it needs, and the arguments (by their index) that make it this call.
REFUSED: dict[str, tuple[int, dict[int, int]]] = {
    "borrowed sockets": (_PIDFD_GETFD, {}),
    "clock": (_PTRACE, {}),
    "gates": (_SECCOMP, {}),
    "queues": (_SOCKET, {0: _AF_NETLINK, 2: _NETLINK_SOCK_DIAG}),
}
#: Every machine there is here.
MACHINES = (*REFUSED, "census", "proc", "stub", "table")
#: The exit status that says that this machine cannot be made here.
CANNOT_BE_MADE = 77
_CALL_OF_ANOTHER = re.compile(r"/proc/\d+/task/\d+/syscall")
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
# Classic BPF (linux/filter.h, linux/seccomp.h): load a word of struct seccomp_data, compare, return.
_LOAD, _IS_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _FAIL_EPERM = 0x7FFF0000, 0x00050001
_OFFSET_OF_ARGUMENTS = 16
_PER_LINUX32 = 8  # linux/personality.h: uname(2) tells of a machine of 32 bits


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
    for words in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _MODE_FILTER, whole, 0, 0)):
        if libc.prctl(*words) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


def mask_proc() -> None:
    """From now on /proc is empty for this process and its descendants. Raises OSError where that is refused."""
    uid, gid = os.geteuid(), os.getegid()
    checked(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        write_file(f"/proc/self/{name}", text)
    checked(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount")
    checked(libc.mount(b"none", b"/proc", b"tmpfs", 0, None), "mount")


def run_untold(module: str, arguments: list[str]) -> None:
    """Run a module in this process, which is not told what calls other processes are in."""

    def refuse_to_open(event: str, given: tuple[object, ...]) -> None:
        if event == "open" and _CALL_OF_ANOTHER.fullmatch(str(given[0])):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), given[0])

    sys.addaudithook(refuse_to_open)
    run(module, arguments)


def run_without_stub(module: str, arguments: list[str]) -> None:
    """Run a module in this process, where whoever asks for the stub of the clock is on an aarch64."""
    setattr(vdso, "os", SimpleNamespace(uname=lambda: SimpleNamespace(machine="aarch64")))  # noqa: B010
    run(module, arguments)


def run(module: str, arguments: list[str]) -> None:
    """As python -m does."""
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    if sys.argv[1] in ("census", "stub"):
        after = sys.argv.index("-m", 2) + 1
        here = run_untold if sys.argv[1] == "census" else run_without_stub
        here(sys.argv[after], sys.argv[after + 1 :])
    elif sys.argv[1] == "table":
        checked(libc.personality(_PER_LINUX32), "personality")
    elif sys.argv[1] == "proc":
        try:
            mask_proc()
        except OSError:
            sys.exit(CANNOT_BE_MADE)
    else:
        refuse(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])
