"""Bare reads of /proc (proc(5)), where every process may vanish between two reads: then the answer is empty."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable

VANISHED = frozenset({errno.ENOENT, errno.ESRCH})
_FLAGS = os.O_RDONLY | os.O_CLOEXEC
LINKS_OF_ONE_THREAD = 3  # of /proc/PID/task: two more than there are threads (fs/proc/base.c)
_ONE_PAGE = 4000
_NUMBERS_IN_SCHEDSTAT = 3
_START_FIELD, _TICKS_A_SECOND = 19, os.sysconf("SC_CLK_TCK")
_MOST_OF_A_NAME = 15  # bytes; include/linux/sched.h, TASK_COMM_LEN
_FLAGS_FIELD, _PF_EXITING = 6, 0x4  # the seventh behind the name; include/linux/sched.h

DENIED = b"denied"

#: The lines of /proc/PID/status that the census reads.
_STATUS_LINES = ("Name", "State", "PPid", "Threads", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")
_STATUS_COUNTERS = ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")


def refused(pid: int) -> str | None:
    """What this machine does not tell of the living process `pid`, by the file and the reason; None when it tells all.

    Asked of a process that is certainly there. A sandbox may leave files out or empty, a container may mask them, and
    `syscall` is refused where tracing is (proc(5), ptrace(2): "Ptrace access mode checking").
    """
    for name, complaint in _CHECKS.items():
        path = f"task/{pid}/{name}"
        try:
            with open(f"/proc/{pid}/{path}", "rb", buffering=0) as file:
                lacking = complaint(file.read())
        except OSError as error:
            lacking = error.strerror or str(error)
        if lacking is not None:
            return f"/proc/PID/{name}: {lacking}"
    try:
        os.listdir(f"/proc/{pid}/fd")
    except OSError as error:
        return f"/proc/PID/fd: {error.strerror or error}"
    return None


def _complaint_of_status(content: bytes) -> str | None:
    titles = {line.partition(b":")[0].decode("ascii", "replace") for line in content.splitlines()}
    lacking = [name for name in (*_STATUS_LINES, *_STATUS_COUNTERS) if name not in titles]
    return f"it has no line {lacking[0]}" if lacking else None


def _complaint_of_syscall(content: bytes) -> str | None:
    return None if content.strip() else "it is empty"


def _complaint_of_schedstat(content: bytes) -> str | None:
    return None if len(content.split()) == _NUMBERS_IN_SCHEDSTAT else "it does not hold three numbers"


#: What is wrong with the content of a file of /proc/PID/task/TID; None when it can be used. `children` may be empty.
_CHECKS: dict[str, Callable[[bytes], str | None]] = {
    "status": _complaint_of_status,
    "syscall": _complaint_of_syscall,
    "schedstat": _complaint_of_schedstat,
    "children": lambda content: None,
}


def read(path: str) -> bytes:
    """The file's content; b"" when the process is gone, DENIED when the kernel refuses to tell."""
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            return os.read(descriptor, 1 << 14)
        finally:
            os.close(descriptor)
    except PermissionError:
        return DENIED
    except OSError as error:
        if error.errno in VANISHED:
            return b""
        raise


def read_all(path: str) -> bytes:
    """As `read`, for files that may be longer than one read (a list of many children)."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except PermissionError:
        return DENIED
    except OSError as error:
        if error.errno in VANISHED:
            return b""
        raise


def threads(pid: int) -> tuple[int, ...]:
    """The thread ids of a process; its only one is its pid. Empty when it is gone."""
    task = f"/proc/{pid}/task"
    try:
        if os.stat(task).st_nlink == LINKS_OF_ONE_THREAD:  # cheaper than a listing
            return (pid,)
        return tuple(sorted(map(int, os.listdir(task))))
    except OSError as error:
        if error.errno in VANISHED:
            return ()
        raise


def seconds_delayed(task: int | str) -> float:
    """Seconds that a task wanted a processor and had none, since it was started; 0 where nobody counts (proc(5))."""
    fields = read(f"/proc/{task}/schedstat").split()
    return int(fields[1]) / 1e9 if len(fields) > 1 else 0.0


def process_of(tid: int) -> int:
    """The process of a thread; 0 when it is gone."""
    return int(field(read(f"/proc/{tid}/status"), b"\nTgid:\t") or b"0")


def own_number(tid: int) -> int:
    """The number of a thread in its own namespace (proc(5), NSpid); 0 when it is gone."""
    return innermost(read(f"/proc/{tid}/status"))


def innermost(status: bytes) -> int:
    """The last number of NSpid in a /proc/PID/status; 0 where there is none."""
    return int((field(status, b"\nNSpid:\t").split() or [b"0"])[-1]) if b"\nNSpid:" in status else 0


def is_ending(pid: int) -> bool:
    """Whether a process is on its way out, or gone (proc(5): the flags of PID/stat).

    Its sockets are closed before it becomes a zombie: a client may see the reset while nobody can wait for it yet.
    """
    fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    if len(fields) <= _FLAGS_FIELD:  # gone, or a machine that does not tell
        return not fields
    return fields[0] in (b"Z", b"X") or bool(int(fields[_FLAGS_FIELD]) & _PF_EXITING)


def name_of(pid: int) -> str:
    """The name of the program that a process runs, empty when it is gone (proc(5), comm)."""
    return whole_name(pid, read(f"/proc/{pid}/comm").removesuffix(b"\n"))


def whole_name(pid: int, comm: bytes) -> str:
    """The name of a program: as it was called, where the kernel keeps no more than the beginning of that (proc(5))."""
    cut = len(comm) == _MOST_OF_A_NAME
    called = read(f"/proc/{pid}/cmdline").partition(b"\0")[0].rpartition(b"/")[2] if cut else comm
    return (called if called.startswith(comm) else comm).decode("utf-8", "backslashreplace").strip()


def started(pid: int, tid: int) -> float | None:
    """When a thread was started, in seconds since the machine was (CLOCK_BOOTTIME); None when it is gone."""
    fields = read(f"/proc/{pid}/task/{tid}/stat").rpartition(b")")[2].split()
    return int(fields[_START_FIELD]) / _TICKS_A_SECOND if len(fields) > _START_FIELD else None


def children(pid: int, tids: Iterable[int], read: Callable[[str], bytes] = read) -> list[int]:
    """The child processes of the threads `tids` of `pid`, zombies included; `read`: how a file is read."""
    found: list[int] = []
    for tid in tids:
        path = f"/proc/{pid}/task/{tid}/children"
        listed = read(path)
        if len(listed) > _ONE_PAGE:  # the kernel gives long lists in several reads
            listed = read_all(path)
        if listed and listed != DENIED:
            found.extend(map(int, listed.split()))
    return found


def socket_inode(tid: int, descriptor: int) -> int | None:
    """The inode of a task's descriptor, as a register holds it, when it is a socket (proc(5): "socket:[123]")."""
    try:
        link = os.readlink(f"/proc/{tid}/fd/{descriptor & 0xFFFFFFFF}")
    except OSError:
        return None
    return int(link[8:-1]) if link.startswith("socket:[") else None


def memory(pid: int, address: int, size: int) -> bytes | None:
    """`size` bytes of the memory of a process; None when it is gone or the kernel refuses."""
    try:
        descriptor = os.open(f"/proc/{pid}/mem", _FLAGS)
        try:
            content = os.pread(descriptor, size, address)
        finally:
            os.close(descriptor)
    except (OSError, OverflowError):
        return None
    return content if len(content) == size else None


class ProcessStatus:
    """The few fields of /proc/PID/task/TID/status that say whether a task can move."""

    __slots__ = ("pending", "state", "switches")

    def __init__(self, content: bytes) -> None:
        """From the file's content; `state` is empty when that is."""
        if not content or content == DENIED:
            self.state, self.pending, self.switches = "", False, 0
            return
        signals = int(field(content, b"\nSigPnd:\t"), 16) | int(field(content, b"\nShdPnd:\t"), 16)
        self.state = field(content, b"\nState:\t")[:1].decode()
        self.pending = bool(signals & ~int(field(content, b"\nSigBlk:\t"), 16))
        self.switches = int(field(content, b"\nvoluntary_ctxt_switches:\t")) + int(
            field(content, b"\nnonvoluntary_ctxt_switches:\t")
        )


def field(content: bytes, title: bytes) -> bytes:
    """The rest of the line that begins with `title`; a search pattern over the whole file takes ten times as long."""
    start = content.find(title) + len(title)
    return content[start : content.find(b"\n", start)]
