"""A cheap eye on a running server between scenarios: its descriptors and its children, a few system calls.

Growth is a suspicion only, even when the server has come to rest: pools fill. gatecrash.engine.leaks looks into it.
"""

from __future__ import annotations

from weakref import ref

from gatecrash.instruments.quiescence import Span
from gatecrash.target.interface import Footprint, Server

#: Suspicious growth: more than what one ordinary crowd leaves behind for a moment.
_SLACK = 12
#: A server that keeps everything is suspected again and again: this often it is looked into for one rule.
_MOST_SUSPICIONS = 1
_REST = 3.0  # seconds in which a server is to come to rest before its growth is taken seriously
_REST_BY_ITS_CLOCK = 120.0  # the same by its own clock, where that can be skipped: a minute for whoever tidies up each


class LeakWatch:
    """Remembers what a server had when it was first seen, which rules were blamed, how many looks are left.

    A rule that was blamed stays that, whoever looks: it is not looked into again.
    """

    def __init__(self) -> None:
        self.muted: set[str] = set()
        self.patience = _MOST_SUSPICIONS
        self._server: ref[Server] | None = None  # one that has gone is to give its descriptors back
        self._before = Footprint(0, 0)

    def begin(self) -> None:
        """Another rule is tried: what was looked into for those before is none of its affair."""
        self.patience = _MOST_SUSPICIONS

    def suspects(self, server: Server | None) -> bool:
        """Whether this server has much more than at first, or than at the last suspicion."""
        now = server.footprint() if server is not None else None
        if server is None or now is None:
            return False
        if self._server is None or server is not self._server():
            self._server, self._before = ref(server), now
            return False
        if not _much_more(now, self._before):
            return False
        # A crowd has just gone, and who reaps or closes by the clock has had no time yet.
        server.settle(lambda: None, patience=_REST, span=Span(_REST_BY_ITS_CLOCK))
        now = server.footprint()
        if now is None or not _much_more(now, self._before):
            return False
        self._before = now
        return True


def _much_more(now: Footprint, before: Footprint) -> bool:
    """Whether descriptors or children have grown by more than the slack."""
    return max(now.descriptors - before.descriptors, now.children - before.children) > _SLACK
