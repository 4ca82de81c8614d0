"""When a server goes into the background: before it asks for its port, it can tell nobody that it got none.

daemon(7) has the first process end only when the start has succeeded or failed; many programs let it end at once. What
tells the two apart is a fact: the call of bind is held at its entrance (gatecrash.instruments.gates) until nothing
moves any more, and the first process is there, or it has ended.
"""

from __future__ import annotations

import socket
import struct
import time

from gatecrash.engine.session import Session
from gatecrash.errors import Unavailable
from gatecrash.instruments import gates, quiescence
from gatecrash.instruments.gates import Call, Gates
from gatecrash.instruments.memory import Gone, read_memory
from gatecrash.model.contract import Background
from gatecrash.target.interface import Server

_BIND = frozenset({"bind"})
_A_LOOK = 0.1  # seconds to prove a starting server quiet before it is looked at again
_INTERNET = (socket.AF_INET, socket.AF_INET6)


def background_of(session: Session) -> Background:
    """When this server's first process ends. The one that listens is ended, and one is started to be held at bind."""
    if session.server().process.exit_status() is None:
        return "no"
    if gates.available() is not None:
        return "unknown"
    before = session.server()
    fixed = None if before.address[1] == before.asked_port else before.address[1]
    try:
        server = session.begun(_BIND)
        port = fixed or server.asked_port  # on a shared loopback each start is given another one
        return _held_at(server, port, session.patience) if server.gates is not None else "unknown"
    except Unavailable:
        return "unknown"
    finally:
        session.drop()


def _held_at(server: Server, port: int, patience: float) -> Background:
    """Whether the first process has ended when the server stands before its bind to this port, and all is quiet."""
    deadline = time.monotonic() + patience
    assert server.gates is not None
    server.gates.hold("bind")
    while time.monotonic() < deadline:
        still = server.settle(lambda: None, patience=_A_LOOK, wait_out=False)
        if not isinstance(still, quiescence.Quiet):
            continue
        if not server.gates.held:
            return "unknown"
        if all(_asks_for(call, port) for call in server.gates.held):
            return "after" if server.process.exit_status() is None else "before"
        _let_go(server.gates, port)
    return "unknown"


def _let_go(held: Gates, port: int) -> None:
    """Let what is bound to something else go on, and hold the next one: a resolver binds a socket of its own."""
    for call in held.held:
        if not _asks_for(call, port):
            held.hold("bind")
            held.release(call)


def _asks_for(call: Call, port: int) -> bool:
    """Whether this bind is to that port: struct sockaddr_in and sockaddr_in6 begin alike (ip(7), ipv6(7))."""
    try:
        head = read_memory(call.tid, call.args[1], 4)
    except Gone:
        return False
    (family,), (asked,) = struct.unpack("=H", head[:2]), struct.unpack("!H", head[2:])
    return family in _INTERNET and asked == port
