"""How much the kernel keeps of what was sent and not yet read: a few kilobytes, for rules about full buffers.

tcp(7), tcp_wmem: the third number limits what the kernel grows a send buffer to, also for a socket that listened
before the change. As it comes, Linux keeps up to 4 MB a connection, and no ordinary answer ever has to wait.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from gatecrash.errors import Unavailable

_NAME = "net/ipv4/tcp_wmem"
_SMALL = "4096 4096 4096"


@runtime_checkable
class HasParameters(Protocol):
    """An arena with a network of its own."""

    def sysctl(self, name: str, value: str) -> None:
        """Raises Unavailable."""


def shrink_buffers(arena: object) -> bool:
    """Give connections made from now on small send buffers; False where the network is not ours to change."""
    return _set(arena, _SMALL)


def restore_buffers(arena: object) -> None:
    """Give the arena the values this machine has."""
    _set(arena, Path("/proc/sys", _NAME).read_text(encoding="ascii").strip())


def _set(arena: object, value: str) -> bool:
    if not isinstance(arena, HasParameters):
        return False
    try:
        arena.sysctl(_NAME, value)
    except Unavailable:
        return False
    return True
