"""Whose the lock is that a task waits for: the words of a futex and of glibc's mutex around it, read from its memory.

pthread_mutex_lock waits with FUTEX_WAIT until its first word is no longer 2, "held, and others wait"; the thread id of
the owner stands 8 bytes behind (glibc, sysdeps/nptl/bits/struct_mutex.h, on every 64-bit machine). The word of a
robust mutex, and of one that lends its priority, is the owner's thread id itself (futex(2), FUTEX_TID_MASK). Conditions
and semaphores wait with FUTEX_WAIT_BITSET, and have no owner.
"""

from __future__ import annotations

import struct

from gatecrash.instruments import procfs
from gatecrash.instruments.census import Census
from gatecrash.model.blocked import Futex, Owner
from gatecrash.model.processes import Task

_WAIT, _LOCK_PI, _LOCK_PI2, _PRIVATE, _CLOCK = 0, 6, 13, 128, 256
_CONTENDED, _TID, _WAITERS = 2, 0x3FFFFFFF, 0x80000000
_ARGUMENTS = 6
_MUTEX = struct.Struct("=IIiIi")  # lock, count, owner, users, kind
_MOST_USERS, _KINDS = 1 << 16, 1 << 10  # what is more is no mutex


def futex_of(task: Task, census: Census) -> Futex | None:
    """What is known of the futex that a task waits for; None when it waits for none."""
    if task.call != "futex" or len(task.args) < _ARGUMENTS:
        return None
    private = bool(task.args[1] & _PRIVATE)
    alone = private and len(procfs.threads(task.pid)) == 1
    tid = _owner(task)
    if tid is None:
        return Futex(shared=not private, alone=alone)
    return Futex(not private, alone, *_who(tid, task, census, private=private))


def _owner(task: Task) -> int | None:
    """The thread id of the lock's owner as the target's own namespace numbers it; None where it is no lock."""
    address, operation, value = task.args[0], task.args[1] & ~(_PRIVATE | _CLOCK), task.args[2] & 0xFFFFFFFF
    content = procfs.memory(task.pid, address, _MUTEX.size)
    if content is None:
        return None
    word, _, owner, users, kind = _MUTEX.unpack(content)
    if operation in (_LOCK_PI, _LOCK_PI2):
        return int(word & _TID) or None
    plausible = owner > 0 and 0 < users < _MOST_USERS and 0 <= kind < _KINDS
    if operation != _WAIT or word != value or not plausible:
        return None
    if value == _CONTENDED or (value & _WAITERS and value & _TID == owner):
        return int(owner)
    return None


def _who(number: int, task: Task, census: Census, *, private: bool) -> tuple[Owner, int]:
    """What became of the owner, and its number for us; 0 where that was never known."""
    tids = [(pid, tid) for pid, tid in census.tids() if procfs.own_number(tid) == number]
    living = [(pid, tid) for pid, tid in tids if (found := census.task(pid, tid)) and found.state not in ("Z", "X")]
    if not living:
        return "gone", tids[0][1] if tids else census.numbers.get(number, 0)
    pid, tid = living[0]
    if tid == task.tid:
        return "itself", tid
    return ("forked" if private and pid != task.pid else "living"), tid
