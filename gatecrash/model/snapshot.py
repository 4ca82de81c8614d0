"""What one look at the whole server sees: its processes, its queue, and its end of every connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatecrash.model.blocked import BlockedTask
from gatecrash.model.processes import ProcessEntry, Task
from gatecrash.model.sockets import DatagramSocket, Listener

Still = Literal["quiet", "resting", "spinning", "restless"]


@dataclass(frozen=True)
class ClientSide:
    """The server's end of one client's connection at a look. `holders`: (pid, descriptors) that have it open."""

    client: str
    state: str
    accepted: bool
    unread: int
    unsent: int
    consumed: int | None
    holders: tuple[tuple[int, int], ...]
    fin_received: bool = False


@dataclass(frozen=True)
class Snapshot:
    """One look at the whole server after it came to rest (or did not)."""

    still: Still
    running: bool
    main: int | None
    processes: tuple[ProcessEntry, ...]
    tasks: tuple[Task, ...]
    listener: Listener | None
    listener_holders: tuple[int, ...]
    descriptors: tuple[tuple[int, int], ...]
    connections: tuple[ClientSide, ...]
    where: tuple[BlockedTask, ...]
    share: float = 0.0
    skipped: float = 0.0  # seconds of the server's own time that had been skipped by then
    clocked: bool = False  # its time is in the tester's hand: no alarm of its own is hidden
    asked_port: int = 0
    ports: tuple[int, ...] = ()
    #: What each live process has open: (pid, ((descriptor, what it is), ...)).
    opened: tuple[tuple[int, tuple[tuple[int, str], ...]], ...] = ()
    datagram: DatagramSocket | None = None
    #: Stacks of threads, running or ended, by process; looked for only where crowds are compared.
    stacks: tuple[tuple[int, int], ...] = ()

    @property
    def zombies(self) -> tuple[int, ...]:
        """Processes that ended and were not waited for."""
        return tuple(p.pid for p in self.processes if p.state == "Z")

    @property
    def live(self) -> tuple[int, ...]:
        """Processes that run, zombies not counted."""
        return tuple(p.pid for p in self.processes if p.state not in ("Z", "X"))

    @property
    def descriptors_of_main(self) -> int:
        """How many descriptors the parent has open."""
        return dict(self.descriptors).get(self.main or -1, 0)

    def connection(self, client: str) -> ClientSide | None:
        """The server's end of `client`'s connection, if the kernel still knows it."""
        return next((c for c in self.connections if c.client == client), None)
