"""One TCP connection as its client sees it: bytes both ways and the exact way it ended."""

from __future__ import annotations

import errno
import select
import socket
import struct
from typing import Literal

from gatecrash.model.address import Address
from gatecrash.model.transcript import End

_CHUNK = 262144
_LINGER_RESET = struct.pack("ii", 1, 0)


class StreamClient:
    """A non-blocking client connection; keeps what was sent and received."""

    def __init__(self, name: str, sock: socket.socket, *, small_window: bool = False) -> None:
        self.name = name
        self.sock = sock
        self.sent = bytearray()
        self.received = bytearray()
        self.end: End | None = None
        self.connected = False
        self.open = True
        self.half_closed = False
        self.flooded = False  # it was sent more than is kept, and reads no more
        self.satisfied: int | None = None  # the bytes it had when it finished with all that it had asked for
        self.address: Address = ("", 0)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if small_window:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)

    def connect(self, server: Address) -> Literal["connected", "refused", "queue full"]:
        """Connect now. On loopback the handshake is over when connect returns; a dropped SYN means a full queue.

        A non-blocking connect says EINPROGRESS even then, because the socket was locked while the answer came:
        the second call tells EISCONN, EALREADY (the SYN was dropped) or the refusal.
        """
        outcome = self.sock.connect_ex(server)
        if outcome == errno.EINPROGRESS:
            outcome = self.sock.connect_ex(server)
        if outcome in (errno.EALREADY, errno.EINPROGRESS):
            return "queue full"
        if outcome not in (0, errno.EISCONN):
            return "refused"
        self.connected = True
        self.address = self.sock.getsockname()[:2]
        return "connected"

    def send(self, data: bytes) -> tuple[int, str | None]:
        """Hand bytes to the kernel: how many it took, and the errno's name if it refused."""
        try:
            taken = self.sock.send(data, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return 0, None
        except OSError as error:
            return 0, errno.errorcode.get(error.errno or 0, str(error))
        self.sent += data[:taken]
        return taken, None

    def take(self, at_most: int = _CHUNK) -> bytes | None:
        """Bytes that are here now; b"" for none, None once the stream has ended (see `end`)."""
        if self.end is not None or not self.open:
            return None
        try:
            data = self.sock.recv(at_most)
        except BlockingIOError:
            acknowledge(self.sock)
            return b""
        except OSError:
            self.end = "RST"
            return None
        if not data:
            self.end = "FIN"
            return None
        self.received += data
        return data

    def readable(self, timeout_ms: int = 0) -> bool:
        """Whether bytes or an end are here, waiting at most `timeout_ms` milliseconds."""
        poller = select.poll()
        poller.register(self.sock, select.POLLIN)
        return bool(poller.poll(timeout_ms))

    def ended_by_peer(self) -> bool:
        """Whether the server's side has ended, so that all it will ever send is here (poll(2), POLLRDHUP)."""
        poller = select.poll()
        poller.register(self.sock, select.POLLRDHUP)
        return bool(poller.poll(0))

    def writable(self) -> bool:
        """Whether the kernel has room for more to send."""
        poller = select.poll()
        poller.register(self.sock, select.POLLOUT)
        return bool(poller.poll(0))

    def half_close(self) -> None:
        """Send FIN; a connection that is gone already stays as it is."""
        if self.open and self.connected:
            self.half_closed = True
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                return

    def close(self) -> None:
        """Close; with unread input the kernel sends RST (RFC 1122 4.2.2.13)."""
        if self.open:
            self.open = False
            self.sock.close()

    def reset(self) -> None:
        """Abort: RST whatever is queued (SO_LINGER with zero seconds, socket(7))."""
        if self.open:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
            self.close()


def acknowledge(sock: socket.socket) -> None:
    """Send the acknowledgement that the kernel may be holding back (tcp(7), TCP_QUICKACK).

    A server that writes head and body apart has its body held by Nagle's algorithm until the head is acknowledged,
    40 ms later: all its processes sleep meanwhile, and yet something more is coming.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
