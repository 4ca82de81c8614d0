"""The wire format of `NETLINK_SOCK_DIAG` for TCP and UDP, by hand (sock_diag(7), linux/inet_diag.h)."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from gatecrash.errors import EngineFault

NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3

STATES = {  # include/net/tcp_states.h
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECV",
    4: "FIN_WAIT1",
    5: "FIN_WAIT2",
    6: "TIME_WAIT",
    7: "CLOSE",
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    10: "LISTEN",
    11: "CLOSING",
    12: "SYN_RECV",
}
LISTEN = 10
FIN_RECEIVED = frozenset({6, 8, 9, 11})
FIN_UNANSWERED = frozenset({4, 9, 11})  # our own FIN is sent, and not acknowledged
ALL_STATES = 0xFFFFFFFF

# A bit of `idiag_ext` for each optional attribute, numbered from 1.
_INFO, _MEMORY = 2, 7
WANT_INFO, WANT_MEMORY = 1 << (_INFO - 1), 1 << (_MEMORY - 1)

_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=IHHII BBBxI 2s2s16s16sI8s")
_MESSAGE = struct.Struct("=BBxx 2s2s16s16sI8s IIIII")
_ATTRIBUTE = struct.Struct("=HH")
_NO_COOKIE = b"\xff" * 8
_BYTES_RECEIVED_AT = 128  # tcpi_bytes_received in struct tcp_info (Linux 4.1)
_DROPS_AT = 32  # SK_MEMINFO_DROPS, the ninth of `struct sk_meminfo` (Linux 4.6)


_SEQUENCE, _SEQUENCE_AT = struct.Struct("=I"), 8
_STATE_AT, _PEER_PORT_AT, _READ_QUEUE_AT = 1, 6, 56
_QUEUE = struct.Struct("=I")
_COUNT = struct.Struct("=Q")


def consumed_of(body: memoryview) -> int | None:
    """Bytes the application has read, from the answer to a question that wanted WANT_INFO; None when nobody counts.

    Only what a loop of looks needs is read here: an `Entry` of the same answer costs several times as much.
    """
    state = body[_STATE_AT]
    if state == LISTEN or not any(body[_PEER_PORT_AT : _PEER_PORT_AT + 2]):
        return None
    at = _MESSAGE.size
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if kind == _INFO:
            count_at = at + _ATTRIBUTE.size + _BYTES_RECEIVED_AT
            if count_at + _COUNT.size > len(body):
                return None
            received: int = _COUNT.unpack_from(body, count_at)[0]
            unread: int = _QUEUE.unpack_from(body, _READ_QUEUE_AT)[0]
            # The peer's FIN counts as a byte received, and as one unread until the queue has been drained.
            fin = state in FIN_RECEIVED
            return received - fin - (unread - 1 if fin and unread else unread)
        at += max((length + 3) & ~3, _ATTRIBUTE.size)
    return None


class Entry(NamedTuple):
    """One socket as the kernel describes it (`struct inet_diag_msg`)."""

    family: int
    state: int
    address: str
    port: int
    peer_address: str
    peer_port: int
    read_queue: int
    write_queue: int
    uid: int
    inode: int
    attributes: bytes

    def bytes_received(self) -> int | None:
        """Bytes the peer sent that arrived in order, its FIN counted as one; None when the kernel keeps no count."""
        info = self._attribute(_INFO)
        if len(info) < _BYTES_RECEIVED_AT + 8:
            return None
        return int.from_bytes(info[_BYTES_RECEIVED_AT : _BYTES_RECEIVED_AT + 8], "little")

    def drops(self) -> int | None:
        """Datagrams thrown away because the receive queue was full."""
        memory = self._attribute(_MEMORY)
        if len(memory) < _DROPS_AT + 4:
            return None
        return int.from_bytes(memory[_DROPS_AT : _DROPS_AT + 4], "little")

    def _attribute(self, wanted: int) -> bytes:
        at = 0
        while at + _ATTRIBUTE.size <= len(self.attributes):
            length, kind = _ATTRIBUTE.unpack_from(self.attributes, at)
            if kind == wanted:
                return self.attributes[at + _ATTRIBUTE.size : at + length]
            at += max((length + 3) & ~3, _ATTRIBUTE.size)
        return b""


class Conversation:
    """Questions and answers on one netlink socket. The kernel answers inside `send`: nothing ever waits."""

    def __init__(self, netlink: socket.socket) -> None:
        """Talks through `netlink`, which nobody else may read from."""
        self._socket = netlink
        self._buffer = bytearray(1 << 16)
        self._sequence = 0

    def find(self, protocol: int, local: tuple[str, int], peer: tuple[str, int], want: int = 0) -> Entry | None:
        """The socket that packets from `peer` to `local` would reach."""
        family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
        self._send(family, protocol, 0, ALL_STATES, want, local, peer)
        for kind, body in self._answers():
            if kind == _SOCK_DIAG_BY_FAMILY:
                return _entry(body)
            _raise_unless_absent(body)
        return None

    def dump(
        self, family: int, protocol: int, states: int = ALL_STATES, port: int = 0, want: int = 0
    ) -> Iterator[Entry]:
        """Every socket of a family and protocol in one of `states` (a bit mask), on `port` or any."""
        self._send(family, protocol, _NLM_F_DUMP, states, want, ("", port), ("", 0))
        while True:
            for kind, body in self._answers():
                if kind == _SOCK_DIAG_BY_FAMILY:
                    yield _entry(body)
                    continue
                if kind == _NLMSG_ERROR:
                    _raise_unless_absent(body)
                return

    def question(self, protocol: int, local: tuple[str, int], peer: tuple[str, int], want: int = 0) -> bytes:
        """The question `find` asks, made once for a socket that is looked at again and again (see `ask`)."""
        family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
        return self._message(family, protocol, 0, ALL_STATES, want, local, peer)

    def ask(self, question: bytes) -> memoryview | None:
        """The body of the answer to a question made earlier (`struct inet_diag_msg` and attributes); None if absent."""
        self._socket.send(question)
        size = self._socket.recv_into(self._buffer)
        packet = memoryview(self._buffer)[:size]
        _, kind, _, sequence, _ = _HEADER.unpack_from(packet)
        body = packet[_HEADER.size :]
        if sequence == _SEQUENCE.unpack_from(question, _SEQUENCE_AT)[0] and kind == _SOCK_DIAG_BY_FAMILY:
            return body
        if kind == _NLMSG_ERROR:
            _raise_unless_absent(body)
        return None

    def _send(
        self,
        family: int,
        protocol: int,
        flags: int,
        states: int,
        want: int,
        local: tuple[str, int],
        peer: tuple[str, int],
    ) -> None:
        self._socket.send(self._message(family, protocol, flags, states, want, local, peer))

    def _message(
        self,
        family: int,
        protocol: int,
        flags: int,
        states: int,
        want: int,
        local: tuple[str, int],
        peer: tuple[str, int],
    ) -> bytes:
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        return _REQUEST.pack(
            _REQUEST.size,
            _SOCK_DIAG_BY_FAMILY,
            _NLM_F_REQUEST | flags,
            self._sequence,
            0,
            family,
            protocol,
            want,
            states,
            local[1].to_bytes(2, "big"),
            peer[1].to_bytes(2, "big"),
            _packed(family, local[0]),
            _packed(family, peer[0]),
            0,
            _NO_COOKIE,
        )

    def _answers(self) -> Iterator[tuple[int, memoryview]]:
        """The messages of the next packet that answer the last question; older leftovers are dropped."""
        size = self._socket.recv_into(self._buffer)
        packet, at = memoryview(self._buffer)[:size], 0
        while at + _HEADER.size <= size:
            length, kind, _flags, sequence, _port = _HEADER.unpack_from(packet, at)
            if length < _HEADER.size:
                raise EngineFault(f"netlink message of {length} bytes, expected at least {_HEADER.size}")
            if sequence == self._sequence:
                yield kind, packet[at + _HEADER.size : at + length]
            at += (length + 3) & ~3


def open_socket() -> socket.socket:
    """A netlink socket for the caller's own network namespace."""
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG)


def _raise_unless_absent(body: memoryview) -> None:
    number = -int.from_bytes(body[:4], "little", signed=True)
    if number not in (0, errno.ENOENT):
        raise OSError(number, os.strerror(number))


def _packed(family: int, address: str) -> bytes:
    if not address:
        return bytes(16)
    return socket.inet_pton(family, address).ljust(16, b"\0")


def _entry(body: memoryview) -> Entry:
    (
        family,
        state,
        port,
        peer_port,
        address,
        peer_address,
        _interface,
        _cookie,
        _expires,
        read_queue,
        write_queue,
        uid,
        inode,
    ) = _MESSAGE.unpack_from(body)
    return Entry(
        family,
        state,
        _shown_address(family, address),
        int.from_bytes(port, "big"),
        _shown_address(family, peer_address),
        int.from_bytes(peer_port, "big"),
        read_queue,
        write_queue,
        uid,
        inode,
        bytes(body[_MESSAGE.size :]),
    )


def _shown_address(family: int, address: bytes) -> str:
    if family == socket.AF_INET:
        return socket.inet_ntop(family, address[:4])
    shown = socket.inet_ntop(family, address)
    return shown.removeprefix("::ffff:") if "." in shown else shown
