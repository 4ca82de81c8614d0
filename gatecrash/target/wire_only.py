"""Servers of which only the wire can be seen: one that runs already, or any on a machine that refuses to show more.

Their silence is never proven, so a rule that only silence would break is inconclusive there, not broken.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Hashable
from functools import cache
from typing import Literal

from gatecrash.errors import TargetError, Unavailable
from gatecrash.instruments import procfs, queues
from gatecrash.instruments.patience import OwnTime, Patience
from gatecrash.instruments.quiescence import Restless, Span, Stillness
from gatecrash.instruments.real_time.ticks import Ticks
from gatecrash.language import say, stated
from gatecrash.model.address import Address
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.confinement import LimitHit
from gatecrash.model.launch import Launch
from gatecrash.model.processes import ProcessEntry, Task
from gatecrash.model.sockets import Connection, DatagramSocket, Listener
from gatecrash.sandbox.arena import Arena
from gatecrash.sandbox.process import Output, Process
from gatecrash.target.interface import PATIENCE_TO_LISTEN, Footprint, Network, Server, Sockets
from gatecrash.target.starting import start

#: What cannot be seen of a running server, by the instruments' names.
UNSEEN = ("arena", "borrowed sockets", "census", "clock", "gates", "quiescence", "queues")
REASON = stated("the target runs already, so only its wire is seen; give Gatecrash the program to start it itself")
_TRIAL_SECONDS = 2.0
_SECONDS_BETWEEN_TRIALS = 0.02
#: Seconds of silence after which a wait is given up: nothing would be proven by more.
WIRE_PATIENCE = 1.0


def unseen_in(arena: Arena) -> str | None:
    """Why only the wire of any target in this arena can be seen; None where the kernel tells of sockets and processes.

    The arena's broker is the process that is looked at: it is there, it is ours, and it stands where the target will.
    """
    refused = _sockets_refused()
    if refused is not None:
        return stated(
            "this machine does not tell of its sockets ({refused}), so only the wire is seen", refused=refused
        )
    refused = procfs.refused(arena.broker_pid)
    if refused is not None:
        return stated(
            "this machine does not tell of its processes ({refused}), so only the wire is seen", refused=refused
        )
    return None


@cache
def _sockets_refused() -> str | None:
    return queues.available()


class Wire:
    """Stands where an arena stands: sockets of this process's own network."""

    kind: Literal["remote"] = "remote"
    broker_pid = 0
    why_not_namespace = REASON

    def tcp(self) -> socket.socket:
        """A fresh IPv4 stream socket."""
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM)

    def udp(self) -> socket.socket:
        """A fresh IPv4 datagram socket."""
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def clear(self) -> None:
        """Nothing of a running server is ours to end."""

    def close(self) -> None:
        """Nothing was opened."""


class _Unseen:
    """Processes, and the end of the first one, of a server that cannot be looked at."""

    def pids(self) -> tuple[int, ...]:
        return ()

    def processes(self) -> tuple[ProcessEntry, ...]:
        return ()

    def tasks(self) -> tuple[Task, ...]:
        return ()

    def descriptors(self, pid: int) -> dict[int, str]:
        return {}

    def holders(self, inode: int) -> dict[int, tuple[int, ...]]:
        return {}

    def exit_status(self) -> int | None:
        return None

    def wait(self, timeout: float) -> int | None:
        return None

    def overrun(self) -> int:
        return 0

    def hit(self) -> LimitHit | None:
        return None

    def output(self) -> Output:
        return Output(b"", b"", 0)


class WireOnlyServer(Server):
    """A server as its clients see it: nothing is known of its processes, and no silence of it is proven."""

    observable = False

    def __init__(self, arena: Network, launch: Launch, *, port: int, main_pid: int = 0) -> None:
        self.arena = arena
        self.launch = launch
        self.asked_port = port
        self.main_pid = main_pid
        self.traps = frozenset()
        self.gates = None
        self.starts = Ticks()
        self.census = _Unseen()
        self.sockets = Sockets((), ())

    def _take_for_granted(self, host: str, port: int, *, datagram: bool) -> None:
        peer = DatagramSocket(1, socket.AF_INET, host, port, 0, None, None)
        always = Listener(1, socket.AF_INET, host, port, 0, 4096)
        self.sockets = Sockets((), (peer,)) if datagram else Sockets((always,), ())

    def find_sockets(self) -> bool:
        return bool(self.sockets.ports)

    def serving(self) -> bool:
        return self.running()

    def ended(self) -> bool:
        return not self.running()

    def exit_status(self, within: float) -> int | None:
        return self.process.exit_status()

    def new_arena(self) -> Arena:
        raise Unavailable("arena", REASON)

    def another(self, launch: Launch, arena: Arena | None = None) -> Server:
        raise Unavailable("census", REASON)

    def discard(self) -> None:
        self.stop()

    def listener(self) -> Listener | None:
        return next(iter(self.sockets.listeners), None)

    def datagram_socket(self) -> DatagramSocket | None:
        return next(iter(self.sockets.datagrams), None)

    def is_taken(self, port: int) -> bool:
        return False

    def listeners_on(self, port: int) -> tuple[Listener, ...]:
        return ()

    def connection(self, client: Address) -> Connection | None:
        return None

    def watch_reading(self, client: Address) -> Callable[[], int | None] | None:
        return None

    def settle(
        self,
        connections: Callable[[], Hashable],
        *,
        patience: float | Patience,
        wait_out: bool = True,
        ticks: Ticks | None = None,
        spin: float | None = None,
        own: OwnTime | None = None,
        span: Span | None = None,
    ) -> Stillness:
        return Restless(())

    def where(self, task: Task) -> BlockedTask:
        raise Unavailable("census", REASON)

    def footprint(self) -> Footprint | None:
        return None

    def signal_pids(self, pids: tuple[int, ...], number: int) -> None:
        """Its processes are not known to us."""

    def children(self) -> tuple[int, ...]:
        return ()

    def holders(self, clients: tuple[Address, ...]) -> frozenset[int]:
        return frozenset()

    def at_the_listener(self) -> frozenset[int]:
        return frozenset()

    def waiting_for_clients(self) -> tuple[int, ...]:
        return ()

    def freeze(self, who: str) -> tuple[int, ...]:
        return ()

    def limit_descriptors(self, spare: int) -> tuple[int, int]:
        raise Unavailable("census", REASON)

    def lift_limit(self, old: tuple[int, int]) -> None:
        """None was lowered."""


class RemoteServer(WireOnlyServer):
    """A server that runs already, somewhere."""

    def __init__(self, wire: Network, launch: Launch, *, datagram: bool) -> None:
        if launch.address is None:
            raise TargetError(say("a running server needs an address: HOST:PORT."))
        host, port = self._resolved(launch.address)
        super().__init__(wire, launch, port=port)
        self.process = _Unseen()
        self._take_for_granted(host, port, datagram=datagram)

    def _resolved(self, address: Address) -> Address:
        try:
            return socket.gethostbyname(address[0]), address[1]
        except OSError as error:
            raise TargetError(
                say(
                    "the host {address!r} is not known ({strerror}); check its name.",
                    address=address[0],
                    strerror=error.strerror,
                )
            ) from None

    def wait_until_listening(self, patience: float = _TRIAL_SECONDS) -> bool:
        """Whether something takes connections there. Raises TargetError when not."""
        if self.datagram:
            return True
        try:
            socket.create_connection(self.address, timeout=patience).close()
        except OSError as error:
            host, port = self.address
            why = error.strerror or say("no answer")
            raise TargetError(
                say(
                    "nothing takes connections at {host}:{port} ({why}); start the server first.",
                    host=host,
                    port=port,
                    why=why,
                )
            ) from None
        return True

    def running(self) -> bool:
        return True

    def stop(self) -> None:
        """It is not ours to end."""


class UnseenServer(WireOnlyServer):
    """A server that we start, on a machine that shows nothing of it but its wire."""

    def __init__(self, arena: Arena, launch: Launch, *, port: int) -> None:
        self.process: Process = start(arena, launch, port)
        super().__init__(arena, launch, port=port, main_pid=self.process.pid)
        self._take_for_granted("127.0.0.1", port, datagram=False)

    def wait_until_listening(self, patience: float = PATIENCE_TO_LISTEN) -> bool:
        """Whether something takes connections, or datagrams, at the port it was told."""
        deadline = time.monotonic() + patience
        while self.running() and time.monotonic() < deadline:
            for takes, datagram in ((self._takes_connections, False), (self._takes_datagrams, True)):
                if takes():
                    self._take_for_granted(*self.address, datagram=datagram)
                    return True
            self.process.wait(_SECONDS_BETWEEN_TRIALS)
        self.sockets = Sockets((), ())
        return False

    def _takes_connections(self) -> bool:
        with self.arena.tcp() as client:
            return client.connect_ex(self.address) == 0

    def _takes_datagrams(self) -> bool:
        """Where nobody takes them, the next call says so: ECONNREFUSED (udp(7))."""
        with self.arena.udp() as client:
            client.settimeout(_SECONDS_BETWEEN_TRIALS)
            try:
                client.connect(self.address)
                client.send(b"")
                client.recv(1)
            except TimeoutError:
                return True
            except OSError:
                return False
        return True

    def running(self) -> bool:
        """Whether its first process is alive, or has ended well, as a daemon's does."""
        return self.process.exit_status() in (None, 0)

    def stop(self) -> None:
        """End everything of it."""
        self.arena.clear()
