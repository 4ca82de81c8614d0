"""A machine like a container: about what Docker's default profile lets a command, and all that it starts, do.

Run as `python -m tests.container_like COMMAND …`: no namespaces, no mounts, nobody's descriptors but one's own, and of
root's capabilities only a container's. The filter is the kernel's own (seccomp(2)), and no root is needed to make it.
After docs.docker.com/engine/security/seccomp and docs.docker.com/engine/containers/run ("Linux capabilities").
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from typing import NamedTuple

from gatecrash.sandbox.namespaces import checked, libc
from gatecrash.sandbox.seccomp import IF_BITS, IF_EQUAL, LOAD, RET_ALLOW, RETURN


class Call(NamedTuple):
    """A call that is refused: its number on both machines (asm/unistd_64.h, asm-generic/unistd.h), and with what."""

    x86_64: int
    aarch64: int
    error: int = errno.EPERM


REFUSED = {
    "unshare": Call(272, 97),
    "setns": Call(308, 268),
    "mount": Call(165, 40),
    "umount2": Call(166, 39),
    "pivot_root": Call(155, 41),
    "add_key": Call(248, 217),
    "request_key": Call(249, 218),
    "keyctl": Call(250, 219),
    "perf_event_open": Call(298, 241),
    "kcmp": Call(312, 272),
    "bpf": Call(321, 280),
    "pidfd_getfd": Call(438, 438),
    # Its flags are in memory, where no filter sees them: the C library then takes clone, whose flags are an argument.
    "clone3": Call(435, 435, errno.ENOSYS),
}
CLONE = Call(56, 220)
#: clone(2): CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET.
NEW_NAMESPACES = 0x7E020000
#: linux/capability.h: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw,
#: sys_chroot, mknod, audit_write, setfcap.
CAPABILITIES = sum(1 << number for number in (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31))
#: The exit status that says that this machine cannot be made here.
CANNOT_BE_MADE = 77

_RET_ERRNO = 0x00050000
_AT_NUMBER, _AT_FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_CAPABILITY_VERSION_3 = 0x20080522


def program(machine: str) -> bytes:
    """The filter for this machine. Raises AttributeError for one whose numbers are not here."""
    steps = [(LOAD, 0, 0, _AT_NUMBER)]
    for call in REFUSED.values():
        steps += [(IF_EQUAL, 0, 1, getattr(call, machine)), (RETURN, 0, 0, _RET_ERRNO | call.error)]
    steps += [(IF_EQUAL, 0, 3, getattr(CLONE, machine)), (LOAD, 0, 0, _AT_FIRST_ARGUMENT)]
    steps += [(IF_BITS, 0, 1, NEW_NAMESPACES), (RETURN, 0, 0, _RET_ERRNO | CLONE.error), (RETURN, 0, 0, RET_ALLOW)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def keep_few_capabilities() -> None:
    """Give up what a container's root has not. No exec brings it back: there are to be no new privileges (prctl(2))."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    held = ctypes.create_string_buffer(24)
    checked(libc.capget(header, held), "capget")
    low = [word & CAPABILITIES for word in struct.unpack("=3I", held.raw[:12])]  # effective, permitted, inheritable
    checked(libc.capset(header, struct.pack("=6I", *low, 0, 0, 0)), "capset")


def become_like_a_container() -> None:
    """From now on, for this process and its descendants. Raises OSError where that is refused."""
    code = program(os.uname().machine)
    kept = ctypes.create_string_buffer(code, len(code))
    whole = struct.pack("@HP", len(code) // 8, ctypes.addressof(kept))
    checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    keep_few_capabilities()
    checked(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, whole, 0, 0), "seccomp")


if __name__ == "__main__":
    try:
        become_like_a_container()
    except (OSError, AttributeError) as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(CANNOT_BE_MADE)
    os.execvp(sys.argv[1], sys.argv[1:])
