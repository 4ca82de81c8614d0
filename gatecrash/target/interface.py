"""What session and player use of a server, whoever can see how much of it.

Two kinds stand below it: one whose processes and sockets are looked at (gatecrash.target.server), and one that shows
its wire only (gatecrash.target.wire_only). Whoever plays or judges knows this interface, and not which kind it is.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from gatecrash.errors import TargetError
from gatecrash.instruments.gates import Gates
from gatecrash.instruments.patience import OwnTime, Patience
from gatecrash.instruments.quiescence import Resting, Span, Stillness, TargetClock
from gatecrash.instruments.real_time.ticks import Ticks
from gatecrash.language import say
from gatecrash.model.address import Address
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.confinement import LimitHit
from gatecrash.model.launch import Launch
from gatecrash.model.processes import ProcessEntry, Task
from gatecrash.model.sockets import Connection, DatagramSocket, Listener
from gatecrash.sandbox.arena import Arena
from gatecrash.sandbox.process import Output

#: The first listener must appear within this many seconds (real servers were seen to listen 2 s late).
PATIENCE_TO_LISTEN = 8.0
#: The same in seconds of its own time, where that can be skipped: it may try for a minute to get its port.
PATIENCE_TO_LISTEN_BY_ITS_CLOCK = 90.0


class Network(Protocol):
    """Where a server is reached: an arena, or the network of this process."""

    @property
    def kind(self) -> Literal["namespace", "loopback", "remote"]:
        """Whose network it is."""

    def tcp(self) -> socket.socket:
        """A fresh IPv4 stream socket."""

    def udp(self) -> socket.socket:
        """A fresh IPv4 datagram socket."""

    def clear(self) -> None:
        """End what was started in it."""

    def close(self) -> None:
        """Give it back."""


class Processes(Protocol):
    """The processes of a server, as far as they can be seen: gatecrash.instruments.census says more."""

    def pids(self) -> tuple[int, ...]: ...

    def processes(self) -> tuple[ProcessEntry, ...]: ...

    def tasks(self) -> tuple[Task, ...]: ...

    def descriptors(self, pid: int) -> dict[int, str]: ...

    def holders(self, inode: int) -> dict[int, tuple[int, ...]]: ...


class FirstProcess(Protocol):
    """The process that was started: gatecrash.sandbox.process says more."""

    def exit_status(self) -> int | None: ...

    def wait(self, timeout: float) -> int | None: ...

    def overrun(self) -> int: ...

    def hit(self) -> LimitHit | None: ...

    def output(self) -> Output: ...


@dataclass
class Sockets:
    """What the target listens on, as the kernel has it."""

    listeners: tuple[Listener, ...]
    datagrams: tuple[DatagramSocket, ...]

    @property
    def ports(self) -> tuple[int, ...]:
        """All ports, sorted."""
        return tuple(sorted({s.port for s in self.listeners} | {s.port for s in self.datagrams}))


@dataclass(frozen=True)
class Footprint:
    """Open descriptors of those that serve from the start, and children of the main process, zombies included."""

    descriptors: int
    children: int


class Server(ABC):
    """One server that is judged. Its attributes are set by the kind it is of."""

    #: Whether its processes and queues can be looked at.
    observable: bool
    arena: Network
    launch: Launch
    asked_port: int
    traps: frozenset[str]
    sockets: Sockets
    main_pid: int
    process: FirstProcess
    census: Processes
    gates: Gates | None
    #: The hand on its time; None where time is real.
    clock: TargetClock | None = None
    #: What is known of how this program starts: one that spins at once is not watched for as long each time.
    starts: Ticks

    def unheard(self, spoken: Collection[str] = ()) -> str:
        """Why the silence of the sanitizers in this build means nothing, as far as was seen; empty where it does.

        `spoken`: tools whose reports have come since this was asked.
        """
        return ""

    # -- its life -----------------------------------------------------------------------------------------------

    @abstractmethod
    def wait_until_listening(self, patience: float = PATIENCE_TO_LISTEN) -> bool:
        """Wait until clients can come, at most `patience` (seconds)."""

    @abstractmethod
    def find_sockets(self) -> bool:
        """Look up what it listens on; True when there is something."""

    @abstractmethod
    def running(self) -> bool:
        """Whether the process that listens is alive, or another one that has taken its place."""

    @abstractmethod
    def serving(self) -> bool:
        """Whether it runs, and clients can come."""

    @abstractmethod
    def exit_status(self, within: float) -> int | None:
        """How its first process ended; one that is about to end is waited for, at most `within` (seconds)."""

    @abstractmethod
    def ended(self) -> bool:
        """Whether its first process has ended and left none behind (a daemon's first process ends at once)."""

    @abstractmethod
    def new_arena(self) -> Arena:
        """Another arena of the kind that this one runs in. Raises Unavailable."""

    @abstractmethod
    def another(self, launch: Launch, arena: Arena | None = None) -> Server:
        """One more instance, started on the same port, here or in another arena. Raises Unavailable."""

    @abstractmethod
    def discard(self) -> None:
        """End this instance and spare another one in the same arena."""

    @abstractmethod
    def stop(self) -> None:
        """End everything of it that is ours to end."""

    # -- where it is --------------------------------------------------------------------------------------------

    @property
    def address(self) -> Address:
        """Where a client reaches it. Raises TargetError when it does not listen."""
        chosen = self._chosen()
        if chosen is None:
            raise TargetError(say("the target does not listen; start it by hand and see whether it does."))
        reachable = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(chosen.address, chosen.address)
        return (reachable.removeprefix("::ffff:"), chosen.port)

    @property
    def bound(self) -> str:
        """Where its socket is bound, as the kernel has it: "0.0.0.0:8080" is every address. Raises TargetError."""
        chosen = self._chosen()
        host, port = self.address if chosen is None else (chosen.address.removeprefix("::ffff:"), chosen.port)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _chosen(self) -> Listener | DatagramSocket | None:
        pool: tuple[Listener | DatagramSocket, ...] = self.sockets.listeners or self.sockets.datagrams
        exact = [s for s in pool if s.port == self.asked_port]
        return next(iter(exact or sorted(pool, key=lambda s: s.port)), None)

    def _together(self, listeners: Iterable[Listener]) -> tuple[Listener, ...]:
        """Those that the kernel deals the clients of this address out to."""
        chosen = self._chosen()
        if chosen is None:
            return ()
        return tuple(
            s for s in listeners if (s.family, s.address, s.port) == (chosen.family, chosen.address, chosen.port)
        )

    @property
    def inode(self) -> int:
        """The inode of the socket it serves on (0: none)."""
        chosen = self._chosen()
        return chosen.inode if chosen else 0

    @property
    def inodes(self) -> frozenset[int]:
        """The inodes of all sockets it serves on."""
        return frozenset({self.inode} - {0})

    @property
    def own_queues(self) -> bool:
        """Whether its workers listen on sockets of their own on one port (socket(7), SO_REUSEPORT)."""
        return len(self._together(self.sockets.listeners)) > 1

    @property
    def datagram(self) -> bool:
        """Whether it serves UDP (it has a bound datagram socket and listens on nothing)."""
        return not self.sockets.listeners and bool(self.sockets.datagrams)

    # -- what is seen of it -------------------------------------------------------------------------------------

    @abstractmethod
    def listener(self) -> Listener | None:
        """The listening socket now, with its accept queue; None when it is gone. Several queues count as one."""

    @abstractmethod
    def datagram_socket(self) -> DatagramSocket | None:
        """The UDP socket now."""

    @abstractmethod
    def listeners_on(self, port: int) -> tuple[Listener, ...]:
        """All sockets that listen on a port, whosever they are."""

    @abstractmethod
    def is_taken(self, port: int) -> bool:
        """Whether any socket that its protocol is spoken on waits for clients on a port, whosever it is."""

    @abstractmethod
    def connection(self, client: Address) -> Connection | None:
        """The server's end of a client's connection; None once the kernel has forgotten it, and where none is seen."""

    @abstractmethod
    def watch_reading(self, client: Address) -> Callable[[], int | None] | None:
        """A look at how many bytes of a client are read (None: nobody counts any more); None where none is seen."""

    @abstractmethod
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
        """Wait until it is provably still (gatecrash.instruments.quiescence.settle), at most `patience` (seconds)."""

    def at_queues(self, connections: Callable[[], Hashable]) -> Callable[[], Hashable]:
        """What the quiescence proof reads between its two snapshots: the accept queue and every open connection.

        The plans of the gates belong to it: a server that sleeps before it calls accept again comes back to the same
        sleep when that call is made to fail, and to another state when no more are.
        """

        def look() -> Hashable:
            if self.datagram:
                socket = self.datagram_socket()
                return (socket.unread if socket else None, connections(), planned())
            listener = self.listener()
            return (listener.depth if listener else None, connections(), planned())

        def planned() -> int:
            return self.gates.planned if self.gates is not None else 0

        return look

    def let_expire(self, still: Stillness, most: float) -> bool:
        """Whether the soonest limit of a server that rests was let expire: `most` seconds are skipped in all.

        One that listens by now waits for clients, and its limits are none of the start's.
        """
        if self.clock is None or not isinstance(still, Resting) or self.find_sockets():
            return False
        held = self.clock.held(still.tasks)
        if not held or self.clock.skipped + held[0].left > most:
            return False
        return self.clock.expire(still.tasks) is not None

    @abstractmethod
    def where(self, task: Task) -> BlockedTask:
        """Where a task of it waits. Raises Unavailable where no task is seen."""

    def waits_for(self, task: Task, clients: Iterable[Address]) -> bool:
        """Whether a task of it waits on a connection of one of these clients."""
        return False

    @abstractmethod
    def footprint(self) -> Footprint | None:
        """What its main process has, and those that had its socket before any client; None where that is not seen."""

    def processor_seconds(self) -> float:
        """What its living tasks have used of processors until now: the cost of a start, when it has just started."""
        return sum(task.cpu_ns for task in self.census.tasks()) / 1e9

    # -- acts on it ---------------------------------------------------------------------------------------------

    def pump(self) -> int:
        """Let the gates handle what waits at them; returns how many calls were handled."""
        return self.gates.pump() if self.gates is not None else 0

    @abstractmethod
    def signal_pids(self, pids: tuple[int, ...], number: int) -> None:
        """Send a signal to processes of this target, and never to a group (kill(2): 0 and -1 name groups)."""

    @abstractmethod
    def children(self) -> tuple[int, ...]:
        """Every live descendant of the process that listens."""

    @abstractmethod
    def holders(self, clients: tuple[Address, ...]) -> frozenset[int]:
        """The processes that hold the server's end of a connection of one of these clients."""

    @abstractmethod
    def at_the_listener(self) -> frozenset[int]:
        """The processes that wait at the listening socket now, be it in accept or in a call that watches it."""

    @abstractmethod
    def waiting_for_clients(self) -> tuple[int, ...]:
        """The children that wait at the listening socket now."""

    @abstractmethod
    def freeze(self, who: str) -> tuple[int, ...]:
        """SIGSTOP the parent or everything; returns when all of them are stopped."""

    @abstractmethod
    def limit_descriptors(self, spare: int) -> tuple[int, int] | None:
        """Lower the parent's soft RLIMIT_NOFILE to what it has open plus `spare`; the limit as it was, None if gone."""

    @abstractmethod
    def lift_limit(self, old: tuple[int, int]) -> None:
        """Give the parent its limit of descriptors back, and those who inherited the lower one from it."""
