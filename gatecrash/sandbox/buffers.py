"""What a program has in the kernel's buffers, where no process shows it: what waits in sockets and in pipes.

Imported by the broker, which runs without site-packages: standard library only.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator

#: A pipe of a user who has many has two pages (pipe(7), pipe-user-pages-soft), and two descriptors.
_OF_A_DESCRIPTOR = 4096
#: Fewer sockets than these are not asked: they cannot hold much.
_FEW = 128

# sock_diag(7), linux/unix_diag.h, linux/inet_diag.h, linux/sock_diag.h
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY = 4, 20
_NLM_F_REQUEST_DUMP = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_ALL_STATES = 0xFFFFFFFF
_UDIAG_SHOW_MEMINFO, _UNIX_DIAG_MEMINFO = 0x20, 5
_INET_DIAG_SKMEMINFO = 7
_RECEIVED, _SENT, _QUEUED = 0, 2, 5  # places in SK_MEMINFO
_UNIX_REPLY, _INET_REPLY = 16, 72  # bytes in front of the attributes
_ANSWER = 1 << 16


class Buffers:
    """Of one arena's network namespace."""

    def __init__(self) -> None:
        """Asks nothing yet."""
        self._asked: socket.socket | None = None

    def used(self, pids: Iterable[int]) -> int:
        """Bytes, at most: of the descriptors of these processes, and of all sockets when there are many."""
        return _OF_A_DESCRIPTOR * sum(map(_descriptors, pids)) + (self._in_sockets() if _sockets() > _FEW else 0)

    def _in_sockets(self) -> int:
        unix = struct.pack("=BBHIIIQ", socket.AF_UNIX, 0, 0, _ALL_STATES, 0, _UDIAG_SHOW_MEMINFO, 0)
        total = sum(self._dumped(unix, _UNIX_REPLY, _UNIX_DIAG_MEMINFO))
        for family in (socket.AF_INET, socket.AF_INET6):
            for protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
                wanted = 1 << (_INET_DIAG_SKMEMINFO - 1)
                request = struct.pack("=BBBBI48x", family, protocol, wanted, 0, _ALL_STATES)
                total += sum(self._dumped(request, _INET_REPLY, _INET_DIAG_SKMEMINFO))
        return total

    def _dumped(self, request: bytes, skip: int, wanted: int) -> Iterator[int]:
        """The bytes of each socket; none where the kernel does not tell of this kind."""
        if self._asked is None:
            self._asked = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG)
            self._asked.settimeout(1)
        try:
            head = struct.pack("=IHHII", 16 + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, 0, 0)
            self._asked.send(head + request)
            while True:
                data = self._asked.recv(_ANSWER)
                at = 0
                while at < len(data):
                    length, kind = struct.unpack_from("=IH", data, at)
                    if kind in (_NLMSG_DONE, _NLMSG_ERROR):
                        return
                    yield _memory(data[at + 16 + skip : at + length], wanted)
                    at += -(-length // 4) * 4
        except OSError:
            self._asked.close()
            self._asked = None


def _memory(attributes: bytes, wanted: int) -> int:
    """What is received and not read, or sent and not taken, of one socket."""
    at = 0
    while at + 4 <= len(attributes):
        length, kind = struct.unpack_from("=HH", attributes, at)
        if kind == wanted:
            numbers = struct.unpack_from(f"={(length - 4) // 4}I", attributes, at + 4)
            return int(numbers[_RECEIVED] + max(numbers[_SENT], numbers[_QUEUED]))
        at += max(4, -(-length // 4) * 4)
    return 0


def _descriptors(pid: int) -> int:
    """How many a process has open (the size of its folder, since Linux 6.2; before, its length)."""
    path = f"/proc/{pid}/fd"
    try:
        return os.stat(path).st_size or len(os.listdir(path))
    except OSError:
        return 0


def _sockets() -> int:
    """How many this network namespace has (the first line of /proc/net/sockstat)."""
    try:
        with open("/proc/self/net/sockstat", encoding="ascii") as file:
            return int(file.readline().split()[2])
    except (OSError, ValueError, IndexError):
        return 0
