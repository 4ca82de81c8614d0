"""Waiting that ends with a fact: what was waited for came, or it provably never will, or nothing is proven."""

from __future__ import annotations

import errno
import math
import os
import select
import socket
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from gatecrash.errors import UsageError
from gatecrash.instruments import quiescence
from gatecrash.instruments.patience import OwnTime, Patience
from gatecrash.instruments.quiescence import Quiet, Resting, Spinning, Stillness
from gatecrash.instruments.spinning import SPIN_WINDOW
from gatecrash.instruments.ticks import Ticks
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.transcript import Still
from gatecrash.target.interface import Server

#: Looks that cost only a system call or two, before anything is slept or proven.
_EAGER_LOOKS = 12
_FIRST_NAP_MS = 1
_FIRST_PROOF = 0.01
_LONGEST_PROOF = 0.7
#: Seconds: a thread that sleeps for an hour in a loop is there to keep the program alive, not for its clients.
_A_LONG_SLEEP = 600.0


@dataclass(frozen=True)
class Waited:
    """How a wait ended. Not `reached` and `proven`: it can never be reached without a new stimulus."""

    reached: bool
    proven: bool = True
    still: Still = "quiet"
    where: tuple[BlockedTask, ...] = ()


_REACHED = Waited(True)


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
    ) -> None:
        """`own`: what the server takes of its own accord is added to it."""
        self.server = server
        self.connections = connections
        self.patience = patience
        self.ticks = ticks or Ticks()
        self.own = own or OwnTime()

    def settle(
        self,
        patience: float | None = None,
        *,
        wait_out: bool = True,
        early: bool = False,
        spin: float | None = None,
        overlook: float = math.inf,
    ) -> Stillness:
        """Wait until the server is still, or `patience` (seconds) runs out; `early`: `ticks` may say that it is.

        `spin`: seconds of processor time after which it counts as spinning; `overlook`: seconds of mere sleep that
        count as rest.
        """
        allowed = Patience(self.patience if patience is None else patience)
        still = self._settle(allowed, wait_out=wait_out, early=early, spin=spin, overlook=overlook)
        self._note_own(still, allowed.seconds)
        return still

    def _note_own(self, still: Stillness, waited: float) -> None:
        """What was no sleep: `waited` seconds without being still, or the moment in which it was seen to spin."""
        if not isinstance(still, Quiet | Resting):
            self.own.add(min(waited, SPIN_WINDOW) if isinstance(still, Spinning) else waited)

    def _settle(
        self, allowed: Patience, *, wait_out: bool, early: bool, spin: float | None = None, overlook: float = math.inf
    ) -> Stillness:
        return self.server.settle(
            self.connections,
            patience=allowed,
            wait_out=wait_out,
            ticks=self.ticks if early else replace(self.ticks, wait_policy="patient"),
            spin=spin,
            overlook=overlook,
            own=self.own,
        )

    def until_readable(self, sock: socket.socket, *, at_once: bool = False, early: bool = False) -> Waited:
        """Wait until `sock` has bytes or an end; with `at_once` silence is what is expected, so prove it first.

        `early`: that the server is still may be taken from what is known of its timed waits.
        """
        eager = 0 if at_once else 1
        return self._wait(lambda: _ready(sock, select.POLLIN, 0), sock, select.POLLIN, eager=eager, early=early)

    def until(
        self,
        ready: Callable[[], bool],
        sock: socket.socket | None = None,
        *,
        writable: bool = False,
        early: bool = False,
    ) -> Waited:
        """Wait until `ready()`; `sock` becoming readable (or writable) is a reason to look again."""
        events = select.POLLIN | (select.POLLOUT if writable else 0)
        return self._wait(ready, sock, events, eager=_EAGER_LOOKS, early=early)

    def _wait(
        self, ready: Callable[[], bool], sock: socket.socket | None, events: int, *, eager: int, early: bool = False
    ) -> Waited:
        for _ in range(eager):
            self.server.pump()
            if ready():
                return _REACHED
            os.sched_yield()
        patience = Patience(self.patience)
        nap, proof = (_FIRST_NAP_MS if eager else 0), _FIRST_PROOF
        while True:
            self._nap(sock, events, nap)
            if ready():
                return _REACHED
            part = Patience(max(min(proof, patience.left()), _FIRST_PROOF), patience)
            still = self._settle(part, wait_out=False, early=early, overlook=_A_LONG_SLEEP)
            if isinstance(still, Resting) and not ready() and still.wakes_in < patience.left():
                still = self._settle(patience, wait_out=True, early=early, overlook=_A_LONG_SLEEP)
            # The look comes after the proof: what came before its first snapshot is seen, and after it nothing comes.
            if ready():
                return _REACHED
            if not isinstance(still, quiescence.Restless) or patience.over:
                self._note_own(still, patience.seconds)
                return Waited(False, isinstance(still, Quiet), name_of(still), self._where(still))
            nap, proof = min(max(nap * 2, 1), 50), min(proof * 2, _LONGEST_PROOF)

    def _nap(self, sock: socket.socket | None, events: int, milliseconds: int) -> None:
        """Sleep until the socket or a gate has something, at most `milliseconds`."""
        self.server.pump()
        poller = select.poll()
        if sock is not None:
            poller.register(sock, events)
        if self.server.gates is not None:
            poller.register(self.server.gates.fileno(), select.POLLIN)
        poller.poll(milliseconds)
        self.server.pump()

    def _where(self, still: Stillness) -> tuple[BlockedTask, ...]:
        tasks = (still.task,) if isinstance(still, Spinning) else still.tasks
        return tuple(self.server.where(task) for task in tasks[:8])


def _ready(sock: socket.socket, events: int, timeout_ms: int) -> bool:
    poller = select.poll()
    poller.register(sock, events)
    return bool(poller.poll(timeout_ms))
