"""A cheap eye on a running server between scenarios: its descriptors and its children, a few system calls.

Growth is a suspicion only, even when the server has come to rest: pools fill. gatecrash.engine.leaks looks into it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from gatecrash.instruments import procfs
from gatecrash.instruments.quiescence import settle
from gatecrash.target.server import Server, look_at_queues

#: Suspicious growth: more than what one ordinary crowd leaves behind for a moment.
_SLACK = 12
#: A server that keeps everything is suspected again and again: this often it is looked into.
_MOST_SUSPICIONS = 4
_REST = 3.0  # seconds in which a server is to come to rest before its growth is taken seriously


@dataclass(frozen=True)
class Counts:
    """What the parent has: open descriptors, and children, zombies included."""

    descriptors: int
    children: int

    def much_more_than(self, before: Counts) -> bool:
        """Whether one of them has grown by more than the slack."""
        return max(self.descriptors - before.descriptors, self.children - before.children) > _SLACK


class LeakWatch:
    """Remembers what a server had when it was first seen, which rules were blamed, how many looks are left."""

    def __init__(self) -> None:
        self.muted: set[str] = set()
        self.patience = _MOST_SUSPICIONS
        self._server: Server | None = None
        self._before = Counts(0, 0)

    def suspects(self, server: Server | None) -> bool:
        """Whether this server has much more than at first, or than at the last suspicion."""
        if server is None or not server.observable:
            return False
        now = _count(server.main_pid)
        if server is not self._server:
            self._server, self._before = server, now
            return False
        if not now.much_more_than(self._before):
            return False
        # A crowd has just gone, and who reaps or closes by the clock has had no time yet.
        settle(server.census, look_at_queues(server, lambda: None), patience=_REST, pump=server.pump)
        now = _count(server.main_pid)
        if not now.much_more_than(self._before):
            return False
        self._before = now
        return True


def _count(pid: int) -> Counts:
    try:
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:  # it has gone
        return Counts(0, 0)
    return Counts(descriptors, len(procfs.read(f"/proc/{pid}/task/{pid}/children").split()))
