"""What the kernel holds for each socket: queue lengths, bytes really read, accepted or not.

Asks the kernel by `NETLINK_SOCK_DIAG` (sock_diag(7)), which needs no privilege: an exact look-up of one
connection takes about 15 microseconds. The answers are about the network namespace in which the netlink
socket was made. Loopback is synchronous: when `connect`, `send` or `shutdown` returns in the client, the
state seen here has already changed.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator

from gatecrash.errors import EngineFault
from gatecrash.instruments import sockdiag
from gatecrash.instruments.sockdiag import LISTEN, Entry
from gatecrash.model.address import Address
from gatecrash.model.sockets import Connection, DatagramSocket, Listener


class Queues:
    """Reads the queues of one network namespace through one `NETLINK_SOCK_DIAG` socket."""

    def __init__(self, netlink: socket.socket) -> None:
        """Asks through `netlink` (`sockdiag.open_socket`, made in the namespace of interest), which it then owns."""
        self._netlink = netlink
        self._ask = sockdiag.Conversation(netlink)

    def close(self) -> None:
        """Close the netlink socket."""
        self._netlink.close()

    def listeners(self) -> tuple[Listener, ...]:
        """Every listening TCP socket, IPv4 and IPv6."""
        states = 1 << LISTEN
        return tuple(
            _listener(entry)
            for family in (socket.AF_INET, socket.AF_INET6)
            for entry in self._ask.dump(family, socket.IPPROTO_TCP, states=states)
        )

    def listener(self, address: str, port: int) -> Listener | None:
        """The socket that a connection to `address` and `port` would be queued on, or None.

        Of several sockets with SO_REUSEPORT the kernel names only one; `listeners` gives all.
        """
        entry = self._ask.find(socket.IPPROTO_TCP, (address, port), _ANY)
        return _listener(entry) if entry is not None and entry.state == LISTEN else None

    def connection(self, server: Address, client: Address) -> Connection | None:
        """The server's side of the connection between two addresses; None when the kernel has forgotten it."""
        entry = self._ask.find(socket.IPPROTO_TCP, server, client, sockdiag.WANT_INFO)
        # The kernel answers with the listening socket when no connection matches; that one has no peer.
        if entry is None or entry.state == LISTEN or entry.peer_port == 0:
            return None
        return _connection(entry)

    def watch(self, server: Address, client: Address) -> Callable[[], int | None]:
        """A look at one connection that can be repeated cheaply: the bytes read so far, None once nobody counts."""
        question = self._ask.question(socket.IPPROTO_TCP, server, client, sockdiag.WANT_INFO)

        def look() -> int | None:
            body = self._ask.ask(question)
            return None if body is None else sockdiag.consumed_of(body)

        return look

    def connections(self, port: int) -> tuple[Connection, ...]:
        """Every connection whose local port is `port`, accepted or not (a dump: half a millisecond or more)."""
        states = sockdiag.ALL_STATES & ~(1 << LISTEN)
        return tuple(
            _connection(entry)
            for family in (socket.AF_INET, socket.AF_INET6)
            for entry in self._ask.dump(family, socket.IPPROTO_TCP, states, port, sockdiag.WANT_INFO)
        )

    def datagram_sockets(self) -> tuple[DatagramSocket, ...]:
        """Every bound UDP socket."""
        return tuple(_datagram_socket(entry) for entry in self._datagram_entries())

    def _datagram_entries(self) -> Iterator[Entry]:
        for family in (socket.AF_INET, socket.AF_INET6):
            yield from self._ask.dump(family, socket.IPPROTO_UDP, want=sockdiag.WANT_MEMORY)


_ANY: Address = ("", 0)


def _listener(entry: Entry) -> Listener:
    return Listener(entry.inode, entry.family, entry.address, entry.port, entry.read_queue, entry.write_queue)


def _connection(entry: Entry) -> Connection:
    # The kernel counts the client's FIN as one byte received, and as one unread byte until the application
    # (or a read that goes past the last byte) has taken it from the queue. It is always the last one there.
    fin = entry.state in sockdiag.FIN_RECEIVED
    unread = entry.read_queue - 1 if fin and entry.read_queue else entry.read_queue
    own_fin = entry.state in sockdiag.FIN_UNANSWERED and entry.write_queue > 0
    total = entry.bytes_received()
    received = None if total is None else total - fin
    return Connection(
        state=sockdiag.STATES.get(entry.state, f"STATE-{entry.state}"),
        inode=entry.inode,
        unread=unread,
        unsent=entry.write_queue - own_fin,
        received=received,
        consumed=None if received is None else received - unread,
        fin_received=fin,
        uid=entry.uid,
        client=(entry.peer_address, entry.peer_port),
    )


def _datagram_socket(entry: Entry) -> DatagramSocket:
    peer = (entry.peer_address, entry.peer_port) if entry.peer_port else None
    return DatagramSocket(entry.inode, entry.family, entry.address, entry.port, entry.read_queue, peer, entry.drops())


def available(netlink: socket.socket | None = None) -> str | None:
    """None when queues can be read (through `netlink`, or at all); else the kernel's reason."""
    try:
        with netlink.dup() if netlink else sockdiag.open_socket() as own:
            Queues(own).listeners()
    except (OSError, EngineFault, struct.error) as error:
        return f"NETLINK_SOCK_DIAG: {error}"
    return None
