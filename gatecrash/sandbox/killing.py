"""Who lives below this process, and how all of them are killed at once, however fast they fork.

Imported by the broker, which runs without site-packages: standard library only.
"""

from __future__ import annotations

import contextlib
import os
import signal

from gatecrash.sandbox.cgroups import Group
from gatecrash.sandbox.namespaces import children_by_asking, descendants, groups_of
from gatecrash.sandbox.process_limit import AT_LEAST


def below(oldest: int, most: int | None = None) -> list[int]:
    """Every process below this one, or the first of them when there are more than `most`.

    Where /proc is masked: its children, who leave it theirs when they end; `oldest` is the first of them, or 0.
    """
    if os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
        return descendants(os.getpid(), most)
    return children_by_asking(oldest) if oldest else []


def everybody_else() -> list[int]:
    """Of an own pid namespace with its own /proc."""
    me = os.getpid()
    return [pid for name in os.listdir("/proc") if name.isdigit() and (pid := int(name)) != me]


def kill_round(oldest: int, *, private: bool, group: Group | None) -> None:
    """SIGKILL everything below this process, newest first. `private`: this is pid 1 of an own pid namespace."""
    if private:
        # kill(2), pid -1: everything but pid 1 itself, under the lock that fork takes, so a fork bomb loses.
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        return
    if group is not None:
        group.kill()
    # Every target leads a session of its own, so that groups hold nobody else. A group is killed at once, under the
    # lock that fork takes; one by one, or when all of them are looked for first, processes that fork outrun us.
    for members in groups_of(below(oldest, most=AT_LEAST)) - {os.getpgrp()}:
        with contextlib.suppress(OSError):
            os.killpg(members, signal.SIGKILL)
    for pid in reversed(below(oldest)):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
