"""Who takes part in a transcript: the clients, the server's first process, its children, and who serves whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gatecrash.diagrams.places import in_words
from gatecrash.language import say
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.scenario import (
    Fail,
    Freeze,
    Hold,
    LimitDescriptors,
    ReceiveDatagrams,
    SendDatagram,
    Shorten,
    Signal,
)
from gatecrash.model.transcript import CallTrace, CrashedProcess, Looked, Sent, Silent, Snapshot, Transcript
from gatecrash.text import safe_text

KERNEL = "kernel"
SERVER = "server"


@dataclass(frozen=True)
class Cast:
    """The parts that are played. `serves`: which process has a client's connection, where a look shows it."""

    clients: tuple[str, ...]
    datagram: bool
    observed: bool
    mains: tuple[int, ...]
    children: tuple[int, ...]
    names: Mapping[int, str]
    processes: Mapping[int, int]
    serves: Mapping[str, int]
    descriptors: Mapping[tuple[int, int], str]
    #: The children accept themselves.
    prefork: bool
    #: Of several that waited for a client one got a signal: who was gone when all were looked at next.
    fallen: tuple[int, ...] = ()

    @property
    def wire(self) -> str:
        """Where what a client sends arrives: the kernel's queues, or the server where there are none to see."""
        return KERNEL if self.observed and not self.datagram else SERVER

    def lane_of(self, task: int) -> str:
        """The lane of a process or thread; an unknown one is shown with the first process."""
        pid = self.processes.get(task, task)
        return child(pid) if pid in self.children else SERVER

    def server_of(self, client: str) -> str:
        """The lane that talks to this client: its holder, or the kernel when it may be any of the children."""
        if client in self.serves:
            return self.lane_of(self.serves[client])
        return self.wire if self.children else SERVER

    def in_words(self, task: BlockedTask) -> str:
        """What a task does, short: "blocked in accept(3): the listening socket"."""
        return in_words(task, self.descriptors)


def client(name: str) -> str:
    """The key of a client's lane."""
    return f"client:{safe_text(name)}"


def child(pid: int) -> str:
    """The key of a child's lane."""
    return f"child:{pid}"


def cast_of(transcript: Transcript) -> Cast:
    """Who takes part, from all that was seen."""
    looks = [look.snapshot for look in transcript.looks()]
    tasks = list(_tasks(transcript))
    mains = tuple(dict.fromkeys(look.main for look in looks if look.main is not None))
    processes = {task.tid: task.pid for task in tasks}
    for look in looks:
        processes.update({task.tid: task.pid for task in look.tasks})
        processes.update({entry.pid: entry.pid for entry in look.processes})
    seen = tuple(dict.fromkeys(_pids(transcript)))
    if not mains and seen:
        mains = (min(seen),)  # the first process is older than its children
    names = {task.pid: task.name for task in tasks}
    names.update({entry.pid: entry.name for look in looks for entry in look.processes})
    return Cast(
        clients=tuple(dict.fromkeys((*transcript.scenario.clients, *_heard(transcript)))),
        datagram=any(isinstance(step, SendDatagram | ReceiveDatagrams) for step in transcript.scenario.steps),
        observed=_observed(transcript),
        mains=mains,
        children=tuple(pid for pid in seen if pid not in mains),
        names=names,
        processes=processes,
        serves=_serves(looks),
        descriptors=_descriptors(looks),
        prefork=any(task.accepts and task.pid not in mains for task in tasks),
        fallen=_fallen(transcript),
    )


def _heard(transcript: Transcript) -> Iterator[str]:
    """Clients of events: the steps name them all, unless a saved transcript was tampered with."""
    yield from (str(name) for event in transcript.events if (name := getattr(event, "client", None)) is not None)


def _tasks(transcript: Transcript) -> Iterator[BlockedTask]:
    for event in transcript.events:
        if isinstance(event, Silent | Sent):
            yield from event.where
        elif isinstance(event, Looked):
            yield from event.snapshot.where


def _pids(transcript: Transcript) -> Iterator[int]:
    """Every process in the order in which it is first seen. A gated task counts where a look names its process."""
    named = {task.tid: task.pid for task in _tasks(transcript)}
    for event in transcript.events:
        if isinstance(event, Silent | Sent):
            yield from (task.pid for task in event.where)
        elif isinstance(event, Looked):
            yield from (entry.pid for entry in event.snapshot.processes)
        elif isinstance(event, CrashedProcess):
            yield event.pid
        elif isinstance(event, CallTrace):
            yield from (named[call.tid] for call in event.calls if call.tid in named)


def _observed(transcript: Transcript) -> bool:
    """Whether the kernel's side was looked at: of a server on another machine nothing but its bytes is seen."""
    acts = transcript.scenario.steps
    return any(
        (isinstance(event, Sent) and event.read is not None)
        or (isinstance(event, Silent) and bool(event.where))
        or (isinstance(event, Looked) and bool(event.snapshot.processes or event.snapshot.listener))
        or (isinstance(event, CallTrace) and bool(event.calls))
        for event in transcript.events
    ) or any(isinstance(step, Freeze | Fail | Hold | Shorten | Signal | LimitDescriptors) for step in acts)


def _serves(looks: list[Snapshot]) -> dict[str, int]:
    found: dict[str, int] = {}
    for look in looks:
        for side in look.connections:
            pids = [pid for pid, _ in side.holders]
            chosen = next((pid for pid in pids if pid != look.main), pids[0] if pids else None)
            if chosen is not None and (side.client not in found or found[side.client] == look.main):
                found[side.client] = chosen
    return found


def _fallen(transcript: Transcript) -> tuple[int, ...]:
    steps = transcript.scenario.steps
    at = next((n for n, step in enumerate(steps) if isinstance(step, Signal) and step.who == "accepting"), None)
    if at is None:
        return ()
    before = [set(look.snapshot.live) for look in transcript.looks() if look.step < at]
    after = [set(look.snapshot.live) for look in transcript.looks() if look.step > at]
    return tuple(sorted(before[-1] - after[0])) if before and after else ()


def _descriptors(looks: list[Snapshot]) -> dict[tuple[int, int], str]:
    """What each process's descriptors are, in the reader's language."""
    found: dict[tuple[int, int], str] = {}
    for look in looks:
        listening = f"socket:[{look.listener.inode}]" if look.listener is not None else None
        for pid, table in look.opened:
            found.update({(pid, number): say("the listening socket") for number, what in table if what == listening})
        for side in look.connections:
            found.update(dict.fromkeys(side.holders, say("{client}'s connection", client=side.client)))
    return found
