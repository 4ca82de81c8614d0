"""Where a socket is: the one word for it that instruments, clients and targets share."""

from __future__ import annotations

#: (IPv4 or IPv6 address, port).
Address = tuple[str, int]
