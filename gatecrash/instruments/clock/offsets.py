"""Puts the clocks of processes ahead, at the place that was prepared when each was executed (sandbox/vdso.py)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable

from gatecrash.instruments import procfs
from gatecrash.language import stated
from gatecrash.sandbox import vdso

_AT_SYSINFO_EHDR = 33
_VECTOR = struct.Struct("<QQ")


class Offsets:
    """Where the totals of each process stand, so that they are looked up once for each program."""

    def __init__(self) -> None:
        self._places: dict[int, int] = {}

    def put_ahead(self, pids: Iterable[int], ahead_ns: int) -> str | None:
        """Set the clocks of these processes; a sentence about the first whose clock cannot be, None when all are."""
        content = vdso.totals(ahead_ns)
        places: dict[int, int] = {}
        for pid in pids:
            place = self._places.get(pid, 0)
            if not (place and _written(pid, place, content)):
                task = _with_memory(pid)
                place = _place(task)
                if not (place and _written(task, place, content)) and not procfs.is_ending(task):
                    program = procfs.name_of(pid)
                    return stated("the clock of {program} (process {pid}) cannot be set", program=program, pid=pid)
            places[pid] = place
        self._places = places
        return None


def _with_memory(pid: int) -> int:
    """The task by which the memory of a process is had: a first thread that has ended has none (pthread_exit(3))."""
    return max(procfs.threads(pid), default=pid) if procfs.is_ending(pid) else pid


def _written(pid: int, place: int, content: bytes) -> bool:
    """Whether the mark stood there, as it does in a program that was prepared, and the new totals do now."""
    try:
        descriptor = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if os.pread(descriptor, len(vdso.MARK), place) != vdso.MARK:
            return False
        return os.pwrite(descriptor, content, place) == len(content)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _place(pid: int) -> int:
    """Where the totals of a process stand; 0 when it is gone or has no vDSO."""
    vector = procfs.read(f"/proc/{pid}/auxv")
    whole = vector[: len(vector) // _VECTOR.size * _VECTOR.size]
    base = next((value for kind, value in _VECTOR.iter_unpack(whole) if kind == _AT_SYSINFO_EHDR), 0)
    return base + vdso.patches()[0][0] if base else 0
