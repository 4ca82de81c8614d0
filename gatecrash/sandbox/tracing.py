"""Stopping a task of another process for a moment, to read and write what only a tracer can (ptrace(2)).

A task is seized, never attached to: no signal of ours reaches it. Imported by the broker: standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import time

from gatecrash.sandbox import vdso
from gatecrash.sandbox.namespaces import checked

TRACEME, PEEKDATA, POKEDATA, DETACH, GETREGS, SETREGS = 0, 2, 5, 17, 12, 13
SEIZE, INTERRUPT = 0x4206, 0x4207
EVENT_EXEC, EVENT_STOP = 4, 128
NO_CALL = (1 << 64) - 1  # in orig_rax: there is no call to begin again (arch/x86/kernel/signal.c)
OPTION_TRACE_EXEC = 1 << EVENT_EXEC
WALL = 0x40000000  # __WALL: threads that are not children, too (waitpid(2))
_AT_SYSINFO_EHDR = 33
_CODE_64 = 0x33  # the code segment of a 64-bit program on x86_64
_MOST_WORDS = 1 << 16
_CALL_SIZE = 2  # bytes of the instruction that makes a call
_NAP, _LONGEST_NAP = 0.00002, 0.001  # seconds
_TO_LET_GO = 10.0  # seconds in which a task stops or ends on a loaded machine

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class Registers(ctypes.Structure):
    """struct user_regs_struct of x86_64 (sys/user.h)."""

    _fields_ = tuple(
        (name, ctypes.c_ulonglong)
        for name in (
            *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
            *("orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"),
        )
    )
    r10: int
    r9: int
    r8: int
    rax: int
    rdx: int
    rsi: int
    rdi: int
    orig_rax: int
    rip: int
    cs: int
    rsp: int


def ptrace(request: int, tid: int, address: int = 0, data: int = 0) -> int:
    """Raises OSError: ESRCH for a task that is gone or runs, EPERM where it is refused."""
    ctypes.set_errno(0)
    result = int(_libc.ptrace(request, tid, address, data))
    return checked(-1, "ptrace") if result == -1 and ctypes.get_errno() else result


def registers(tid: int) -> Registers:
    """Those of a stopped task."""
    found = Registers()
    ptrace(GETREGS, tid, 0, ctypes.addressof(found))
    return found


def set_registers(tid: int, to: Registers) -> None:
    """Write them back."""
    ptrace(SETREGS, tid, 0, ctypes.addressof(to))


def arguments(state: Registers) -> tuple[int, ...]:
    """Those of the call that a task is in."""
    return (state.rdi, state.rsi, state.rdx, state.r10, state.r8, state.r9)


def call_again(tid: int, state: Registers) -> None:
    """Have a stopped task make the call once more that its stop has ended."""
    state.rax, state.rip = state.orig_rax, state.rip - _CALL_SIZE
    state.orig_rax = NO_CALL
    set_registers(tid, state)


def stopped(tid: int, *, within: float, group: int = 0) -> int | None:
    """The wait status of a task's next stop or end; None when it does not come `within` seconds.

    `group`: the number of its process, under which a thread goes on that executes another program.
    """
    deadline = time.monotonic() + within
    nap = _NAP
    while True:
        for number in (tid, group) if group and group != tid else (tid,):
            try:
                found, status = os.waitpid(number, WALL | os.WNOHANG)
            except ChildProcessError:
                continue
            if found:
                return status
        if time.monotonic() > deadline:
            return None
        time.sleep(nap)  # on a busy machine who yields waits longer than who sleeps
        nap = min(nap * 1.5, _LONGEST_NAP)


def let_go(tid: int, number: int = 0) -> None:
    """A stopped task goes on, with this signal if there is one; one that is gone is gone.

    One that runs is stopped for it. The end of one that was killed is waited for: its parent is not told of it before
    its tracer is (ptrace(2)), and might wait for ever.
    """
    deadline = time.monotonic() + _TO_LET_GO
    nap = _NAP
    while not _detached(tid, number) and time.monotonic() < deadline:
        with contextlib.suppress(ProcessLookupError):
            ptrace(INTERRUPT, tid)
        try:
            found, status = os.waitpid(tid, WALL | os.WNOHANG)
        except ChildProcessError:  # its end was told already
            return
        if found and not os.WIFSTOPPED(status & 0xFFFF):
            return
        time.sleep(nap)
        nap = min(nap * 1.5, _LONGEST_NAP)


def _detached(tid: int, number: int) -> bool:
    try:
        ptrace(DETACH, tid, 0, number)
    except ProcessLookupError:
        return False
    return True


def event(status: int) -> int:
    """The PTRACE_EVENT of a stop."""
    return status >> 16


def set_clock_ahead(pid: int, ahead_ns: int = 0) -> None:
    """Give the program that a stopped task has just executed clocks that can be put ahead (vdso.py).

    Raises OSError where the kernel refuses, vdso.NoStub for a program or a machine that has none to change.
    """
    patches = vdso.patches()
    at = registers(pid)
    if at.cs != _CODE_64:
        raise vdso.NoStub("a program that is not of 64 bits")
    base = _auxiliary(pid, at.rsp, _AT_SYSINFO_EHDR)
    if not base:
        raise vdso.NoStub("a program without vDSO")
    for offset, content in patches:
        _write(pid, base + offset, content)
    _write(pid, base + patches[0][0], vdso.totals(ahead_ns))


def released_ahead(pid: int) -> str | None:
    """Give a child that is traced and has stopped its clocks, and let it run; why that is refused."""
    try:
        set_clock_ahead(pid)
    except vdso.NoStub as missing:
        return str(missing)
    except OSError as error:
        return f"ptrace: {error.strerror}"
    finally:
        with contextlib.suppress(OSError):  # killed meanwhile
            ptrace(DETACH, pid)
    return None


def _auxiliary(pid: int, stack: int, wanted: int) -> int:
    """A value of the auxiliary vector, behind the arguments and the environment of a fresh program (getauxval(3))."""
    at = stack + 8 * (_word(pid, stack) + 2)
    for _ in range(_MOST_WORDS):
        if not _word(pid, at):
            break
        at += 8
    at += 8
    for _ in range(64):
        kind = _word(pid, at)
        if kind in (0, wanted):
            return _word(pid, at + 8) if kind else 0
        at += 16
    return 0


def _word(pid: int, address: int) -> int:
    return ptrace(PEEKDATA, pid, address) & (1 << 64) - 1


def _write(pid: int, address: int, content: bytes) -> None:
    """Whole words, with what lies around the content kept."""
    start, end = address & ~7, -(-(address + len(content)) // 8) * 8
    before = b"".join(struct.pack("<Q", _word(pid, at)) for at in range(start, end, 8))
    skip = address - start
    after = before[:skip] + content + before[skip + len(content) :]
    for number, (word,) in enumerate(struct.iter_unpack("<Q", after)):
        ptrace(POKEDATA, pid, start + 8 * number, word)
