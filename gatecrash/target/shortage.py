"""How low a limit of descriptors is to be set, that a process can open so many more and no others. Pure.

A call that opens something takes the lowest number that is free, and fails when that is not below RLIMIT_NOFILE
(getrlimit(2)): numbers above the limit stay open. So the gaps count that closed descriptors have left, and not how many
are open.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import count, islice

from gatecrash.model.processes import Task

_WATCHING = frozenset({"poll", "ppoll"})
_UNTOLD = frozenset({"running", "restart_syscall", "?"})


def limit_leaving(spare: int, opened: Collection[int], tasks: Iterable[Task]) -> int:
    """The limit below which `spare` numbers are free in a process with these open descriptors.

    It is no lower than what poll is asked to watch: poll fails where it is asked for more than the limit, open or not
    (poll(2), EINVAL). Of a task that is between two calls as many are taken as are open.
    """
    free = next(islice((number for number in count() if number not in opened), spare, None))
    return max(free, *(_watched(task, opened) for task in tasks), 0)


def _watched(task: Task, opened: Collection[int]) -> int:
    if task.call in _WATCHING and len(task.args) > 1:
        return min(task.args[1], len(opened))
    return len(opened) if task.call in _UNTOLD else 0
