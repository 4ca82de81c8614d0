"""What has been learned of a server's timed waits: the states in which one came, ended, and nothing was done.

A server that polls with a time limit is only known to rest once the limit was waited out, and that takes the limit
each time. When a wait was waited out and left everything as it was (the same calls, queues, processes and
descriptors), its state is remembered, and a look that finds the server in such a state again may take it for rest
at once: an *early* look. A wait after which only zombies are gone is remembered as well: that tick does nothing but
reap.

What this rests on is weaker than the proof: that a tick which did nothing does nothing again where all looks the
same from outside. So
- an early look only stands where it leads to nothing being blamed. Who blames plays again and waits
  (engine/judge.py), and on a fresh server no look is early;
- a state whose tick once did anything else (harm, a late word, a close) is waited out every time. States are told
  apart by the calls the tasks sleep in with their limits and small arguments, by how many descriptors each process
  has open besides the clients' connections, by the accept queue, by what the kernel holds and the client got of each
  connection, by how clients of this scenario have gone (a tick may do what they have left to be done), and by what
  was done to the server (signals, errors, limits, resets). Of what comes in numbers only the magnitude counts.

A server that was seen to spin in some situation is watched for less long when it runs in that situation again: that
look is early, too.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace

from gatecrash.instruments.syscalls import ARGUMENTS, TIME_LIMITS
from gatecrash.model.processes import Task

_SMALL = 4096  # below: descriptors, counts and flags; above: addresses, other ones in each process


@dataclass(frozen=True)
class Situation:
    """What is known of the server beside its tasks; `held`: connections of this scenario that it has open."""

    facts: Hashable = None
    held: int = 0


@dataclass(frozen=True)
class State:
    """All that tells one state of the server from another; equal states are taken to have equal ticks."""

    tasks: frozenset[tuple[str, float | None, tuple[int, ...], int]]
    descriptors: frozenset[int]
    zombies: bool
    facts: Hashable


@dataclass
class TickMemory:
    """What was learned of one program: the states whose timed waits end for nothing, and those where something is done.

    A state where something was done once is never taken for idle, however many descriptors it has by then.
    """

    idle: set[State] = field(default_factory=set)
    busy: set[State] = field(default_factory=set)
    #: Situations in which some task was seen to spin for as long as it takes to say so.
    spun: set[Hashable] = field(default_factory=set)
    #: The same for longer than that, each with how many seconds were asked for.
    spun_on: set[tuple[Hashable, float]] = field(default_factory=set)

    def learn(self, state: State, *, idle: bool) -> None:
        """A timed wait that began in `state` has ended."""
        if idle:
            self.idle.add(state)
        else:
            self.busy.add(_without_descriptors(state))

    def idles(self, state: State) -> bool:
        """Whether nothing was ever done when a timed wait ended in this state."""
        return state in self.idle and _without_descriptors(state) not in self.busy


@dataclass
class Ticks:
    """How the timed waits of one play are dealt with: what is known of them, and whether we are in a hurry.

    `hasty`: no limit is waited out where this state's tick did nothing, or reaped. `sure`: somebody may be blamed for
    what is seen, so a server that wakes by itself is watched for longer.
    """

    memory: TickMemory = field(default_factory=TickMemory)
    hasty: bool = False
    sure: bool = False
    situation: Callable[[], Situation] = Situation
    early: bool = False  # a look was early since this was last unset

    def unhurried(self) -> Ticks:
        """With the same memory, for a wait that is to be waited out."""
        return replace(self, hasty=False) if self.hasty else self

    def state(self, tasks: Iterable[Task], zombies: int) -> State:
        """The state that a rest of these tasks is."""
        tasks, now = tuple(tasks), self.situation()
        sleeps = Counter((task.call, _limit(task), _small_arguments(task)) for task in tasks)
        told = frozenset((call, limit, args, about(count)) for (call, limit, args), count in sleeps.items())
        counts = frozenset(len(listed) for listed in descriptors(tasks).values())
        if len({task.pid for task in tasks}) == 1:  # one process has them all
            counts = frozenset(count - now.held for count in counts)
        return State(told, counts, zombies > 0, now.facts)

    def take_for_idle(self, tasks: Iterable[Task], zombies: int) -> bool:
        """Whether this rest may count before its timed waits have ended; an early look is noted."""
        if not self.hasty or not self.memory.idle or not self.memory.idles(self.state(tasks, zombies)):
            return False
        self.early = True
        return True

    def spun_here(self) -> bool:
        """Whether a task that runs now may count as spinning sooner: one did in this situation before."""
        return self.hasty and bool(self.memory.spun) and self.situation().facts in self.memory.spun

    def spun_for(self, seconds: float) -> bool:
        """Whether one was seen to spin for so long in this situation: the next one is seen to begin to."""
        return bool(self.memory.spun_on) and (self.situation().facts, seconds) in self.memory.spun_on

    def note_spinning(self, seconds: float, *, sooner: bool) -> None:
        """A task spins, as was asked, for so many; when that was said sooner than proven, the look was early."""
        if sooner:
            self.early = True
        else:
            self.memory.spun.add(self.situation().facts)
            self.memory.spun_on.add((self.situation().facts, seconds))


def _without_descriptors(state: State) -> State:
    return replace(state, descriptors=frozenset())


def about(count: int) -> int:
    """1, 2 to 3, 4 to 7...: a crowd of nine is in no other state than one of ten."""
    return count.bit_length()


def descriptors(tasks: Iterable[Task]) -> dict[int, tuple[str, ...]]:
    """The numbers of the descriptors each process of these tasks has open."""
    return {pid: _open(pid) for pid in {task.pid for task in tasks}}


def _open(pid: int) -> tuple[str, ...]:
    try:
        return tuple(sorted(os.listdir(f"/proc/{pid}/fd")))
    except OSError:  # gone, or not ours to look into
        return ()


def _limit(task: Task) -> float | None:
    """About how long the wait is: of a timer, what is left of it is told, which is never twice the same."""
    if task.timed is None or not 0 < task.timed < math.inf:
        return task.timed
    return float(math.frexp(task.timed)[1])


def _small_arguments(task: Task) -> tuple[int, ...]:
    """Of a timed wait; those without a limit do not end by themselves."""
    if task.timed is None:
        return ()
    limit = TIME_LIMITS.get(task.call)
    taken = task.args[: ARGUMENTS.get(task.call, len(task.args))]
    own = limit.argument if limit is not None else -1
    return tuple(arg for at, arg in enumerate(taken) if at != own and arg < _SMALL)
