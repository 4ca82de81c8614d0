"""Time limits that an io_uring was given: they are in no call that a task sleeps in (io_uring_enter(2)).

The kernel does not tell what it has in hand. But all that it was given has stood in memory that can be read, the
entries of the submission queue, and an entry is used again only once all others have been. Who looks at them often
enough has seen every operation; whoever has not says so.
"""

from __future__ import annotations

import os
import re

from gatecrash.instruments import procfs
from gatecrash.language import stated

CALL = "io_uring_enter"
_REGISTERED = 0x10  # the first argument is no descriptor: IORING_ENTER_REGISTERED_RING
_FLAGS = 3  # which argument of the call
_ENTRY = 64  # bytes; an opcode is the first of them
_LIMITS = frozenset({11, 15})  # IORING_OP_TIMEOUT, IORING_OP_LINK_TIMEOUT
_NAME, _ENTRIES_AT = "anon_inode:[io_uring]", 0x10000000  # IORING_OFF_SQES
_COUNTERS = ("ino", "SqMask", "SqTail", "CachedSqHead")
_COUNTER = re.compile(rf"^({'|'.join(_COUNTERS)}):\s*(0x[0-9a-f]+|\d+)$", re.MULTILINE)
_WRAPS = (1 << 32) - 1  # the counters are unsigned, of 32 bits


class Rings:
    """Those of one target, and what was seen of each by its inode."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}  # how many operations have been looked at
        self._limited: set[int] = set()
        self._missed: set[int] = set()

    def unseen(self, pid: int, args: tuple[int, ...]) -> str | None:
        """Why a task that sleeps in io_uring_enter(2) may be woken by a time limit that nobody outside sees.

        None where no operation with one was ever submitted.
        """
        descriptor = _descriptor(pid, args)
        told = {} if descriptor is None else _counters(pid, descriptor)
        if len(told) < len(_COUNTERS):
            return _cannot_be_seen(pid)
        ring = told["ino"]
        self._look(pid, ring, told)
        if ring in self._limited:
            return stated(
                "{program} (process {pid}) gives time limits to io_uring, which does not tell when they end",
                program=procfs.name_of(pid),
                pid=pid,
            )
        return _cannot_be_seen(pid) if ring in self._missed else None

    def _look(self, pid: int, ring: int, told: dict[str, int]) -> None:
        entries, head = told["SqMask"] + 1, told["CachedSqHead"]
        waiting = told["SqTail"] - head & _WRAPS
        fresh = head - self._seen.get(ring, 0) & _WRAPS
        if fresh > head:  # another one, with the number of one that is gone
            self._missed.discard(ring)
            self._limited.discard(ring)
            fresh = head
        self._seen[ring] = head
        opcodes = _opcodes(pid, ring)
        if opcodes is None or fresh + waiting > entries:
            self._missed.add(ring)
        if opcodes is not None and _LIMITS & opcodes:
            self._limited.add(ring)


def _cannot_be_seen(pid: int) -> str:
    return stated(
        "{program} (process {pid}) waits with io_uring, whose time limits cannot be seen",
        program=procfs.name_of(pid),
        pid=pid,
    )


def _descriptor(pid: int, args: tuple[int, ...]) -> int | None:
    if len(args) <= _FLAGS:
        return None
    if not args[_FLAGS] & _REGISTERED:
        return args[0] & 0xFFFFFFFF
    try:
        numbers = [entry.name for entry in os.scandir(f"/proc/{pid}/fd") if os.readlink(entry.path) == _NAME]
    except OSError:
        return None
    return int(numbers[0]) if len(numbers) == 1 else None


def _counters(pid: int, descriptor: int) -> dict[str, int]:
    """What /proc/PID/fdinfo says of a ring; empty for what is none."""
    content = procfs.read(f"/proc/{pid}/fdinfo/{descriptor}").decode("ascii", "replace")
    return {name: int(number, 0) for name, number in _COUNTER.findall(content)}


def _opcodes(pid: int, ring: int) -> frozenset[int] | None:
    """Of all entries of the submission queue, used or not; None where they cannot be read."""
    found: set[int] = set()
    for start, end in _mappings(pid, ring):
        content = procfs.memory(pid, start, end - start)
        if content is None:
            return None
        found.update(content[::_ENTRY])
    return frozenset(found) or None


def _mappings(pid: int, ring: int) -> list[tuple[int, int]]:
    """From where to where the entries of a ring are mapped (proc(5), /proc/PID/maps)."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
            lines = [line.split(maxsplit=5) for line in file if line.rstrip().endswith(_NAME)]
    except OSError:
        return []
    spans = [line[0] for line in lines if int(line[2], 16) == _ENTRIES_AT and int(line[4]) == ring]
    return [(int(start, 16), int(end, 16)) for start, _, end in (span.partition("-") for span in spans)]
