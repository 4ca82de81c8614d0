"""One running instance of a target: started, found by its listening socket's inode, looked at, stopped.

Readiness and port come from the kernel's socket table, never from a connection (it may consume an only client)
and never from what the server prints (a C program's stdout is block-buffered on a pipe, stdio(3)).
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Collection, Hashable, Iterable

from gatecrash.instruments import borrowing, clock, gates, procfs, quiescence
from gatecrash.instruments.blocked import waits_on
from gatecrash.instruments.census import Census
from gatecrash.instruments.clock import CLOCK_TRAPS, Clock
from gatecrash.instruments.gates import Gates
from gatecrash.instruments.patience import OwnTime, Patience
from gatecrash.instruments.queues import Queues
from gatecrash.instruments.real_time.ticks import Ticks
from gatecrash.model.address import Address
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.launch import Launch
from gatecrash.model.processes import Task
from gatecrash.model.sockets import Connection, DatagramSocket, Listener, as_one
from gatecrash.sandbox.arena import Arena
from gatecrash.sandbox.process import Process
from gatecrash.target.interface import PATIENCE_TO_LISTEN, PATIENCE_TO_LISTEN_BY_ITS_CLOCK, Footprint, Server, Sockets
from gatecrash.target.report_watch import ReportWatch
from gatecrash.target.sanitizers import reports_folder
from gatecrash.target.shortage import limit_leaving
from gatecrash.target.starting import start

#: A compiled server listens within three looks or four; one that needs an interpreter is looked for ever less often.
_LOOKS_AT_EACH_NAP, _LONGEST_NAP_MS = 4, 8
_LOOKS_BEFORE_PROOF = 12
_SECONDS_TO_SET_UP = 0.5
_PAUSES = (signal.SIGSTOP, signal.SIGCONT)
#: Where a process is that waits for its next client.
_TAKES_CLIENTS = frozenset(
    (
        *("accept", "accept4", "poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "recvfrom"),
        *("recvmsg", "io_uring_enter"),
    )
)


class ObservedServer(Server):
    """A started target in an arena, with its processes, its queues and its calls."""

    observable = True
    arena: Arena
    process: Process
    census: Census

    def __init__(
        self, arena: Arena, launch: Launch, *, port: int, traps: frozenset[str] = frozenset(), timed: bool = False
    ) -> None:
        """Started with these traps; `timed`: with its time in the tester's hand, where this machine allows it."""
        self.arena = arena
        self.launch = launch
        self.asked_port = port
        self.traps = traps
        self.queues = Queues(arena.netlink())
        # Where no socket of the target's can be borrowed, the gates tell which time limit it gave one.
        told = borrowing.refused() is not None and gates.available() is None
        limits = self._limit_of if told else None
        self.census = Census(arena.broker_pid, limits)
        self.strangers = frozenset(self.census.pids())  # processes of another instance in the same arena
        self.timed = timed and clock.available() is None
        own = (CLOCK_TRAPS if self.timed else frozenset()) | ({"time limit"} if told else frozenset())
        folder = reports_folder(launch.env)
        self._watch = None if folder is None else ReportWatch(launch, folder)
        self.process = start(arena, launch, port, traps | own)
        self.clock = hand = Clock(self.census, self.process, known=limits) if self.timed else None
        self.gates = Gates(self.process.gates_fd, traps, hand) if self.process.gates_fd is not None else None
        self.sockets = Sockets((), ())
        self.main_pid = self.process.pid
        self._from_the_start: frozenset[int] = frozenset()  # who held its socket when it was found
        self._told: set[int] = set()  # who got a signal that may end it: if it ends, that was our doing
        self.starts = Ticks(hasty=True)

    def unheard(self, spoken: Collection[str] = ()) -> str:
        return "" if self._watch is None else self._watch.look(spoken)

    def _limit_of(self, inode: int, option: str) -> float | None:
        """The time limit the target gave a socket; a connection has its listener's until it gets one of its own."""
        limits = self.gates.limits if self.gates is not None else {}
        inherited = (limits.get((listener.inode, option)) for listener in self.sockets.listeners)
        return limits.get((inode, option), next((one for one in inherited if one), None)) or None

    # -- finding it ---------------------------------------------------------------------------------------------

    def wait_until_listening(self, patience: float = PATIENCE_TO_LISTEN) -> bool:
        """Wait for a socket to listen; False when it provably never will, or patience (seconds) ran out first."""
        deadline = time.monotonic() + patience
        looks = 0
        while time.monotonic() < deadline:
            self.pump()
            if self.find_sockets():
                # Between listen and its first wait a server still sets itself up: signal handlers, workers, an epoll.
                self._come_to_rest(_SECONDS_TO_SET_UP)
                return self.find_sockets()
            looks += 1
            ended = self.process.exit_status() is not None and not self.census.pids()
            if ended or (looks % _LOOKS_BEFORE_PROOF == 0 and self._asleep_for_good()):
                return self.find_sockets()
            self._pause(min(1 + looks // _LOOKS_AT_EACH_NAP, _LONGEST_NAP_MS))
        return False

    def _asleep_for_good(self) -> bool:
        """Whether it waits for something that will not come: a server that listens later sleeps with a time limit."""
        still = self._come_to_rest(0.005)
        self.let_expire(still, PATIENCE_TO_LISTEN_BY_ITS_CLOCK)
        return isinstance(still, quiescence.Quiet)

    def _come_to_rest(self, patience: float) -> quiescence.Stillness:
        return quiescence.settle(
            self.census, lambda: None, patience=patience, pump=self.pump, wait_out=False, ticks=self.starts
        )

    def find_sockets(self) -> bool:
        """Look the listening sockets up; True when there is one that belongs to the target."""
        listeners = self.queues.listeners()
        owned = self._owned_inodes() if listeners else set()
        mine = tuple(s for s in listeners if s.inode in owned)
        # On the shared loopback somebody always listens: that says nothing of what this target does.
        datagrams = () if mine else self.queues.datagram_sockets()
        owned = owned or (self._owned_inodes() if datagrams else set())
        udp = tuple(s for s in datagrams if s.inode in owned and s.port)
        if not mine and not udp:
            return False
        self.sockets = Sockets(mine, udp)
        self.main_pid = self._main(self._holders())
        return True

    def _own_pids(self) -> set[int]:
        """Whoever is no stranger, nor a child of one: the other instance may fork meanwhile."""
        if not self.strangers:
            return set(self.census.pids())
        entries = self.census.processes()
        while born := {one.pid for one in entries if one.parent in self.strangers} - self.strangers:
            self.strangers |= born
        return {one.pid for one in entries} - self.strangers  # of one look: of who came later no parent is known

    def _owned_inodes(self) -> set[int]:
        owned: set[int] = set()
        for pid in self._own_pids():
            for name in self.census.descriptors(pid).values():
                if name.startswith("socket:["):
                    owned.add(int(name[8:-1]))
        return owned

    def _main(self, holders: frozenset[int]) -> int:
        """Who is told what the server is told: the first of those that hold its socket, or whom they all came from."""
        self._from_the_start = holders
        if self.process.pid in holders or not holders:
            return self.process.pid
        parents = {entry.pid: entry.parent for entry in self.census.processes()}
        top = [pid for pid in holders if parents.get(pid) not in holders]
        above = {parents.get(pid) for pid in top}
        if len(top) > 1 and len(above) == 1 and (master := above.pop()) in parents:
            return master
        return min(top or holders)

    def _holders(self) -> frozenset[int]:
        return frozenset(pid for inode in self.inodes for pid in self.census.holders(inode))

    def _pause(self, milliseconds: int) -> None:
        """Sleep, less long if it ends or stands at a gate."""
        poller = select.poll()
        if self.process.exit_status() is None:
            poller.register(self.process.pidfd, select.POLLIN)
        if self.gates is not None:
            poller.register(self.gates.fileno(), select.POLLIN)
        poller.poll(milliseconds)

    # -- what it is ---------------------------------------------------------------------------------------------

    @property
    def inodes(self) -> frozenset[int]:
        """The inodes of all sockets it serves on: a worker that came later has another one than those of the start."""
        if not self.own_queues:
            return frozenset({self.inode} - {0})
        return frozenset(s.inode for s in self._together(self.queues.listeners()))

    def listener(self) -> Listener | None:
        """The listening socket now, with its accept queue; None when it is gone. Several queues count as one."""
        if not self.sockets.listeners:
            return None
        if self.own_queues:
            return as_one(self._together(self.queues.listeners()))
        host, port = self.address
        found = self.queues.listener(host, port)
        return found if found is not None and found.inode else None

    def datagram_socket(self) -> DatagramSocket | None:
        """The UDP socket now."""
        return next((s for s in self.queues.datagram_sockets() if s.inode == self.inode), None)

    def listeners_on(self, port: int) -> tuple[Listener, ...]:
        return tuple(listener for listener in self.queues.listeners() if listener.port == port)

    def is_taken(self, port: int) -> bool:
        bound = self.queues.datagram_sockets() if self.datagram else self.queues.listeners()
        return any(one.port == port for one in bound)

    def connection(self, client: Address) -> Connection | None:
        return self.queues.connection(self.address, client)

    def watch_reading(self, client: Address) -> Callable[[], int | None]:
        return self.queues.watch(self.address, client)

    def settle(
        self,
        connections: Callable[[], Hashable],
        *,
        patience: float | Patience,
        wait_out: bool = True,
        ticks: Ticks | None = None,
        spin: float | None = None,
        own: OwnTime | None = None,
        span: quiescence.Span | None = None,
    ) -> quiescence.Stillness:
        return quiescence.settle(
            self.census,
            self.at_queues(connections),
            patience=patience,
            pump=self.pump,
            wait_out=wait_out,
            ticks=ticks,
            spin=spin,
            own=own,
            clock=self.clock,
            span=span,
        )

    def where(self, task: Task) -> BlockedTask:
        return quiescence.blocked_where(task, self.census)

    def waits_for(self, task: Task, clients: Iterable[Address]) -> bool:
        waited = self._waits_on(task)
        ends = map(self.connection, clients) if waited else ()
        return any(end is not None and f"socket:[{end.inode}]" in waited for end in ends)

    def _waits_on(self, task: Task) -> set[str | None]:
        """What /proc/PID/fd calls the descriptors it waits on."""
        table = self.census.descriptors(task.pid)
        return {table.get(number) for number in waits_on(task)}

    def footprint(self) -> Footprint:
        main, descriptors = self.main_pid, 0
        for pid in {main, *self._from_the_start}:
            with contextlib.suppress(OSError):  # it has gone
                descriptors += len(os.listdir(f"/proc/{pid}/fd"))
        return Footprint(descriptors, len(procfs.read(f"/proc/{main}/task/{main}/children").split()))

    def exit_status(self, within: float) -> int | None:
        status = self.process.exit_status()
        return self.process.wait(within) if status is None and procfs.is_ending(self.process.pid) else status

    def running(self) -> bool:
        """Whether the process that listens is alive (not a zombie), or another one that has taken its place."""
        if self._alive():
            return True
        successor = self._successor()
        self.main_pid = successor or self.main_pid
        return successor is not None

    def _alive(self) -> bool:
        if self.main_pid == self.process.pid:
            return self.process.exit_status() is None
        return not procfs.is_ending(self.main_pid)

    def _successor(self) -> int | None:
        """Who takes the clients when the main process has ended by itself, and well: a worker beside or after it.

        A holder from the start, before any client was there, or one that waits for clients now; a child that serves
        one and has the listening socket open takes nobody.
        """
        if self.main_pid in self._told or (self.main_pid == self.process.pid and self.process.exit_status() != 0):
            return None
        holders = {pid for pid in self._holders() if not procfs.is_ending(pid)}
        waiting = {task.pid for task in self.census.tasks() if task.call in _TAKES_CLIENTS}
        return min(holders & (self._from_the_start | waiting), default=None)

    def serving(self) -> bool:
        """Alive and, for TCP, still listening."""
        return self.running() and (self.datagram or self.listener() is not None)

    # -- acts on it ---------------------------------------------------------------------------------------------

    def signal_pids(self, pids: tuple[int, ...], number: int) -> None:
        """Send a signal to processes of this target, and never to a group (kill(2): 0 and -1 name groups)."""
        self._told |= set() if number in _PAUSES else set(pids)
        for pid in (p for p in pids if p > 1):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def children(self) -> tuple[int, ...]:
        """Every live descendant of the process that listens."""
        below = {self.main_pid}
        found: list[int] = []
        for entry in self.census.processes():  # parents come before their children
            if entry.parent in below:
                below.add(entry.pid)
                found.extend([entry.pid] if entry.state not in ("Z", "X") else [])
        return tuple(found)

    def holders(self, clients: tuple[Address, ...]) -> frozenset[int]:
        """The processes that hold the server's end of a connection of one of these clients."""
        ends = map(self.connection, clients)
        held = (self.census.holders(end.inode) for end in ends if end is not None and end.inode)
        return frozenset(pid for holders in held for pid in holders)

    def at_the_listener(self) -> frozenset[int]:
        listening = {f"socket:[{inode}]" for inode in self.inodes}
        return frozenset(task.pid for task in self.census.tasks() if listening & self._waits_on(task))

    def waiting_for_clients(self) -> tuple[int, ...]:
        waiting = self.at_the_listener()
        return tuple(pid for pid in self.children() if pid in waiting)

    def freeze(self, who: str) -> tuple[int, ...]:
        """SIGSTOP the parent or everything; returns when all of them are stopped."""
        pids = (self.main_pid,) if who == "parent" else self.census.pids()
        self.signal_pids(pids, signal.SIGSTOP)
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline:
            self.pump()
            states = {e.pid: e.state for e in self.census.processes()}
            if all(states.get(pid, "X") in ("T", "t", "Z", "X") for pid in pids):
                break
            os.sched_yield()
        if self.clock is not None:
            self.clock.stopped(pids)
        return pids

    def limit_descriptors(self, spare: int) -> tuple[int, int] | None:
        """Lower the soft RLIMIT_NOFILE of who accepts to leave `spare` free; the limit of the parent as it was.

        Those are the parent and whoever held its listening socket before a client came. None: the parent is gone.
        """
        limits = {pid: self._limited(pid, spare) for pid in {self.main_pid, *self._from_the_start}}
        return limits[self.main_pid]

    def _limited(self, pid: int, spare: int) -> tuple[int, int] | None:
        own = [task for task in self.census.tasks() if task.pid == pid]
        limit = limit_leaving(spare, self.census.descriptors(pid), own)
        try:
            old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, old[1]))
        except ProcessLookupError:
            return None
        return old

    def lift_limit(self, old: tuple[int, int]) -> None:
        """Give the parent its limit of descriptors back, and those who inherited the lower one from it."""
        for pid in {self.main_pid} - self.strangers | self._own_pids():
            with contextlib.suppress(ProcessLookupError):
                soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (max(soft, min(old[0], hard)), hard))

    def ended(self) -> bool:
        """Whether its first process has ended and left none behind (a daemon's first process ends at once)."""
        return self.process.exit_status() is not None and not self._own_pids()

    def new_arena(self) -> Arena:
        return self.arena.another()

    def another(self, launch: Launch, arena: Arena | None = None) -> ObservedServer:
        return ObservedServer(arena or self.arena, launch, port=self.asked_port, traps=self.traps, timed=self.timed)

    def discard(self) -> None:
        """End this instance and spare another one in the same arena."""
        self.signal_pids(tuple(self._own_pids()), signal.SIGKILL)
        self._let_go()

    def stop(self) -> None:
        """End everything of it."""
        if self.gates is not None:
            self.gates.clear()
        try:
            self.arena.clear()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        """Give the descriptors back, once its processes are dead: gates that go first let calls fail (ENOSYS)."""
        self.clock = None
        if self._watch is not None:
            self._watch.close()
        self.census.files.close()
        if self.gates is not None:
            self.gates.close()
            self.gates = None
        self.queues.close()
