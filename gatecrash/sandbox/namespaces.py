"""How a broker enters its arena: fresh namespaces as pid 1, or the shared machine as a child subreaper.

Imported by the broker, which runs without site-packages: standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import resource
import socket
import struct
from itertools import pairwise

from gatecrash.sandbox.cgroups import Group

# unshare(2), mount(2), netdevice(7), prctl(2)
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWCGROUP = 0x4000000, 0x8000000, 0x2000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 0x4000, 1 << 18
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
PR_SET_CHILD_SUBREAPER = 36
#: The user and group that owns nothing (user_namespaces(7), overflowuid).
NOBODY = 65534
MOST_PIDS = 1 << 22  # PID_MAX_LIMIT of a 64-bit kernel (proc(5), pid_max)

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str) -> int:
    """The result of a libc call, or OSError naming the call."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)
    return result


def write_file(path: str, text: str) -> None:
    """One write(2), as /proc/PID/uid_map demands (user_namespaces(7))."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.close(descriptor)


def enter_namespaces(*, confined: bool = False, group: Group | None = None) -> None:
    """Move into fresh user, pid, mount and network namespaces; return in the child that is pid 1 there.

    `confined`: System V's and POSIX's shared things and the host's name are its own, too, and there is somebody in
    there who owns nothing: NOBODY. `group`: is removed when all in there has ended.
    """
    flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET
    if confined:
        become_with_nobody(flags | CLONE_NEWIPC | CLONE_NEWUTS)
    else:
        uid, gid = os.geteuid(), os.getegid()
        checked(libc.unshare(flags), "unshare")
        map_users(f"0 {uid} 1", f"0 {gid} 1")
    child = os.fork()  # CLONE_NEWPID concerns children, not the caller
    if child:
        # Stay, so that pid 1 has a parent that reaps it even where the container's init does not.
        for low, high in pairwise((2, *sorted(group.kept if group else ()), 1 << 16)):
            os.closerange(low + 1, high)
        os.waitpid(child, 0)
        if group is not None:
            group.remove()
        os._exit(0)
    checked(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount / private")
    if not confined:  # a root of its own gets it there
        mount_proc()
    loopback_up()


def become_with_nobody(flags: int) -> None:
    """Unshare, with a user NOBODY in there: root's is the machine's own nobody, anybody else is their own.

    Two users can only be mapped from outside (user_namespaces(7)), so a child that stays there does it.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0:
        checked(libc.unshare(flags), "unshare")
        map_users(f"{NOBODY} {uid} 1", f"{NOBODY} {gid} 1")
        return
    heard, told = os.pipe2(os.O_CLOEXEC)
    me = os.getpid()
    outside = os.fork()
    if outside == 0:
        status = 1
        try:
            os.close(told)
            if os.read(heard, 1):
                users = f"0 0 1\n{NOBODY} {NOBODY} 1"
                write_file(f"/proc/{me}/uid_map", users)
                write_file(f"/proc/{me}/gid_map", users)
                status = 0
        finally:
            os._exit(status)
    os.close(heard)
    try:
        checked(libc.unshare(flags), "unshare")
        os.write(told, b"!")
    finally:
        os.close(told)
        mapped = os.waitpid(outside, 0)[1] == 0
    if not mapped:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), "uid_map")


def map_users(users: str, groups: str) -> None:
    """The one user and the one group of the fresh namespace that we are in."""
    write_file("/proc/self/setgroups", "deny")
    write_file("/proc/self/uid_map", users)
    write_file("/proc/self/gid_map", groups)


def mount_proc() -> None:
    """Show targets their own processes; a container that masks /proc forbids it, and nothing of ours needs it."""
    libc.mount(b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    private_network()


def private_network() -> None:
    """What is set of our network for every target."""
    with contextlib.suppress(OSError):
        # Thousands of connections to one port: let connect(2) reuse a TIME_WAIT address after a second.
        write_file("/proc/sys/net/ipv4/tcp_tw_reuse", "1")


def loopback_up() -> None:
    """Switch on lo, which a new network namespace has down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(probe, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


def become_subreaper() -> None:
    """Orphans of our children become ours (prctl(2)), so that they can be found and killed."""
    checked(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def soft_to_hard() -> None:
    """Room for the sockets the broker gives away; a target's own limit is set when it is started."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def children_by_asking(oldest: int) -> list[int]:
    """The children of this process with the number `oldest` or a later one, zombies included, without /proc.

    Numbers are given out in a row, so they lie between `oldest` and that of a process started now. When the row began
    anew meanwhile, its end was not far: where it is, only /proc would tell (pid_max; usually a power of two). waitid(2)
    says of each number whether it is a child, and takes nothing away.
    """
    newest = os.fork()
    if newest == 0:
        os._exit(0)
    os.waitpid(newest, 0)
    if oldest < newest:
        return [pid for pid in range(oldest, newest) if _is_child(pid)]
    end = min(2 << oldest.bit_length(), MOST_PIDS)
    return [pid for row in (range(oldest, end), range(2, newest)) for pid in row if _is_child(pid)]


def _is_child(pid: int) -> bool:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def descendants(root: int, most: int | None = None) -> list[int]:
    """Every process below `root`, by /proc/PID/task/TID/children (proc(5)); with `most`, some more than that many."""
    found: list[int] = []
    waiting = [root]
    while waiting and (most is None or len(found) <= most):
        pid = waiting.pop()
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as listing:
                    children = [int(word) for word in listing.read().split()]
                found += children
                waiting += children
        except OSError:
            continue  # gone meanwhile
    return found


def groups_of(pids: list[int]) -> set[int]:
    """The process groups of those that still live (getpgid(2))."""
    found: set[int] = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            found.add(os.getpgid(pid))
    return found
