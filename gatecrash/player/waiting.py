"""Waiting that ends with a fact: what was waited for came, or it provably never will, or nothing is proven."""

from __future__ import annotations

import errno
import math
import os
import select
import socket
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

from gatecrash.errors import UsageError
from gatecrash.instruments import quiescence
from gatecrash.instruments.patience import OwnTime, Patience
from gatecrash.instruments.quiescence import Quiet, Resting, Span, Spinning, Stillness
from gatecrash.instruments.real_time.ticks import Ticks
from gatecrash.instruments.real_time.waiting_out import LINGER
from gatecrash.instruments.rest import Wait, wait_of
from gatecrash.instruments.spinning import SPIN_WINDOW
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.processes import Task
from gatecrash.model.transcript import Still
from gatecrash.target.interface import Server

#: Looks that cost only a system call or two, before anything is slept or proven.
_EAGER_LOOKS = 12
_FIRST_NAP_MS = 1
_FIRST_PROOF = 0.01
_LONGEST_PROOF = 0.7
#: Seconds of the target's own time for which one that wakes by itself is watched, where more is owed to a client.
_WATCHED = 10.0
#: Time limits that are let expire one by one before a tick may come late.
ONE_BY_ONE = 64
#: Seconds of the target's own time in which what ends is a loop's tick, and no client's limit.
_A_TICK = 1.5
#: Seconds by which a tick may be late while a server is only looked at.
_LATE = 2.0


@dataclass(frozen=True)
class Waited:
    """How a wait ended. Not `reached` and `proven`: it can never be reached without a new stimulus."""

    reached: bool
    proven: bool = True
    still: Still = "quiet"
    where: tuple[BlockedTask, ...] = ()


_REACHED = Waited(True)


@dataclass(frozen=True)
class Place:
    """Where a task waited; `on_client`: for this client, and for nothing else; "" for anything else.

    `beside`: the clients whom others waited for in this way, with limits of their own.
    """

    where: BlockedTask
    on_client: str
    beside: frozenset[str] = frozenset()


def errno_number(name: str) -> int:
    """The number of an errno by its name. Raises UsageError for a name the system does not have."""
    number = getattr(errno, name, None)
    if not isinstance(number, int):
        raise UsageError(f"the scenario names the error {name!r}, which errno(3) does not have.")
    return number


def name_of(still: Stillness) -> Still:
    """The word for a kind of stillness."""
    match still:
        case Quiet():
            return "quiet"
        case Resting():
            return "resting"
        case Spinning():
            return "spinning"
        case _:
            return "restless"


class Waiter:
    """Waits on one server, with the gates handled and the proof tried whenever nothing comes."""

    def __init__(
        self,
        server: Server,
        connections: Callable[[], Hashable],
        *,
        patience: float,
        ticks: Ticks | None = None,
        own: OwnTime | None = None,
        horizon: float = 0.0,
        let_go: float | None = None,
        after: Callable[[], object] = lambda: None,
        spare: Callable[[Task], bool] = lambda task: False,
        waited_for: Callable[[Task], str] = lambda task: "",
    ) -> None:
        """`own`: what the server takes of its own accord is added to it.

        `horizon`: for how many seconds of the target's own time one wait goes on, where these can be skipped;
        `let_go`: after how many it is known to let somebody go. `after` is called whenever some were skipped.
        `spare`: whether a task's time limit is that of a client who is there; `waited_for`: of which one.
        """
        self.server = server
        self.connections = connections
        self.patience = patience
        self.horizon = horizon
        self.no_tick = math.inf if let_go is None else let_go / 2  # as long as this it waits for a client
        self.after = after
        self.spare = spare
        self.waited_for = waited_for
        self.ticks = ticks or Ticks()
        self.own = own or OwnTime()
        #: Where the task was whose limit was let expire last, while something was owed to a client.
        self.ended_wait: Place | None = None
        self._places: dict[Wait, Place] = {}
        #: Limits of the server's own that have come one by one while time was let pass.
        self.ticked = 0

    def settle(
        self,
        patience: float | None = None,
        *,
        wait_out: bool = True,
        spin: float | None = None,
    ) -> Stillness:
        """Wait until the server is still, or `patience` (seconds) runs out.

        No client who is there is let go by a time limit that is skipped for this.
        `spin`: seconds of processor time after which it counts as spinning. Where no patience is given, it is expected
        to end then.
        """
        allowed = Patience(self.patience if patience is None else patience)
        within = self.horizon if patience is None else min(patience, self.horizon)
        ends = spin is not None and patience is None
        span = replace(self._ending_span() if ends else self._short_span(), horizon=within)
        span = replace(span, after=self.after, guess=wait_out)
        before = self.own.seconds
        still = self.look(allowed, span, wait_out=wait_out, spin=spin)
        self._note_own(still, allowed.seconds, self.own.seconds - before)
        return still

    def _note_own(self, still: Stillness, waited: float, slept: float) -> None:
        """What was no sleep: `waited` seconds without being still, or the moment in which it was seen to spin.

        `slept`: seconds of them that it slept with a time limit, and that are noted already.
        """
        if not isinstance(still, Quiet | Resting):
            awake = max(0.0, waited - slept)
            self.own.add(min(awake, SPIN_WINDOW) if isinstance(still, Spinning) else awake)

    def look(
        self,
        allowed: Patience,
        span: Span,
        *,
        wait_out: bool,
        spin: float | None = None,
    ) -> Stillness:
        """Wait until the server is still, within what is allowed; see instruments/quiescence.py."""
        return self.server.settle(
            self.connections,
            patience=allowed,
            wait_out=wait_out,
            ticks=self.ticks,
            spin=spin,
            own=self.own,
            span=span,
        )

    def until_readable(self, sock: socket.socket, *, at_once: bool = False, owed: bool = True) -> Waited:
        """Wait until `sock` has bytes or an end; with `at_once` silence is what is expected, so prove it first.

        `owed`: whether the server owes it something; else it is only looked whether it says anything.
        """
        eager = 0 if at_once else 1
        owed = owed and not at_once
        return self._wait(lambda: _ready(sock, select.POLLIN, 0), sock, select.POLLIN, eager, owed=owed)

    def until(
        self,
        ready: Callable[[], bool],
        sock: socket.socket | None = None,
        *,
        writable: bool = False,
        owed: bool = True,
    ) -> Waited:
        """Wait until `ready()`; `sock` becoming readable (or writable) is a reason to look again."""
        events = select.POLLIN | (select.POLLOUT if writable else 0)
        return self._wait(ready, sock, events, _EAGER_LOOKS, owed=owed)

    def _wait(
        self,
        ready: Callable[[], bool],
        sock: socket.socket | None,
        events: int,
        eager: int,
        *,
        owed: bool,
    ) -> Waited:
        span = replace(self._long_span() if owed else self._short_span(), enough=ready, after=self.after)
        if owed:
            self._places.clear()
            span = replace(span, expiring=self._note_place)
        for _ in range(eager):
            self.server.pump()
            if ready():
                return _REACHED
            os.sched_yield()
        patience, before = Patience(self.patience), self.own.seconds
        nap, proof = (_FIRST_NAP_MS if eager else 0), _FIRST_PROOF
        while True:
            self.nap(sock, events, nap)
            if ready():
                return _REACHED
            part, skips = Patience(max(min(proof, patience.left()), _FIRST_PROOF), patience), self._skips()
            still = self.look(part, span, wait_out=skips)
            if isinstance(still, Resting) and owed and not skips:
                self._note_soonest(still.tasks)
            if isinstance(still, Resting) and not skips and not ready() and still.wakes_in < patience.left():
                still = self.look(patience, span, wait_out=True)
            # The look comes after the proof: what came before its first snapshot is seen, and after it nothing comes.
            if ready():
                return _REACHED
            if not isinstance(still, quiescence.Restless) or patience.over:
                self._note_own(still, patience.seconds, self.own.seconds - before)
                return Waited(False, isinstance(still, Quiet), name_of(still), self._where(still))
            nap, proof = min(max(nap * 2, 1), 50), min(proof * 2, _LONGEST_PROOF)

    def _skips(self) -> bool:
        """Whether the server's time limits are let expire; else they are waited out, if patience reaches so far."""
        return self.server.clock is not None and self.server.clock.real_because is None

    def _long_span(self) -> Span:
        """For what is owed: who may be blamed for its silence is watched to the horizon."""
        return Span(self.horizon, least=self.horizon if self.ticks.sure else min(_WATCHED, self.horizon))

    def _short_span(self) -> Span:
        """For what is only looked at: whoever is there stays there.

        Who may be blamed for what is seen is watched to the horizon: it may reap its children at each tenth tick.
        """
        sure = self.ticks.sure
        return Span(
            self.horizon,
            guess=True,
            least=self.horizon if sure else 0.0,
            spared=min(LINGER if sure else _A_TICK, self.no_tick),
            late=lambda unchanged: max(_LATE, unchanged),
            exact=ONE_BY_ONE if sure else 0,
            spare=self.spare,
        )

    def _ending_span(self) -> Span:
        """For one that is to end: on its way out it may look round some dozen times whether others have left."""
        span = self._short_span()
        return replace(span, least=max(span.least, min(_WATCHED, self.horizon)), exact=ONE_BY_ONE)

    def nap(self, sock: socket.socket | None, events: int, milliseconds: int) -> None:
        """Sleep until the socket or a gate has something, at most `milliseconds`."""
        self.server.pump()
        poller = select.poll()
        if sock is not None:
            poller.register(sock, events)
        if self.server.gates is not None:
            poller.register(self.server.gates.fileno(), select.POLLIN)
        poller.poll(milliseconds)
        self.server.pump()

    def _note_place(self, task: Task, timed: Sequence[Task]) -> None:
        places = [self._place(one) for one in timed if one.tid != task.tid]
        beside = frozenset(place.on_client for place in places if place.on_client)
        self.ended_wait = replace(self._place(task), beside=beside)

    def _note_soonest(self, tasks: Sequence[Task]) -> None:
        """Where time is real nobody lets a limit expire: whose is the soonest may be what ends the wait."""
        timed = sorted((task for task in tasks if task.timed is not None), key=lambda task: task.timed or 0.0)
        if timed:
            self._note_place(timed[0], timed)

    def _place(self, task: Task) -> Place:
        """Looked up once for each wait: a loop that ticks comes back to the same one."""
        wait = wait_of(task)
        if wait not in self._places:
            where = self.server.where(task)
            alone = where.watched is None or len(where.watched) + where.more == 1
            self._places[wait] = Place(where, self.waited_for(task) if alone else "")
        return self._places[wait]

    def _where(self, still: Stillness) -> tuple[BlockedTask, ...]:
        tasks = (still.task,) if isinstance(still, Spinning) else still.tasks
        return tuple(self.server.where(task) for task in tasks[:8])


def _ready(sock: socket.socket, events: int, timeout_ms: int) -> bool:
    poller = select.poll()
    poller.register(sock, events)
    return bool(poller.poll(timeout_ms))
