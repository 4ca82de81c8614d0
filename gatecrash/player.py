"""The one runner: plays a scenario against a server and writes the transcript.

It never sleeps to make something happen. It acts, asks the kernel what became of it, and where nothing comes,
proves that nothing can come (gatecrash.instruments.quiescence).
"""

from __future__ import annotations

import signal
import socket
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import singledispatchmethod

from gatecrash.buffers import restore_buffers, shrink_buffers
from gatecrash.client import DatagramClient, StreamClient
from gatecrash.contract import Contract
from gatecrash.errors import EngineFault
from gatecrash.instruments.gates import Traced
from gatecrash.instruments.ticks import Situation, Ticks, about
from gatecrash.lifecycle import Lifecycle
from gatecrash.observer import Observer
from gatecrash.offer import announces_end, complete
from gatecrash.scenario import (
    AskWithRequests,
    AwaitHeld,
    Close,
    Connect,
    Fail,
    Freeze,
    HalfClose,
    Hold,
    LiftLimit,
    LimitDescriptors,
    ReadOutput,
    Receive,
    ReceiveDatagrams,
    Release,
    Reset,
    Restart,
    Scenario,
    Send,
    SendDatagram,
    Settle,
    Shorten,
    Signal,
    SmallBuffers,
    StartOnTakenPort,
    StartSecond,
    Step,
    Thaw,
    Until,
    Watch,
    Who,
)
from gatecrash.server import Server
from gatecrash.transcript import (
    CallTrace,
    Connected,
    Ended,
    Event,
    Got,
    HeldAt,
    Looked,
    NotConnected,
    NotSent,
    Printed,
    Sent,
    Silent,
    TracedCall,
    Transcript,
)
from gatecrash.waiting import Waiter, errno_number

#: Steps of clients, who show at their connections, steps that only look, and ends of what was noted when it began.
_WITHOUT_TRACE = (
    *(Connect, Send, Receive, Close, SendDatagram, ReceiveDatagrams, AskWithRequests),
    *(Settle, ReadOutput, Watch, AwaitHeld, Release, Thaw),
)
_MOST_RECEIVED = 64 * 1024 * 1024


@dataclass(frozen=True)
class _Side:
    """The kind of an open connection, in no more than yes and no."""

    accepted: bool
    state: str
    read_from: bool
    facts: Hashable


class Player:
    """Plays scenarios on one server. After `play`, `spoiled` tells that the server is not to be used again."""

    def __init__(
        self, server: Server, contract: Contract, *, patience: float = 5.0, ticks: Ticks | None = None
    ) -> None:
        self.server = server
        self.contract = contract
        self.patience = patience
        self.ticks = ticks or Ticks()
        self.spoiled = False
        self._reset_state()

    def _reset_state(self) -> None:
        self.streams: dict[str, StreamClient] = {}
        self.datagrams: dict[str, DatagramClient] = {}
        self.events: list[Event] = []
        self.acts: set[Hashable] = set()
        self.index = 0
        self.frozen: tuple[int, ...] = ()
        self.limit: tuple[int, int] | None = None
        self.small_buffers = False
        ticks = replace(self.ticks, situation=self.situation, early=False)
        self.waiter = Waiter(self.server, self.connections, patience=self.patience, ticks=ticks)
        self.observer = Observer(self.server, self.streams, self.waiter)

    # -- the whole ----------------------------------------------------------------------------------------------

    def play(self, scenario: Scenario) -> Transcript:
        """Play every step in order, then let go of everything; the server is left running."""
        self._reset_state()
        if self.server.gates is not None:
            self.server.gates.trace.clear()
        try:
            for self.index, step in enumerate(scenario.steps):
                self._note_act(step)
                self.act(step)
            self.events.extend(self.observer.dropped(self.index, self.datagrams.values()))
            self.events.extend(self.observer.after_all(self.index))
        finally:
            self._let_go()
        self.events.extend(self.observer.reports(self.index))
        sent = {name: bytes(client.sent) for name, client in self.streams.items()}
        events, early = tuple(self.events), self.waiter.ticks.early
        return Transcript(scenario, events, output=self.observer.output, sent=sent, early=early)

    def _let_go(self) -> None:
        self._thaw()
        if self.limit is not None:
            self.server.lift_limit(self.limit)
        if self.small_buffers:
            restore_buffers(self.server.arena)
        gates = self.server.gates
        if gates is not None:
            self.server.pump()
            calls = tuple(_traced(t) for t in gates.trace)
            self.record(CallTrace(self.index, calls))
            gates.clear()
        for stream in self.streams.values():
            stream.close()
        for client in self.datagrams.values():
            client.close()

    def record(self, event: Event) -> None:
        """Write one event down."""
        self.events.append(event)

    def connections(self) -> Hashable:
        """What the kernel has of every connection of this scenario: read between the two snapshots of a proof."""
        return tuple(
            self.server.queues.connection(self.server.address, c.address)
            for c in self.streams.values()
            if c.connected and c.open and c.end is None
        )

    def _note_act(self, step: Step) -> None:
        """What may change how the server's timed waits end, though nothing shows outside."""
        match step:
            case Fail() | Hold():
                self.acts.add((step.kind, step.call, getattr(step, "error", "")))
            case Signal():
                self.acts.add(step)
            case _ if not isinstance(step, _WITHOUT_TRACE):
                self.acts.add(step.kind)

    def situation(self) -> Situation:
        """What tells two states of the server apart besides its own tasks (gatecrash.instruments.ticks)."""
        listener = None if self.server.datagram else self.server.listener()
        sides = [side for c in self.streams.values() if c.connected and c.open and (side := self._side(c)) is not None]
        kinds = frozenset((side, about(count)) for side, count in Counter(sides).items())
        return Situation(
            (frozenset(self.acts), listener is not None and about(listener.depth), kinds),
            held=sum(side.accepted for side in sides),
        )

    def _side(self, client: StreamClient) -> _Side | None:
        """The kind of a connection: what either end has of it; None when no process of the server has it any more."""
        end = self.server.queues.connection(self.server.address, client.address)
        if end is None or end.closed:
            return None
        facts = (bool(client.sent), bool(client.received), client.end, bool(end.unsent), bool(end.unread))
        return _Side(end.accepted, end.state, bool(end.consumed), facts)

    @singledispatchmethod
    def act(self, step: Step) -> None:
        """Play one step."""
        raise EngineFault(f"the player does not know the step {type(step).__name__}")

    # -- clients ------------------------------------------------------------------------------------------------

    @act.register
    def _connect(self, step: Connect) -> None:
        while True:
            client = StreamClient(step.client, self.server.arena.tcp(), small_window=step.small_window)
            outcome = client.connect(self.server.address)
            if outcome == "connected":
                break
            client.close()
            # A dropped SYN is retried by the kernel after a second: that is no slowness of the server's, so
            # wait for room in the queue instead, unless there provably never will be any.
            if outcome == "refused" or self.frozen or not self.waiter.until(self._room).reached:
                self.record(NotConnected(self.index, step.client, "refused" if outcome == "refused" else "queue full"))
                return
        self.streams[step.client] = client
        self.record(Connected(self.index, step.client))

    def _room(self) -> bool:
        listener = self.server.listener()
        return listener is None or listener.depth <= listener.backlog

    @act.register
    def _send(self, step: Send) -> None:
        client = self.streams.get(step.client)
        if client is None or not client.open:
            self.record(NotSent(self.index, step.client, step.data, "ENOTCONN"))
            return
        rest = step.data
        while rest:
            taken, error = client.send(rest)
            rest = rest[taken:]
            if error is not None:
                self.take(client)
                self.record(NotSent(self.index, step.client, step.data, error))
                return
            if rest and not self._drained(client, step.read_meanwhile):
                break
        self._record_sent(client, step, unsent=len(rest))

    def _drained(self, client: StreamClient, read_meanwhile: bool) -> bool:
        """Room in the send queue, or something read: a client that only writes would lock an echo server up."""

        def moved() -> bool:
            return client.writable() or (read_meanwhile and self.take(client)) or client.end is not None

        # Who does not read does not expect to be read: a server that waits for it need not be watched to its tick.
        waited = self.waiter.until(moved, client.sock, writable=True, early=not read_meanwhile)
        return waited.reached and client.end is None

    def _record_sent(self, client: StreamClient, step: Send, unsent: int) -> None:
        if not step.until_read or self.frozen or not self.server.observable:
            self.record(Sent(self.index, step.client, step.data, None, None))
            return
        look = self.server.queues.watch(self.server.address, client.address)
        outcome = self.waiter.until(lambda: self._read_or_gone(client, look))
        consumed = look()
        read = not unsent and consumed is not None and consumed >= len(client.sent)
        self.record(Sent(self.index, step.client, step.data, read, consumed, outcome.proven, outcome.where))

    def _read_or_gone(self, client: StreamClient, look: Callable[[], int | None]) -> bool:
        self.take(client)
        if client.end is not None:
            return True
        consumed = look()
        return consumed is None or consumed >= len(client.sent)

    @act.register
    def _receive(self, step: Receive) -> None:
        client = self.streams.get(step.client)
        if client is None or not client.open:
            return
        wanted = step.at_most
        while client.end is None and len(client.received) < _MOST_RECEIVED:
            got = self.take(client, wanted)
            if wanted is not None and got:
                return
            if client.end is not None or self._has_all(client, step.until):
                return
            if got:
                continue
            outcome = self.waiter.until_readable(
                client.sock, at_once=step.until == "silence", early=self._owes_nothing(client, step.until)
            )
            if not outcome.reached:
                self.record(Silent(self.index, client.name, outcome.proven, outcome.still, outcome.where))
                return

    def _owes_nothing(self, client: StreamClient, until: Until) -> bool:
        """Whether silence is what a correct server says now; else it is only believed when it was waited out."""
        if until == "silence":
            return True
        echoed = self.contract.protocol == "echo" and len(client.received) >= len(client.sent)
        return echoed and not client.half_closed

    def _has_all(self, client: StreamClient, until: Until) -> bool:
        if until not in ("message", "announced"):
            return False
        sent, received = bytes(client.sent), bytes(client.received)
        if not complete(self.contract, sent, received):
            return False
        return until == "message" or not announces_end(self.contract, sent, received)

    def take(self, client: StreamClient, at_most: int | None = None) -> bool:
        """Take what is here for `client` now; True when there was something."""
        if client.end is not None or not client.open:
            return False
        data = client.take() if at_most is None else client.take(at_most)
        if data:
            self.record(Got(self.index, client.name, data))
            return True
        if data is None and client.end is not None:
            self.record(Ended(self.index, client.name, client.end))
            return True
        return False

    @act.register
    def _half_close(self, step: HalfClose) -> None:
        if step.client in self.streams:
            self.streams[step.client].half_close()

    @act.register
    def _close(self, step: Close) -> None:
        if step.client in self.streams:
            self.streams[step.client].close()

    @act.register
    def _reset(self, step: Reset) -> None:
        if step.client in self.streams:
            self.streams[step.client].reset()

    # -- datagrams ----------------------------------------------------------------------------------------------

    def _datagram_client(self, name: str) -> DatagramClient:
        if name not in self.datagrams:
            self.datagrams[name] = DatagramClient(name, self.server.arena.udp())
        return self.datagrams[name]

    @act.register
    def _send_datagram(self, step: SendDatagram) -> None:
        error = self._datagram_client(step.client).send(step.data, self.server.address)
        if error is not None:
            self.record(NotSent(self.index, step.client, step.data, error))
        else:
            self.record(Sent(self.index, step.client, step.data, None, None, port=self.server.address[1]))

    @act.register
    def _receive_datagrams(self, step: ReceiveDatagrams) -> None:
        client = self._datagram_client(step.client)
        count = 0
        while step.count is None or count < step.count:
            taken = client.take()
            if taken is not None:
                self.record(Got(self.index, client.name, taken[0], source_port=taken[1]))
                count += 1
                continue
            outcome = self.waiter.until_readable(client.sock, at_once=step.count is None, early=step.count is None)
            if not outcome.reached:
                self.record(Silent(self.index, client.name, outcome.proven, outcome.still, outcome.where))
                return

    # -- client libraries ---------------------------------------------------------------------------------------

    @act.register
    def _ask_with_requests(self, step: AskWithRequests) -> None:
        from gatecrash.client.library import answers_of  # requests takes 0.1 s to import, and one rule needs it

        def wait(sock: socket.socket) -> None:
            outcome = self.waiter.until_readable(sock)
            if not outcome.reached:
                self.record(Silent(self.index, step.client, outcome.proven, outcome.still, outcome.where))
                raise TimeoutError("the server sends nothing more")

        arena, address = self.server.arena, self.server.address
        for answer in answers_of(step, self.index, arena.tcp, address, wait, self.patience):
            self.record(answer)
            self.waiter.settle(wait_out=False)  # a close that is under way is seen by the next request

    # -- the server ---------------------------------------------------------------------------------------------

    @act.register
    def _freeze(self, step: Freeze) -> None:
        self.server.census.tasks()
        self.frozen = self.server.freeze(step.who)

    @act.register
    def _thaw_step(self, step: Thaw) -> None:
        self._thaw()

    def _thaw(self) -> None:
        self.server.signal_pids(self.frozen, signal.SIGCONT)
        self.frozen = ()

    @act.register
    def _fail(self, step: Fail) -> None:
        if self.server.gates is not None:
            self.server.pump()
            self.server.gates.fail(step.call, errno_number(step.error), times=step.times)

    @act.register
    def _watch(self, step: Watch) -> None:
        """The trap alone does it: `Scenario.traps` names the family, and the trace keeps what passes."""

    @act.register
    def _hold(self, step: Hold) -> None:
        if self.server.gates is not None:
            self.server.pump()
            self.server.gates.hold(step.call, times=step.times)

    @act.register
    def _await_held(self, step: AwaitHeld) -> None:
        gates = self.server.gates
        if gates is None:
            return
        outcome = self.waiter.until(lambda: len(gates.held) >= step.count)
        name = gates.held[0].name if gates.held else "the call"
        self.record(HeldAt(self.index, name, outcome.reached, outcome.proven))

    @act.register
    def _release(self, step: Release) -> None:
        if self.server.gates is not None:
            self.server.gates.clear()

    @act.register
    def _shorten(self, step: Shorten) -> None:
        if self.server.gates is not None:
            self.server.gates.shorten(step.size, times=step.times)

    @act.register
    def _signal(self, step: Signal) -> None:
        self.server.signal_pids(self._named(step.who), signal.Signals[step.name])

    def _named(self, who: Who) -> tuple[int, ...]:
        match who:
            case "parent":
                return (self.server.main_pid,)
            case "all":
                return self.server.census.pids()
            case "child":
                return self.server.children()
        served = self.server.holders(tuple(c.address for c in self.streams.values() if c.connected))
        return tuple(pid for pid in self.server.children() if pid in served)

    @act.register
    def _limit(self, step: LimitDescriptors) -> None:
        self.limit = self.server.limit_descriptors(step.spare)

    @act.register
    def _lift(self, step: LiftLimit) -> None:
        if self.limit is not None:
            self.server.lift_limit(self.limit)
            self.limit = None

    @act.register
    def _shrink_buffers(self, step: SmallBuffers) -> None:
        self.small_buffers = shrink_buffers(self.server.arena)

    @act.register
    def _settle(self, step: Settle) -> None:
        still = self.waiter.settle(step.within, early=True)
        for client in self.streams.values():
            self.take(client)
        self.record(Looked(self.index, step.label, self.observer.look(still)))

    @act.register
    def _read_output(self, step: ReadOutput) -> None:
        printed = self.server.process.output()
        self.record(Printed(self.index, step.label, printed.head + printed.tail, whole=not printed.missing))

    # -- whole lives --------------------------------------------------------------------------------------------

    @act.register
    def _restart(self, step: Restart) -> None:
        self._another_life(lambda life: life.restart(self.index))

    @act.register
    def _second(self, step: StartSecond) -> None:
        self._another_life(lambda life: life.second(self.index))

    @act.register
    def _taken(self, step: StartOnTakenPort) -> None:
        self._another_life(lambda life: life.on_taken_port(self.index))

    def _another_life(self, live: Callable[[Lifecycle], Event]) -> None:
        self.spoiled = True
        life = Lifecycle(self.server, patience=self.patience)
        self.record(live(life))
        if life.server is not self.server:
            self.server = life.server
            self.waiter.server = self.observer.server = life.server


def _traced(traced: Traced) -> TracedCall:
    first = traced.call.args[0] & 0xFFFFFFFF
    return TracedCall(
        traced.call.tid,
        traced.call.family,
        traced.call.name,
        first - (1 << 32) if first >= 1 << 31 else first,
        traced.outcome,
    )
