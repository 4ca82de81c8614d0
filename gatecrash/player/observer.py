"""Looks at a server from outside: its processes, its descriptors, its queues, its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from weakref import WeakKeyDictionary

from gatecrash.instruments.memory import thread_stacks
from gatecrash.instruments.quiescence import Quiet, Resting, Spinning, Stillness
from gatecrash.model.complaints import exceptions
from gatecrash.model.transcript import (
    ClientSide,
    CrashedProcess,
    DatagramsDropped,
    Event,
    SanitizerReport,
    ServerEnded,
    Snapshot,
)
from gatecrash.player.client import DatagramClient, StreamClient
from gatecrash.player.waiting import Waiter, name_of
from gatecrash.target.interface import Server
from gatecrash.target.sanitizers import new_reports
from gatecrash.text import decoded

_FATAL = frozenset({4, 6, 7, 8, 11, 13, 31})  # SIGILL SIGABRT SIGBUS SIGFPE SIGSEGV SIGPIPE SIGSYS
_DYING = 1.0  # seconds: what is about to end, or a sanitizer that writes its report, is given no longer
_MOST_PRINTED = 4000  # bytes of what it prints that are kept
#: How many bytes each had printed when it was last asked: to ask at a scenario's beginning, too, takes as long again.
_PRINTED: WeakKeyDictionary[object, int] = WeakKeyDictionary()
_NAP = 0.05  # seconds: a process that sleeps no longer than this is waited for, it may report when it wakes


class Observer:
    """Turns what the instruments see into snapshots and events."""

    def __init__(self, server: Server, streams: Mapping[str, StreamClient], waiter: Waiter) -> None:
        self.server = server
        self.streams = streams
        self.waiter = waiter
        self.output = ""
        self.crashed: dict[int, int] = {}
        self._dropped_before = self._dropped()
        #: What was started has ended already, and the server lives on: a daemon.
        self._in_background = server.process.exit_status() is not None

    def consumed(self, client: StreamClient) -> int | None:
        """Bytes of this client the server has read so far; None once the kernel has forgotten the connection."""
        connection = self.server.connection(client.address)
        return None if connection is None else connection.consumed

    def look(self, still: Stillness, *, stacks: bool = False) -> Snapshot:
        """One look at everything; at the stacks of threads only if asked, which takes longer."""
        server, census = self.server, self.server.census
        processes = census.processes()
        holders = {p.pid: census.descriptors(p.pid) for p in processes if p.state not in ("Z", "X")}
        self._note_crashes(tuple(p.pid for p in processes if p.state == "Z"))
        listening = {f"socket:[{inode}]" for inode in server.inodes}
        # Who is quiet is where he was seen: nobody has moved since, and what would move him is ours to do.
        tasks = still.tasks if isinstance(still, Quiet) else census.tasks()
        return Snapshot(
            still=name_of(still),
            running=server.running(),
            main=server.main_pid,
            processes=processes,
            tasks=(still.task,) if isinstance(still, Spinning) else still.tasks,
            listener=None if server.datagram else server.listener(),
            listener_holders=tuple(pid for pid, table in holders.items() if listening & set(table.values())),
            descriptors=tuple((pid, len(table)) for pid, table in holders.items()),
            connections=tuple(side for c in self.streams.values() if (side := self._side(c, holders)) is not None),
            where=tuple(server.where(task) for task in tasks[:8]),
            share=still.share if isinstance(still, Spinning) else 0.0,
            skipped=0.0 if server.clock is None else server.clock.skipped,
            clocked=server.clock is not None and server.clock.real_because is None,
            asked_port=server.asked_port,
            ports=server.sockets.ports,
            datagram=server.datagram_socket() if server.datagram else None,
            opened=tuple((pid, tuple(table.items())) for pid, table in holders.items()),
            stacks=tuple((pid, thread_stacks(pid)) for pid in holders) if stacks else (),
        )

    def _side(self, client: StreamClient, holders: Mapping[int, Mapping[int, str]]) -> ClientSide | None:
        if not client.connected:
            return None
        connection = self.server.connection(client.address)
        if connection is None:
            return None
        name = f"socket:[{connection.inode}]"
        held = tuple((pid, fd) for pid, table in holders.items() for fd, what in table.items() if what == name)
        return ClientSide(
            client=client.name,
            state=connection.state,
            accepted=connection.inode != 0,
            unread=connection.unread,
            unsent=connection.unsent,
            consumed=connection.consumed,
            holders=held,
            fin_received=connection.fin_received,
        )

    def _note_crashes(self, zombies: tuple[int, ...]) -> None:
        """A zombie still tells how it died: the last field of /proc/PID/stat is its wait status (proc(5))."""
        for pid in zombies:
            try:
                status = int(Path(f"/proc/{pid}/stat").read_bytes().split()[-1])
            except (OSError, ValueError):
                continue
            if status & 0x7F in _FATAL:
                self.crashed.setdefault(pid, status & 0x7F)

    def _dropped(self) -> int:
        """How many datagrams the kernel has dropped for the server since its socket exists."""
        socket = self.server.datagram_socket() if self.server.datagram else None
        return (socket.drops or 0) if socket is not None else 0

    def dropped(self, step: int, clients: Iterable[DatagramClient]) -> list[Event]:
        """Datagrams the kernel has dropped during this scenario, on either side."""
        at_server, at_clients = self._dropped() - self._dropped_before, sum(c.drops() for c in clients)
        return [DatagramsDropped(step, at_server, at_clients)] if at_server > 0 or at_clients else []

    def after_all(self, step: int) -> list[Event]:
        """What only shows at the end of a scenario: the server's end, crashed processes."""
        events: list[Event] = []
        if self._sanitized or self._may_be_leaving():
            self.waiter.settle(_DYING, wait_out=False)
        events.extend(CrashedProcess(step, pid, number) for pid, number in self.crashed.items())
        status = self.server.exit_status(_DYING)
        self.output = self._printed_since()
        if status is None and exceptions(self.output) and not self._there():
            status = self.server.process.wait(_DYING)
        if status is not None and not self.server.running():
            output = self.server.process.output()
            self.output = output.text[-_MOST_PRINTED:]
            overrun, limit = self.server.process.overrun(), self.server.process.hit()
            events.append(ServerEnded(step, status, self.output, overrun, self._in_background, limit))
        return events

    def _there(self) -> bool:
        """Whether its socket is: an interpreter that ends of an exception closes it some time before it has gone."""
        return (self.server.datagram_socket() if self.server.datagram else self.server.listener()) is not None

    def _may_be_leaving(self) -> bool:
        """Whether it may be on its way out: its socket is gone before it is, and a client's may be gone before that."""
        reset = any(client.end == "RST" for client in self.streams.values())
        return self.server.observable and (reset or not self._there())

    def _printed_since(self) -> str:
        """What a server that lives has printed since the last scenario, or since it was started."""
        printed = self.server.process.output()
        new = min(printed.total - _PRINTED.get(self.server.process, 0), _MOST_PRINTED)
        _PRINTED[self.server.process] = printed.total
        return decoded((printed.head + printed.tail)[-new:]) if new > 0 else ""

    @property
    def _sanitized(self) -> bool:
        return "ASAN_OPTIONS" in self.server.launch.env

    def reports(self, step: int) -> list[SanitizerReport]:
        """What sanitizers wrote, once every client has left: a process may die of a client's end as well."""
        if not self._sanitized:
            return []
        still = self.waiter.settle(_DYING, wait_out=False)
        if isinstance(still, Resting) and still.wakes_in <= _NAP:
            self.waiter.settle(_DYING)
        return new_reports(self.server.launch.env, step)
