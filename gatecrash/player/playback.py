"""Where one scenario is played: the server, the clients, what was seen so far, and the one verb `act`."""

from __future__ import annotations

import math
import signal
import time
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import singledispatch

from gatecrash.errors import EngineFault, TooSlow
from gatecrash.instruments.gates import Traced
from gatecrash.instruments.patience import OwnTime
from gatecrash.instruments.real_time.ticks import Situation, Ticks, about
from gatecrash.language import stated
from gatecrash.model.contract import Contract
from gatecrash.model.processes import Task
from gatecrash.model.scenario import (
    AskWithRequests,
    AwaitHeld,
    Close,
    Connect,
    Fail,
    Hold,
    ReadOutput,
    Receive,
    ReceiveDatagrams,
    Release,
    Send,
    SendDatagram,
    Settle,
    Signal,
    Step,
    Thaw,
    Watch,
)
from gatecrash.model.transcript import CallTrace, Ended, Event, Flooded, Got, TimePassed, TracedCall
from gatecrash.player.client import DatagramClient, StreamClient
from gatecrash.player.observer import Observer
from gatecrash.player.waiting import Waiter
from gatecrash.protocols import protocol_of
from gatecrash.target.interface import Server
from gatecrash.target.tcp_buffers import restore_buffers

#: Steps of clients, who show at their connections, steps that only look, and ends of what was noted when it began.
_WITHOUT_TRACE = (
    *(Connect, Send, Receive, Close, SendDatagram, ReceiveDatagrams, AskWithRequests),
    *(Settle, ReadOutput, Watch, AwaitHeld, Release, Thaw),
)


#: Bytes that are kept of what one client is sent, and of what all are, besides twice what they have sent themselves.
_MOST_FOR_ONE, _MOST_FOR_ALL = 4 << 20, 16 << 20
#: Bytes that are kept of what a client is sent that nobody asked for: it had its whole answer, and has finished.
_MOST_UNASKED = 1 << 18
#: Seconds of the server's own time that are written down at least: a loop that looks round twice a second is no news.
_A_MOMENT = 1.6
#: Seconds that are no mere delay, where time is real and something comes of them.
_A_DELAY = 0.1
#: Bytes that each client may have though others have taken all.
_LEAST_FOR_ONE = 1 << 16


@dataclass(frozen=True)
class _Side:
    """The kind of a client and its connection, in no more than yes and no."""

    there: bool
    accepted: bool
    state: str
    read_from: bool
    facts: Hashable


class Stage:
    """One scenario on one server. After it `spoiled` tells that the server is not to be used again."""

    def __init__(
        self,
        server: Server,
        contract: Contract,
        *,
        patience: float,
        ticks: Ticks | None = None,
        own: OwnTime | None = None,
        most: float = math.inf,
        real: bool = False,
    ) -> None:
        """`own` is told what the server takes of its own accord; beyond `most` seconds of it no more is played.

        `real`: a time limit of its own is waited out, and that time is written down as what is skipped is elsewhere.
        """
        self.server = server
        self.contract = contract
        self.protocol = protocol_of(contract)
        self.patience = patience
        self.spoiled = False
        self.streams: dict[str, StreamClient] = {}
        self.datagrams: dict[str, DatagramClient] = {}
        self.events: list[Event] = []
        self._skipped = server.clock.skipped if server.clock is not None else 0.0  # as far as it is written down
        self.skipped = 0.0  # in this scenario
        self._kept = 0  # bytes that all clients were sent
        self._pieces: list[bytes] = []  # what came behind the last event, and belongs to it
        self.acts: set[Hashable] = set()
        self.index = 0
        self.frozen: tuple[int, ...] = ()
        self.limit: tuple[int, int] | None = None
        self.small_buffers = False
        known = replace(ticks or Ticks(), situation=self.situation, early=False)
        self.own = own or OwnTime()
        self._most, self._own_before = most, self.own.seconds
        self._real, self._own_told, self._written_at = real, self.own.seconds, time.monotonic()
        self.waiter = Waiter(
            *(server, self.connections),
            patience=patience,
            ticks=known,
            own=self.own,
            horizon=contract.horizon,
            let_go=contract.shortest_limit,
            after=self.take_ends,
            spare=self.waits_for_somebody,
            waited_for=self.waited_for,
        )
        self.observer = Observer(server, self.streams, self.waiter)

    def check_time(self) -> None:
        """Raises TooSlow when the server has taken too much time of its own in this scenario."""
        taken = self.own.seconds - self._own_before
        if taken > self._most:
            raise TooSlow(
                stated("the server alone took {taken:.0f} s of one scenario, and no more of it was played", taken=taken)
            )

    def record(self, event: Event) -> None:
        """Write one event down. What a client gets piece by piece, while nothing else happens, is one event."""
        # What a server slept through before it answered is not what passed between the answer and the end.
        self.note_time(all_of_it=isinstance(event, Got | Ended))
        last = self.events[-1] if self.events else None
        if isinstance(event, Got) and event.source_port is None and isinstance(last, Got) and _joins(last, event):
            self._pieces.append(event.data)
            return
        self.finish_last()
        self.events.append(event)

    def note_time(self, *, all_of_it: bool = False, wakes: float = 0.0, late: bool = False) -> None:
        """Write down what was skipped of the server's time since the last event; less than counts waits for more."""
        clock = self.server.clock
        if clock is None:
            self._note_real_time(all_of_it=all_of_it)
            if wakes:
                self.pass_time(TimePassed(self.index, 0.0, skipped=False, wakes=wakes))
            return
        if clock.skipped < self._skipped:  # another server has taken its place
            self._skipped = 0.0
        passed = clock.skipped - self._skipped
        if passed < (1e-6 if all_of_it else _A_MOMENT) and not (all_of_it and self.waiter.ended_wait is not None):
            return  # a limit that was due already takes no time, and has come all the same
        self._skipped = clock.skipped
        self.skipped += passed
        self.pass_time(self._while_it_waited(TimePassed(self.index, passed, wakes=wakes, late=late)))

    def _note_real_time(self, *, all_of_it: bool) -> None:
        """Write down what really passed since the last event; before what comes of it, all that is no mere delay."""
        now, own = time.monotonic(), self.own.seconds
        passed = max(own - self._own_told, now - self._written_at if all_of_it else 0.0)
        if self._real and passed >= (_A_DELAY if all_of_it else _A_MOMENT):
            self._own_told = own
            self.pass_time(self._while_it_waited(TimePassed(self.index, passed, skipped=False)))
        self._written_at = now

    def really_passed(self, seconds: float) -> None:
        """Write down that a step has waited for so long, of which `own` was told."""
        self._own_told += seconds
        self._written_at = time.monotonic()
        self.pass_time(TimePassed(self.index, seconds, skipped=False))

    def _while_it_waited(self, event: TimePassed) -> TimePassed:
        """This event, with the place where the server waited meanwhile, if that is known."""
        waited, self.waiter.ended_wait = self.waiter.ended_wait, None
        if waited is None:
            return event
        return replace(event, where=(waited.where,), on_client=waited.on_client, beside=tuple(sorted(waited.beside)))

    def skipped_in_all(self) -> float:
        """Seconds of the server's time that were skipped in this scenario, those included that no event tells of."""
        clock = self.server.clock
        return self.skipped + (max(0.0, clock.skipped - self._skipped) if clock is not None else 0.0)

    def pass_time(self, event: TimePassed) -> None:
        """Write down that time has passed: one event while nothing else happens."""
        self.finish_last()
        last = self.events[-1] if self.events else None
        if isinstance(last, TimePassed) and (last.step, last.skipped) == (event.step, event.skipped):
            wakes, late = max(last.wakes, event.wakes), last.late or event.late
            told = event if event.where else last
            self.events[-1] = replace(told, seconds=last.seconds + event.seconds, wakes=wakes, late=late)
        else:
            self.events.append(event)

    def finish_last(self) -> None:
        """Put the pieces of the last event together."""
        if self._pieces:
            last = self.events[-1]
            assert isinstance(last, Got)
            self.events[-1] = replace(last, data=b"".join((last.data, *self._pieces)))
            self._pieces.clear()

    def connections(self) -> Hashable:
        """What the kernel has of every connection of this scenario: read between the two snapshots of a proof."""
        return tuple(
            self.server.connection(c.address) for c in self.streams.values() if c.connected and c.open and c.end is None
        )

    def note_act(self, step: Step) -> None:
        """What may change how the server's timed waits end, though nothing shows outside."""
        match step:
            case Fail() | Hold():
                self.acts.add((step.kind, step.call, getattr(step, "error", "")))
            case Signal():
                self.acts.add(step)
            case _ if not isinstance(step, _WITHOUT_TRACE):
                self.acts.add(step.kind)

    def situation(self) -> Situation:
        """What tells two states of the server apart besides its own tasks (gatecrash.instruments.real_time.ticks)."""
        listener = None if self.server.datagram else self.server.listener()
        sides = [self._side(client) for client in self.streams.values() if client.connected]
        kinds = frozenset((side, side.there and about(count)) for side, count in Counter(sides).items())
        datagrams = bool(self.datagrams)
        return Situation(
            (frozenset(self.acts), listener is not None and about(listener.depth), kinds, datagrams),
            held=sum(side.accepted for side in sides),
        )

    def _side(self, client: StreamClient) -> _Side:
        """The kind of a client: what either end has of its connection, or how it left."""
        said = (bool(client.sent), bool(client.received), client.end)
        end = self.server.connection(client.address) if client.open else None
        if end is None or end.closed:
            return _Side(False, False, "gone", False, said)
        return _Side(True, end.accepted, end.state, bool(end.consumed), (*said, bool(end.unsent), bool(end.unread)))

    def take(self, client: StreamClient, at_most: int | None = None) -> bool:
        """Take what is here for `client` now; True when there was something."""
        if client.end is not None or not client.open or client.flooded or self._overflows(client):
            return False
        data = client.take() if at_most is None else client.take(at_most)
        if data:
            self._kept += len(data)
            self.record(Got(self.index, client.name, data))
            return True
        if data is None and client.end is not None:
            self.record(Ended(self.index, client.name, client.end))
            return True
        return False

    def waits_for_somebody(self, task: Task) -> bool:
        """Whether a task of the server's waits on the connection of a client who is there."""
        there = [c.address for c in self.streams.values() if c.open and c.connected and c.end is None]
        return bool(there) and self.server.waits_for(task, there)

    def waited_for(self, task: Task) -> str:
        """The client who is there, and whose connection this task waits on; "" for none."""
        there = (client for client in self.streams.values() if client.connected and client.open and client.end is None)
        return next((one.name for one in there if self.server.waits_for(task, [one.address])), "")

    def take_ends(self) -> None:
        """Take what is here for clients whose connection the server has ended: nothing that they read moves it now."""
        for client in self.streams.values():
            if client.open and client.end is None and client.ended_by_peer():
                while self.take(client):
                    pass

    def _overflows(self, client: StreamClient) -> bool:
        """Whether no more of what this client is sent is kept: noted once."""
        received = len(client.received)
        too_much = received > _MOST_FOR_ONE + 2 * len(client.sent)
        if client.satisfied is not None:
            too_much = too_much or received - client.satisfied > _MOST_UNASKED
        if not too_much and self._kept > _MOST_FOR_ALL and received > _LEAST_FOR_ONE:
            too_much = self._kept > _MOST_FOR_ALL + 2 * sum(len(one.sent) for one in self.streams.values())
        if too_much:
            client.flooded = True
            self.record(Flooded(self.index, client.name, received))
        return too_much

    def thaw(self) -> None:
        """Let what was stopped go on."""
        self.server.signal_pids(self.frozen, signal.SIGCONT)
        self.frozen = ()

    def let_go(self) -> None:
        """Undo what was done to the server, and close every connection."""
        self.thaw()
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


def _joins(last: Got, event: Got) -> bool:
    return (last.step, last.client, last.source_port) == (event.step, event.client, event.source_port)


@singledispatch
def act(step: Step, stage: Stage) -> None:
    """Play one step; what is played is registered in client_acts and server_acts."""
    raise EngineFault(f"the player does not know the step {type(step).__name__}")


def _traced(traced: Traced) -> TracedCall:
    first = traced.call.args[0] & 0xFFFFFFFF
    return TracedCall(
        traced.call.tid,
        traced.call.family,
        traced.call.name,
        first - (1 << 32) if first >= 1 << 31 else first,
        traced.outcome,
    )
