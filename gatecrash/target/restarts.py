"""Whole lives of a server: stopped and started again, started twice, started while its port is taken."""

from __future__ import annotations

import signal
import socket
import time
from dataclasses import replace
from typing import Literal

from gatecrash.errors import Unavailable
from gatecrash.instruments.quiescence import Quiet, Span, Stillness
from gatecrash.language import stated
from gatecrash.model.transcript import Started
from gatecrash.sandbox.arena import Arena
from gatecrash.target.interface import Server
from gatecrash.target.releasing import await_release

What = Literal["restart", "second", "taken", "terminal"]
_A_LOOK = 0.1  # seconds to prove a starting server quiet before it is looked for again


class Lifecycle:
    """Starts and stops servers in one arena; `server` is the one that stands at the end."""

    def __init__(self, server: Server, *, patience: float, horizon: float) -> None:
        """`patience`: seconds of ours; `horizon`: seconds of the server's own time, where that can be skipped."""
        self.server = server
        self.patience = patience
        self.horizon = horizon

    def _settle(self) -> Stillness:
        return self.server.settle(lambda: None, patience=self.patience, span=Span(self.horizon))

    def restart(self, step: int) -> Started:
        """SIGTERM, wait for the end (SIGKILL the main process if it provably stays), start on the same port."""
        old = self.server
        old.signal_pids((old.main_pid,), signal.SIGTERM)
        self._settle()
        if old.running():
            old.signal_pids((old.main_pid,), signal.SIGKILL)
            self._settle()
        await_release(old, old.address[1])
        return self._start(step, "restart")

    def second(self, step: int) -> Started:
        """Start another one on the port that is in use."""
        return self._start(step, "second")

    def on_taken_port(self, step: int) -> Started:
        """End this one, listen on its port ourselves, and start it anew."""
        _, port = self.server.address
        self.server.arena.clear()
        await_release(self.server, port)
        occupant = self.server.arena.udp() if self.server.datagram else self.server.arena.tcp()
        with occupant:
            occupant.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0 if self.server.datagram else 1)
            occupant.bind(("0.0.0.0", port))
            if not self.server.datagram:
                occupant.listen(1)
            return self._start(step, "taken")

    def on_terminal(self, step: int) -> Started:
        """End this one, and start it with its output on a terminal, in an arena where no connection of it lingers.

        Whoever takes over `server` closes its arena. Where a terminal is refused, nothing is started.
        """
        self.server.arena.clear()
        arena = self.server.new_arena()
        try:
            begun = self._start(step, "terminal", arena)
        except Unavailable:
            begun = Started(step, "terminal", False, (), None, "", proven=False, wanted=self.server.address[1])
        if self.server.arena is not arena:
            arena.close()
        return begun

    def _start(self, step: int, what: What, arena: Arena | None = None) -> Started:
        wanted = self.server.address[1]
        left_over = self._left_over(what, wanted)
        launch = replace(self.server.launch, terminal=what == "terminal")
        new = self.server.another(launch, arena)
        proven = self._wait_for_start(new)
        listening = new.find_sockets()
        status = new.process.exit_status()
        output = new.process.output()
        text = output.text[-2000:]
        ports = new.sockets.ports if listening else ()
        if what in ("restart", "terminal") and listening:
            self.server = new
        else:
            new.discard()
        return Started(step, what, listening, ports, status, text, proven, left_over, wanted)

    def _left_over(self, what: What, port: int) -> tuple[str, ...]:
        """Who still holds the port before a restart: a LISTEN that outlived its server, or only dying connections."""
        if what != "restart":
            return ()
        return tuple(stated("LISTEN on port {port}", port=entry.port) for entry in self.server.listeners_on(port))

    def _wait_for_start(self, new: Server) -> bool:
        """Until the new one listens, has ended, or provably does neither; False when nothing is proven.

        A server that sleeps between two tries to bind is neither: it is given the patience once.
        """
        deadline = time.monotonic() + self.patience
        look = self.server.at_queues(lambda: None)
        while not (new.find_sockets() or new.ended()):
            still = new.settle(look, patience=_A_LOOK, wait_out=False)
            if isinstance(still, Quiet):
                return True
            new.let_expire(still, self.horizon)
            if time.monotonic() > deadline:
                return False
        return True
