"""Sockets of the server as the kernel has them (instruments/queues.py asks by sock_diag(7))."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gatecrash.model.address import Address


@dataclass(frozen=True)
class Listener:
    """A listening socket: `depth` connections wait to be accepted, `backlog` is what listen(2) was given."""

    inode: int
    family: int
    address: str
    port: int
    depth: int
    backlog: int

    @property
    def full(self) -> bool:
        """The kernel drops further SYNs: it queues one connection more than the backlog (tcp(7))."""
        return self.depth > self.backlog


@dataclass(frozen=True)
class Connection:
    """The server's side of one TCP connection; all sizes in bytes of the stream, a FIN never counted.

    `unsent` are bytes the client's kernel has not acknowledged, which it may delay by 40 ms though it has them.
    `inode` is 0 while nobody has accepted the connection, and again once the server has closed it and the
    kernel finishes alone. `received` and `consumed` (what the application has read) are None when the kernel
    keeps no counts any more (TIME_WAIT, closed FIN_WAIT2) or not yet (SYN_RECV).
    """

    state: str
    inode: int
    unread: int
    unsent: int
    received: int | None
    consumed: int | None
    fin_received: bool
    uid: int
    client: Address

    @property
    def accepted(self) -> bool:
        """A process of the server has the connection open."""
        return self.inode != 0

    @property
    def closed(self) -> bool:
        """No process of the server holds the connection any more, and it was one that was accepted."""
        return self.inode == 0 and self.state not in ("ESTABLISHED", "CLOSE_WAIT", "SYN_RECV")


@dataclass(frozen=True)
class DatagramSocket:
    """A UDP socket. `unread` is the kernel memory of the waiting datagrams (about 800 bytes for a small one)."""

    inode: int
    family: int
    address: str
    port: int
    unread: int
    peer: Address | None
    drops: int | None


def as_one(listeners: Sequence[Listener]) -> Listener | None:
    """Several accept queues of one address: all who wait, and the smallest backlog."""
    if not listeners:
        return None
    depth, backlog = sum(s.depth for s in listeners), min(s.backlog for s in listeners)
    return replace(listeners[0], depth=depth, backlog=backlog)
