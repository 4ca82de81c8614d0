"""Whole lives of a server: stopped and started again, started twice, started while its port is taken."""

from __future__ import annotations

import signal
import socket
from typing import Literal

from gatecrash.instruments import quiescence
from gatecrash.instruments.quiescence import Quiet, Stillness
from gatecrash.server import Server, look_at_queues
from gatecrash.text import safe_text
from gatecrash.transcript import Started

What = Literal["restart", "second", "taken"]


class Lifecycle:
    """Starts and stops servers in one arena; `server` is the one that stands at the end."""

    def __init__(self, server: Server, *, patience: float) -> None:
        self.server = server
        self.patience = patience

    def _settle(self) -> Stillness:
        look = look_at_queues(self.server, lambda: None)
        return quiescence.settle(self.server.census, look, patience=self.patience, pump=self.server.pump)

    def restart(self, step: int) -> Started:
        """SIGTERM, wait for the end (SIGKILL the main process if it provably stays), start on the same port."""
        old = self.server
        port = old.address[1]
        old.signal_pids((old.main_pid,), signal.SIGTERM)
        self._settle()
        if old.running():
            old.signal_pids((old.main_pid,), signal.SIGKILL)
            self._settle()
        return self._start(step, "restart", port)

    def second(self, step: int) -> Started:
        """Start another one on the port that is in use."""
        return self._start(step, "second", self.server.address[1])

    def on_taken_port(self, step: int) -> Started:
        """End this one, listen on its port ourselves, and start it anew."""
        _, port = self.server.address
        self.server.arena.clear()
        occupant = self.server.arena.udp() if self.server.datagram else self.server.arena.tcp()
        with occupant:
            occupant.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0 if self.server.datagram else 1)
            occupant.bind(("0.0.0.0", port))
            if not self.server.datagram:
                occupant.listen(1)
            return self._start(step, "taken", port)

    def _start(self, step: int, what: What, port: int) -> Started:
        left_over = self._left_over(what, port)
        new = Server(self.server.arena, self.server.launch, port=port, traps=self.server.traps)
        proven = self._wait_for_start(new)
        listening = new.find_sockets()
        status = new.process.exit_status()
        output = new.process.output()
        text = safe_text((output.head + output.tail).decode("utf-8", "replace"))[-2000:]
        if what == "restart" and listening:
            self.server = new
        ports = new.sockets.ports if listening else ()
        return Started(step, what, listening, ports, status, text, proven, left_over)

    def _left_over(self, what: What, port: int) -> tuple[str, ...]:
        """Who still holds the port before a restart: a LISTEN that outlived its server, or only dying connections."""
        if what != "restart":
            return ()
        return tuple(f"LISTEN on port {port}" for entry in self.server.queues.listeners() if entry.port == port)

    def _wait_for_start(self, new: Server) -> bool:
        """Until the new one listens, has ended, or provably does neither; False when nothing is proven."""
        while True:
            if new.find_sockets() or new.process.exit_status() is not None:
                return True
            look = look_at_queues(new, lambda: None)
            still = quiescence.settle(new.census, look, patience=self.patience, pump=new.pump, wait_out=False)
            if new.find_sockets() or new.process.exit_status() is not None:
                return True
            return isinstance(still, Quiet)
