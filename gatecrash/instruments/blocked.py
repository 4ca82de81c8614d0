"""Where a task is blocked, as one sentence for the reader of a report."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from gatecrash.instruments import procfs
from gatecrash.instruments.census import Census
from gatecrash.instruments.syscalls import ON_A_DESCRIPTOR
from gatecrash.language import joined, marked, stated
from gatecrash.model.processes import Task

_POLLFD = struct.Struct("=ihh")
_MOST_WATCHED = 64  # descriptors looked up of one poll set
_MOST_SHOWN = 6
_POLL = frozenset({"poll", "ppoll"})
_SELECT = frozenset({"select", "pselect6"})
_EPOLL = frozenset({"epoll_wait", "epoll_pwait", "epoll_pwait2"})
_KINDS = {"socket": marked("a socket"), "pipe": marked("a pipe"), "anon_inode": marked("a kernel object")}
_WAITS_FOR = {
    "wait4": marked("waiting for a child to end"),
    "waitid": marked("waiting for a child to end"),
    "vfork": marked("waiting for the new child to exec"),
    "futex": marked("waiting for another thread"),
    "pause": marked("waiting for a signal"),
    "rt_sigsuspend": marked("waiting for a signal"),
    "rt_sigtimedwait": marked("waiting for a signal"),
    "nanosleep": marked("sleeping"),
    "clock_nanosleep": marked("sleeping"),
}


def blocked_where(task: Task, census: Census, sockets: Mapping[int, str] | None = None) -> str:
    """Which process is blocked in which call on which descriptor, as one plain sentence.

    `sockets` names sockets by inode, as in {4711: "A's connection"}; others are "a socket".
    """
    who = _who(task)
    if task.state == "R" or task.call == "running":
        return stated("{who} is running", who=who)
    verb = stated("stopped") if task.state == "T" else stated("blocked")
    limit = "" if task.timed is None else _limit(task.timed)
    if task.call == "?":
        return stated("{who} is {verb} in a call the kernel does not let us see", who=who, verb=verb)
    return stated(
        "{who} is {verb} in {call}{on}{limit}",
        who=who,
        verb=verb,
        call=task.call,
        on=_on(task, census, sockets or {}),
        limit=limit,
    )


def _who(task: Task) -> str:
    name = procfs.read(f"/proc/{task.pid}/comm").decode("utf-8", "backslashreplace").strip()
    process = (
        stated("process {pid} ({name})", pid=task.pid, name=name) if name else stated("process {pid}", pid=task.pid)
    )
    return process if task.tid == task.pid else stated("thread {tid} of {process}", tid=task.tid, process=process)


def _limit(seconds: float) -> str:
    return (
        stated(", for at most {seconds:g} s", seconds=seconds)
        if seconds < float("inf")
        else stated(", for a time we cannot read")
    )


def _on(task: Task, census: Census, sockets: Mapping[int, str]) -> str:
    if task.call in _WAITS_FOR:
        return joined(("", stated(_WAITS_FOR[task.call])))
    watched = _watched(task)
    if watched is None and task.call not in ON_A_DESCRIPTOR:
        return ""
    descriptors = census.descriptors(task.pid)
    if watched is None:
        number = task.args[0] & 0xFFFFFFFF
        return (
            stated(" on {named}", named=_named((number,), descriptors, sockets))
            if number in descriptors
            else stated(" on descriptor {number}", number=number)
        )
    return (
        stated(", watching {named}", named=_named(watched, descriptors, sockets))
        if watched
        else stated(", watching nothing")
    )


def _named(numbers: Iterable[int], descriptors: Mapping[int, str], sockets: Mapping[int, str]) -> str:
    shown = [joined((f"{number} (", _kind(descriptors.get(number, "closed"), sockets), ")"), "") for number in numbers]
    more = len(shown) - _MOST_SHOWN
    listed = joined(shown[:_MOST_SHOWN])
    named = (
        stated("descriptors {listed}", listed=listed)
        if len(shown) > 1
        else stated("descriptor {listed}", listed=listed)
    )
    return stated("{named} and {more} more", named=named, more=more) if more > 0 else named


def _kind(target: str, sockets: Mapping[int, str]) -> str:
    kind, _, rest = target.partition(":[")
    if kind == "socket" and rest[:-1].isdigit():
        return sockets.get(int(rest[:-1]), stated(_KINDS["socket"]))
    known = _KINDS.get(target.partition(":")[0])
    return target if known is None else stated(known)


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
