"""Waiting until the kernel has given back the port of a server that has ended.

A process that ends closes its descriptors at once. What an io_uring still holds, an accept that nobody has answered
say, is closed by a worker of the kernel's a moment later; until then the port is in use, and nobody has it.
"""

from __future__ import annotations

import time

from gatecrash.target.interface import Server

_WITHIN, _NAP = 2.0, 0.001  # seconds


def await_release(server: Server, port: int) -> None:
    """Return when no socket waits for clients on the port of a server that has ended, or after 2 s."""
    deadline = time.monotonic() + _WITHIN
    while server.is_taken(port) and server.ended() and time.monotonic() < deadline:
        time.sleep(_NAP)
