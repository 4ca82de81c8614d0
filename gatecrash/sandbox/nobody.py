"""How a target becomes somebody who owns nothing and may do little, before its program is executed.

Imported by the broker, which runs without site-packages: standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import struct
from collections.abc import Mapping

from gatecrash.sandbox.cgroups import TASKS
from gatecrash.sandbox.namespaces import CLONE_NEWCGROUP, NOBODY, checked, libc

# prctl(2), seccomp(2), keyctl(2)
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
SECCOMP_SET_MODE_FILTER = 1
KEYCTL_JOIN_SESSION_KEYRING = 1
SYS_SECCOMP = {"x86_64": 317, "aarch64": 277}
SYS_KEYCTL = {"x86_64": 250, "aarch64": 219}
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO with EPERM
_LOAD, _RETURN, _IF_EQUAL, _IF_AT_LEAST = 0x20, 0x06, 0x15, 0x35
_X32 = 0x40000000  # __X32_SYSCALL_BIT: another way to name every call

#: io_uring_setup, _enter, _register: calls that no filter sees (and so no gate) are made through it; memfd_secret.
_EVERYWHERE = (425, 426, 427, 447)
#: By the audit number of an architecture (linux/audit.h), what is refused: bpf, perf_event_open, userfaultfd, the
#: keys (keyctl, add_key, request_key: those of whoever runs us are not its own), syslog (the kernel's log), and
#: memfd_create, memory that is in no process and no file system where it could be counted.
_REFUSED = {
    0xC000003E: (321, 298, 323, 250, 248, 249, 103, 319, *_EVERYWHERE),  # x86_64
    0x40000003: (357, 336, 374, 288, 286, 287, 103, 356, *_EVERYWHERE),  # i386
    0xC00000B7: (280, 241, 282, 219, 217, 218, 116, 279, *_EVERYWHERE),  # aarch64
}
_MEMLOCK = 8 << 20


def limit_resources(limits: Mapping[str, int], nofile: int) -> None:
    """Those that the kernel counts for each process (getrlimit(2)); `nofile` is the soft limit of descriptors.

    Memory is not among them: RLIMIT_AS and RLIMIT_DATA count what is only reserved, and AddressSanitizer, Go and Java
    reserve terabytes. The broker counts what is there. Of processor time it counts a second less, and can tell then.
    """
    wanted = {
        resource.RLIMIT_NOFILE: (min(nofile, limits["open_files"]), limits["open_files"]),
        resource.RLIMIT_FSIZE: (limits["file_size"] << 20,) * 2,
        resource.RLIMIT_CPU: (limits["cpu_seconds"] + 1, limits["cpu_seconds"] + 2),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_MEMLOCK: (_MEMLOCK, _MEMLOCK),
        resource.RLIMIT_RTPRIO: (0, 0),
        resource.RLIMIT_NICE: (0, 0),
    }
    for kind, (soft, hard) in wanted.items():
        most = resource.getrlimit(kind)[1]
        capped = [one if most == resource.RLIM_INFINITY else min(one, most) for one in (soft, hard)]
        resource.setrlimit(kind, (capped[0], capped[1]))


def limit_tasks(limits: Mapping[str, int]) -> None:
    """Of this user in this namespace, which the kernel counts since Linux 5.14; before, it counted the whole machine's.

    A backstop: what has too many processes is ended by the broker, and this keeps it from being faster.
    """
    major, minor = (int(word) for word in platform.release().split(".")[:2])
    if (major, minor) >= (5, 14):
        most = limits["processes"] * TASKS
        with contextlib.suppress(ValueError):  # a lower one holds already
            resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def become_nobody() -> None:
    """Another user, without any capability, for good (capabilities(7)), whose control group is the root of its own."""
    checked(libc.unshare(CLONE_NEWCGROUP), "unshare")
    libc.syscall(SYS_KEYCTL[os.uname().machine], KEYCTL_JOIN_SESSION_KEYRING, None)  # not the one we came with
    capability = 0
    while libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:  # until there is none of that number
        capability += 1
    with contextlib.suppress(PermissionError):  # whoever may not name their groups has none here to give up
        os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def refuse_calls() -> None:
    """Install the filter that refuses what cannot be contained, or seen."""
    code = refusing_filter()
    buffer = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer)))
    checked(libc.syscall(SYS_SECCOMP[os.uname().machine], SECCOMP_SET_MODE_FILTER, 0, program), "seccomp")


def refusing_filter() -> bytes:
    """Classic BPF over struct seccomp_data: the architecture, then the number."""
    program = [_step(_LOAD, 4)]
    for audit, numbers in _REFUSED.items():
        block = [_step(_LOAD, 0)]
        tests = [(_IF_AT_LEAST, _X32)] if audit == 0xC000003E else []
        tests += [(_IF_EQUAL, number) for number in numbers]
        for place, (code, value) in enumerate(tests):
            block.append(_step(code, value, len(tests) - place, 0))
        block += [_step(_RETURN, _ALLOW), _step(_RETURN, _REFUSE)]
        program += [_step(_IF_EQUAL, audit, 0, len(block)), *block]
    program.append(_step(_RETURN, _REFUSE))  # numbers that nobody here knows
    return b"".join(program)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)
