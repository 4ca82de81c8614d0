"""The children of a fork server: they end, they are reaped, and the death of one is its client's affair alone."""

from __future__ import annotations

import signal
from collections.abc import Callable

from gatecrash.instruments.census import ProcessEntry
from gatecrash.language import marked, stated
from gatecrash.oracles import oracle
from gatecrash.oracles.service import as_finding, unserved
from gatecrash.scenario import Signal
from gatecrash.transcript import Snapshot
from gatecrash.verdicts import Case, Finding

_STILL = frozenset({"quiet", "spinning"})
#: alarm(2) and setitimer(2) cannot be seen from outside: a parent that handles their signals may yet reap.
_CLOCKS = (signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF)


@oracle("FORK-02")
def finished_children_are_reaped(case: Case) -> Finding | None:
    """The second half of the clients does not leave a zombie each.

    Fewer may be left: who reaps with the next client, one child or all there are, reaps when the second half begins.
    """
    once, twice = case.transcript.look("once"), case.transcript.look("twice")
    if once is None or twice is None:
        return None
    before, after = unreaped(once), unreaped(twice)
    if len(after) - len(before) < len(case.transcript.scenario.clients) // 2:
        return None
    got = stated(
        "{half} after half of the clients, {all} after all of them",
        half=_many(len(before), marked("zombie"), marked("zombies")),
        all=len(after),
    )
    expected = stated("no zombie for each client that was served")
    return Finding("FORK-02", expected, got, _who_reaps(twice, after), conclusive=_certain(once, twice))


@oracle("FORK-03")
def children_that_end_together_are_reaped(case: Case) -> Finding | None:
    """Of children that ended while the parent was stopped none is left: no more zombies than before they came."""
    start, gone, after = (case.transcript.look(label) for label in ("start", "gone", "after"))
    if start is None or gone is None or after is None:
        return None
    ended, left = len(unreaped(gone)) - len(unreaped(start)), unreaped(after)
    if ended < 2 or len(left) <= len(unreaped(start)):
        return None
    got = stated(
        "{ended} children ended while the parent was stopped; {zombies} stayed",
        ended=ended,
        zombies=_many(len(left), marked("zombie"), marked("zombies")),
    )
    expected = stated("all of them are reaped once the parent goes on")
    return Finding("FORK-03", expected, got, _who_reaps(after, left), conclusive=_certain(start, after))


@oracle("FORK-07")
def children_leave_when_their_connection_is_over(case: Case) -> Finding | None:
    """Twice as many clients leave no more processes than half of them did. One that spins is LIFE-08's."""
    return _growth("FORK-07", stated("a child ends when its connection is over"), case)


@oracle("FORK-12")
def children_of_rude_clients_leave(case: Case) -> Finding | None:
    """Twice as many rude clients leave no more processes than half of them did."""
    return _growth("FORK-12", stated("a child whose client was rude ends like any other"), case)


def _growth(rule: str, expected: str, case: Case) -> Finding | None:
    once, twice = case.transcript.look("once"), case.transcript.look("twice")
    if once is None or twice is None or len(twice.live) <= len(once.live) or "spinning" in (once.still, twice.still):
        return None
    more = set(twice.live) - set(once.live)
    got = stated(
        "{half} after half of the clients, {all} after all have left",
        half=_many(len(once.live), marked("process"), marked("processes")),
        all=len(twice.live),
    )
    return Finding(rule, expected, got, _lines_of(twice, more), conclusive=once.still == twice.still == "quiet")


@oracle("FORK-10")
def killed_child_harms_nobody_else(case: Case) -> Finding | None:
    """A client that comes after children were killed at their work is served."""
    serving = case.transcript.look("serving")
    if serving is None or not at_work(serving):
        return None
    last = case.transcript.scenario.clients[-1]
    return as_finding(
        "FORK-10", stated("a client is served after another one's child was killed"), unserved(case, last)
    )


@oracle("FORK-11")
def signal_does_not_drop_the_connection(case: Case) -> Finding | None:
    """A client whose child was signalled between two parts of its request is answered, as the one without a signal."""
    control, client = case.transcript.scenario.clients
    reading, sent = case.transcript.look("reading"), _signal_sent(case)
    if reading is None or sent is None or unserved(case, control) is not None:
        return None
    if not any(entry.caught & _bit(sent) for entry in _entries(reading, at_work(reading))):
        return None
    expected = stated(
        "{client} is answered although the handler of {name} ran while its request was read",
        client=client,
        name=sent.name,
    )
    return as_finding("FORK-11", expected, unserved(case, client))


@oracle("FORK-13")
def dead_workers_are_replaced(case: Case) -> Finding | None:
    """After every worker was killed, somebody accepts the next client."""
    killed = case.transcript.look("killed")
    start = case.transcript.look("start")
    if start is None or killed is None or len(start.live) < 2:
        return None
    last = case.transcript.scenario.clients[-1]
    missing = unserved(case, last)
    if missing is None or (case.transcript.server_ended is None and case.transcript.end(last) is not None):
        return None
    return as_finding("FORK-13", stated("a client is accepted after the workers were killed, one time each"), missing)


def unreaped(look: Snapshot) -> tuple[int, ...]:
    """The zombies whose parent is a process of the server, and not the arena, which buries orphans."""
    ours = {entry.pid for entry in look.processes}
    return tuple(entry.pid for entry in look.processes if entry.state == "Z" and entry.parent in ours)


def at_work(look: Snapshot) -> frozenset[int]:
    """The processes that hold a client's connection, the parent not counted."""
    return frozenset(pid for side in look.connections for pid, _ in side.holders if pid != look.main)


def _entries(look: Snapshot, pids: frozenset[int]) -> tuple[ProcessEntry, ...]:
    return tuple(entry for entry in look.processes if entry.pid in pids)


def _signal_sent(case: Case) -> signal.Signals | None:
    names = (step.name for step in case.transcript.scenario.steps if isinstance(step, Signal))
    return next((signal.Signals[name] for name in names), None)


def _bit(number: int) -> int:
    return 1 << (number - 1)


def _certain(*looks: Snapshot) -> bool:
    clocks = sum(_bit(number) for number in _CLOCKS)
    return all(
        look.still in _STILL and not any(e.pid == look.main and e.caught & clocks for e in look.processes)
        for look in looks
    )


def _who_reaps(look: Snapshot, zombies: tuple[int, ...]) -> tuple[str, ...]:
    """The zombies, and what their parents have arranged for SIGCHLD."""
    parents = {entry.parent for entry in look.processes if entry.pid in zombies}
    lines = [stated("zombies: {names}", names=", ".join(map(str, zombies)))]
    arranged: tuple[tuple[Callable[[ProcessEntry], int], str], ...] = (
        (lambda e: e.blocked, stated("blocks SIGCHLD")),
        (lambda e: e.caught, stated("has a handler for SIGCHLD")),
        (lambda e: ~0, stated("has no handler for SIGCHLD")),
    )
    for entry in look.processes:
        if entry.pid in parents:
            words = next(text for mask, text in arranged if mask(entry) & _bit(signal.SIGCHLD))
            lines.append(
                stated("their parent, process {pid} ({name}), {words}", pid=entry.pid, name=entry.name, words=words)
            )
    return (*lines, *_lines_of(look, parents))


def _lines_of(look: Snapshot, pids: set[int]) -> tuple[str, ...]:
    """Where these processes are blocked."""
    return tuple(line for line in look.where if any(f"process {pid} " in line for pid in pids))


def _many(count: int, noun: str, plural: str) -> str:
    return stated("{count} {noun}", count=count, noun=stated(noun) if count == 1 else stated(plural))
