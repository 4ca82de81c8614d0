"""Where a task is blocked: its call, and the descriptors it is on or watches."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from gatecrash.instruments import procfs
from gatecrash.instruments.census import Census
from gatecrash.instruments.locks import futex_of
from gatecrash.instruments.syscalls import BETWEEN_DESCRIPTORS, ON_A_DESCRIPTOR
from gatecrash.model.blocked import BlockedTask, Descriptor
from gatecrash.model.processes import Task

_POLLFD = struct.Struct("=ihh")
_MOST_WATCHED = 64  # descriptors looked up of one poll set
_MOST_SHOWN = 6
_POLL = frozenset({"poll", "ppoll"})
_SELECT = frozenset({"select", "pselect6"})
_EPOLL = frozenset({"epoll_wait", "epoll_pwait", "epoll_pwait2"})
_KINDS = frozenset({"socket", "pipe", "anon_inode"})


def blocked_where(task: Task, census: Census) -> BlockedTask:
    """Which process is blocked in which call on which descriptor."""
    name = procfs.name_of(task.pid)
    if task.state == "R" or task.call == "running":
        return BlockedTask(task.pid, task.tid, name, "running")
    watched = _watched(task)
    more = max(0, len(watched or ()) - _MOST_SHOWN)
    on = watched is None and task.call in ON_A_DESCRIPTOR
    descriptors = census.descriptors(task.pid) if watched or on else {}
    return BlockedTask(
        pid=task.pid,
        tid=task.tid,
        name=name,
        state="stopped" if task.state == "T" else "blocked",
        call=task.call,
        descriptor=_on(task.args[0] & 0xFFFFFFFF, descriptors) if on else None,
        watched=None if watched is None else _named(watched[:_MOST_SHOWN], descriptors),
        more=more,
        limit=task.timed,
        futex=futex_of(task, census),
    )


def waits_on(task: Task) -> tuple[int, ...]:
    """The numbers of the descriptors a task is on, or watches."""
    if task.call in BETWEEN_DESCRIPTORS and task.args:
        return tuple(task.args[at] & 0xFFFFFFFF for at in BETWEEN_DESCRIPTORS[task.call])
    if task.call in ON_A_DESCRIPTOR and task.call not in _EPOLL and task.args:
        return (task.args[0] & 0xFFFFFFFF,)
    return _watched(task) or ()


def _on(number: int, descriptors: Mapping[int, str]) -> Descriptor:
    return Descriptor(number, _kind(descriptors[number]) if number in descriptors else None)


def _named(numbers: Iterable[int], descriptors: Mapping[int, str]) -> tuple[Descriptor, ...]:
    return tuple(Descriptor(number, _kind(descriptors.get(number, "closed"))) for number in numbers)


def _kind(target: str) -> str:
    """The kind of "socket:[4711]", which is what /proc/PID/fd calls one; the name of a file as it is."""
    kind = target.partition(":")[0]
    return kind if kind in _KINDS else target


def _watched(task: Task) -> tuple[int, ...] | None:
    """The descriptors a poll, select or epoll call waits for; None when it is another call or unreadable."""
    if len(task.args) < 6:
        return None
    if task.call in _POLL:
        return _polled(task.pid, task.args[0], task.args[1])
    if task.call in _SELECT:
        return _selected(task.pid, task.args[0] & 0xFFFFFFFF, task.args[1:3])
    if task.call in _EPOLL:
        return _epolled(task.pid, task.args[0] & 0xFFFFFFFF)
    return None


def _polled(pid: int, address: int, count: int) -> tuple[int, ...] | None:
    content = procfs.memory(pid, address, _POLLFD.size * min(count, _MOST_WATCHED))
    if content is None:
        return None
    return tuple(descriptor for descriptor, _, _ in _POLLFD.iter_unpack(content) if descriptor >= 0)


def _selected(pid: int, limit: int, sets: Iterable[int]) -> tuple[int, ...] | None:
    found: set[int] = set()
    for address in sets:
        content = procfs.memory(pid, address, (min(limit, 1024) + 63) // 64 * 8) if address else b""
        if content is None:
            return None
        bits = int.from_bytes(content, "little")
        found.update(number for number in range(limit) if bits >> number & 1)
    return tuple(sorted(found))


def _epolled(pid: int, descriptor: int) -> tuple[int, ...]:
    lines = procfs.read(f"/proc/{pid}/fdinfo/{descriptor}").splitlines()
    return tuple(sorted(int(line.split()[1]) for line in lines if line.startswith(b"tfd:")))
