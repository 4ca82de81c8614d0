"""One UDP client with a port of its own."""

from __future__ import annotations

import errno
import select
import socket
import sys

from gatecrash.model.address import Address

_SO_MEMINFO = 55  # asm-generic/socket.h (Linux 4.12): an array of u32, see sock_diag(7), struct sk_meminfo
_SK_MEMINFO_DROPS = 8


class DatagramClient:
    """A non-blocking datagram socket, not connected, so that an answer from any port is seen."""

    def __init__(self, name: str, sock: socket.socket) -> None:
        self.name = name
        self.sock = sock
        self.open = True
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        self.address: Address = sock.getsockname()[:2]

    def send(self, data: bytes, server: Address) -> str | None:
        """Send one datagram; the errno's name if the kernel refused it."""
        try:
            self.sock.sendto(data, server)
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, str(error))
        return None

    def take(self) -> tuple[bytes, int] | None:
        """The next datagram and the port it came from, or None when there is none now."""
        try:
            data, source = self.sock.recvfrom(65536)
        except OSError:
            return None
        return data, int(source[1])

    def readable(self, timeout_ms: int = 0) -> bool:
        """Whether a datagram is here, waiting at most `timeout_ms` milliseconds."""
        poller = select.poll()
        poller.register(self.sock, select.POLLIN)
        return bool(poller.poll(timeout_ms))

    def drops(self) -> int:
        """Datagrams for this client that the kernel threw away because its receive buffer was full."""
        try:
            memory = self.sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_SK_MEMINFO_DROPS + 1))
        except OSError:
            return 0
        return int.from_bytes(memory[4 * _SK_MEMINFO_DROPS :], sys.byteorder)

    def close(self) -> None:
        """Close the socket."""
        if self.open:
            self.open = False
            self.sock.close()
