"""The children of a fork server: they end, they are reaped, and the death of one is its client's affair alone."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection, Sequence

from gatecrash.language import marked, stated
from gatecrash.model import labels
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.facts import Facts
from gatecrash.model.processes import ProcessEntry
from gatecrash.model.scenario import Signal
from gatecrash.model.transcript import HeldAt, Sent, Snapshot, Transcript
from gatecrash.model.verdicts import Case, Evidence, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.service import as_finding, as_ruling, unserved
from gatecrash.oracles.unseen import (
    all_accepted,
    never_looked,
    never_still,
    nobody_came,
    not_served_first,
    server_gone,
    still,
    unserved_elsewhere,
)
from gatecrash.protocols import protocol_of

_STILL = frozenset({"quiet", "spinning"})
#: Without a clock in our hand alarm(2) and setitimer(2) cannot be seen: who handles their signals may yet reap.
_CLOCKS = (signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF)


@oracle("FORK-02")
def finished_children_are_reaped(case: Case) -> Ruling:
    """The second half of the clients does not leave a zombie each.

    Fewer may be left: who reaps with the next client, one child or all there are, reaps when the second half begins.
    """
    once, twice = case.transcript.look(labels.ONCE), case.transcript.look(labels.TWICE)
    if once is None or twice is None:
        return never_looked(labels.ONCE if once is None else labels.TWICE)
    before, after = unreaped(once), unreaped(twice)
    if len(after) - len(before) < max(len(case.transcript.scenario.clients) // 2, 1):
        return _no_more_than_chance(case, len(after) - len(before))
    got = stated(
        "{half} after half of the clients, {all} after all of them",
        half=_many(len(before), marked("zombie"), marked("zombies")),
        all=len(after),
    )
    expected = stated("no zombie for each client that was served")
    return Finding(
        "FORK-02",
        expected,
        got,
        _who_reaps(twice, after),
        conclusive=_certain(once, twice),
        facts=Facts(processes=after),
    )


def _no_more_than_chance(case: Case, more: int) -> Ruling:
    """Held, if all were served and every child of the second half has ended.

    One zombie more is chance: who reaps with the next client may or may not find the last child ended by then.
    """
    unseen = _at_rest_twice(case) or not_served(case, case.transcript.scenario.clients)
    if unseen is not None:
        return unseen
    if more > 1:
        return NotExercised(
            stated("{count} zombies more: too few to be one for each client, too many to be chance", count=more), True
        )
    return _more_live(case) or Held()


def _more_live(case: Case) -> NotExercised | None:
    once, twice = case.transcript.look(labels.ONCE), case.transcript.look(labels.TWICE)
    if once is None or twice is None or len(twice.live) <= len(once.live):
        return None
    return children_live()


def _at_rest_twice(case: Case) -> NotExercised | None:
    """Why the two looks say nothing: one is missing, or found the server moving or gone."""
    for label in (labels.ONCE, labels.TWICE):
        look = still(case.transcript, label)
        if isinstance(look, NotExercised):
            return look
        if not look.running:
            return server_gone(case.transcript)
    return None


@oracle("FORK-03")
def children_that_end_together_are_reaped(case: Case) -> Ruling:
    """Of children that ended while the parent was stopped none is left: no more zombies than before they came."""
    looks = {label: case.transcript.look(label) for label in (labels.START, labels.GONE, labels.AFTER)}
    start, gone, after = looks.values()
    if start is None or gone is None or after is None:
        return never_looked(next(label for label, look in looks.items() if look is None))
    ended, left = len(unreaped(gone)) - len(unreaped(start)), unreaped(after)
    if ended < 2 or len(left) <= len(unreaped(start)):
        return _none_is_left(case, ended, start, gone)
    got = stated(
        "{ended} children ended while the parent was stopped; {zombies} stayed",
        ended=ended,
        zombies=_many(len(left), marked("zombie"), marked("zombies")),
    )
    expected = stated("all of them are reaped once the parent goes on")
    return Finding(
        "FORK-03",
        expected,
        got,
        _who_reaps(after, left),
        conclusive=_certain(start, after),
        facts=Facts(processes=left),
    )


def _none_is_left(case: Case, ended: int, start: Snapshot, gone: Snapshot) -> Ruling:
    """Held, if children did end together, and the parent went on: it served one more client."""
    transcript = case.transcript
    for label in (labels.START, labels.AFTER):
        look = still(transcript, label)
        if isinstance(look, NotExercised):
            return look
        if not look.running:
            return server_gone(transcript)
    # Where the parent ignores SIGCHLD the kernel reaps (sigaction(2)): then they are there, and gone, but no zombies.
    vanished = len(_begun(transcript)) if set(gone.live) <= set(start.live) and ended <= 0 else 0
    if max(ended, vanished) < 2:
        return NotExercised(stated("fewer than two children were seen to end while the parent was stopped"))
    return not_served(case, transcript.scenario.clients[-1:]) or Held()


def _begun(transcript: Transcript) -> frozenset[str]:
    """The clients that had a child at work when the parent was stopped: it read from them, or was held as it spoke."""
    held = any(isinstance(event, HeldAt) and event.reached for event in transcript.events)
    read = {event.client for event in transcript.events if isinstance(event, Sent) and event.read}
    between = frozenset(transcript.scenario.clients[1:-1])  # one came before them, and one after
    return between if held else between & read


@oracle("FORK-07")
def children_leave_when_their_connection_is_over(case: Case) -> Ruling:
    """Twice as many clients leave no more processes than half of them did. One that spins is LIFE-08's."""
    grown = _growth("FORK-07", stated("a child ends when its connection is over"), case)
    return grown or _at_rest_twice(case) or not_served(case, case.transcript.scenario.clients) or Held()


@oracle("FORK-12")
def children_of_rude_clients_leave(case: Case) -> Ruling:
    """Twice as many rude clients leave no more processes than half of them did."""
    grown = _growth("FORK-12", stated("a child whose client was rude ends like any other"), case)
    return grown or _at_rest_twice(case) or all_accepted(case.transcript, labels.TWICE) or Held()


def _growth(rule: str, expected: str, case: Case) -> Finding | NotExercised | None:
    once, twice = case.transcript.look(labels.ONCE), case.transcript.look(labels.TWICE)
    if once is None or twice is None or len(twice.live) <= len(once.live):
        return None
    if "spinning" in (once.still, twice.still):
        return NotExercised(stated("a process uses a processor all the time, which LIFE-08 judges"))
    more = set(twice.live) - set(once.live)
    got = stated(
        "{half} after half of the clients, {all} after all have left",
        half=_many(len(once.live), marked("process"), marked("processes")),
        all=len(twice.live),
    )
    return Finding(rule, expected, got, _lines_of(twice, more), conclusive=once.still == twice.still == "quiet")


@oracle("FORK-10")
def killed_child_harms_nobody_else(case: Case) -> Ruling:
    """A client that comes after children were killed at their work is served."""
    serving, killed = case.transcript.look(labels.SERVING), case.transcript.look(labels.KILLED)
    if serving is None or killed is None:
        return never_looked(labels.SERVING if serving is None else labels.KILLED)
    if not at_work(serving):
        return nobody_at_work()
    if not at_work(serving) - set(killed.live):
        return none_killed()
    last = case.transcript.scenario.clients[-1]
    expected = stated("a client is served after another one's child was killed")
    missing = as_finding("FORK-10", expected, unserved(case, last))
    # Asleep at their work they cannot have left by themselves.
    return missing or awake(serving) or outlived(case, last)


@oracle("FORK-11")
def signal_does_not_drop_the_connection(case: Case) -> Ruling:
    """A client whose child was signalled between two parts of its request is answered, as the one without a signal."""
    reading, sent = case.transcript.look(labels.READING), _signal_sent(case)
    if reading is None or sent is None or case.transcript.look(labels.SIGNALLED) is None:
        return never_looked(labels.READING if reading is None else labels.SIGNALLED)
    control, client = case.transcript.scenario.clients
    if not served(case, control):
        return not_served_first(control)
    if not at_work(reading):
        return nobody_at_work()
    if not any(entry.caught & ~entry.blocked & _bit(sent) for entry in _entries(reading, at_work(reading))):
        return NotExercised(
            stated("no process that serves {client} takes {name} with a handler", client=client, name=sent.name),
            absent=True,
        )
    expected = stated(
        "{client} is answered although the handler of {name} ran while its request was read",
        client=client,
        name=sent.name,
    )
    missing = as_finding("FORK-11", expected, unserved(case, client))
    return missing or awake(reading) or outlived(case, client)


@oracle("FORK-15")
def a_worker_that_dies_costs_its_own_client(case: Case) -> Ruling:
    """A client that comes after one of several workers was killed is served by those that are left.

    A worker has the listening socket: a process without it helps (a resource tracker, a logger), and serves nobody.
    """
    before, killed = case.transcript.look(labels.SERVING), case.transcript.look(labels.KILLED)
    if before is None or killed is None:
        return never_looked(labels.SERVING if before is None else labels.KILLED)
    workers = set(before.live) & set(before.listener_holders) - {before.main}
    if len(workers) < 2:
        return NotExercised(stated("it had no two workers, of which one could be killed"))
    if not workers - set(killed.live):
        return none_killed()
    last = case.transcript.scenario.clients[-1]
    expected = stated("a client is served by the other workers after one has died")
    missing = as_finding("FORK-15", expected, unserved(case, last))
    # Asleep where it waited it cannot have left by itself.
    return missing or awake(before) or outlived(case, last)


@oracle("FORK-13")
def dead_workers_are_replaced(case: Case) -> Ruling:
    """After every worker was killed, somebody accepts the next client."""
    start = case.transcript.look(labels.START)
    deaths = [look.snapshot for look in case.transcript.looks() if look.label == labels.KILLED]
    if start is None or not deaths:
        return never_looked(labels.START if start is None else labels.KILLED)
    if len(start.live) < 2:
        return NotExercised(stated("it had no worker that could be killed"))
    last = case.transcript.scenario.clients[-1]
    missing = unserved(case, last)
    if missing is None:
        return _replaced(start, deaths) or outlived(case, last)
    if case.transcript.server_ended is None and case.transcript.end(last) is not None:
        return unserved_elsewhere(last)
    expected = stated("a client is accepted after the workers were killed, one time each")
    return as_ruling("FORK-13", expected, missing)


def _replaced(start: Snapshot, deaths: Sequence[Snapshot]) -> NotExercised | None:
    """Why it is not seen that each worker has a successor; None when it is."""
    workers = set(start.live) - {start.main}
    if workers & set(deaths[0].live):
        return none_killed()
    if deaths[-1].still not in _STILL:
        return never_still(deaths[-1])
    new = len(set(deaths[-1].live) - set(start.live))
    if new >= len(workers):
        return None
    return NotExercised(
        stated("when the client came, {new} of {all} killed workers had a successor", new=new, all=len(workers))
    )


def served(case: Case, client: str) -> bool:
    """Whether it was connected and got what a lone client gets; over UDP, whether it got anything."""
    if protocol_of(case.contract).connectionless:
        return bool(case.transcript.datagrams(client))
    return case.transcript.connected(client) and unserved(case, client) is None


def not_served(case: Case, clients: Collection[str]) -> NotExercised | None:
    """That one of these clients was not served, if one was not."""
    return next((unserved_elsewhere(client) for client in clients if not served(case, client)), None) or (
        None if clients else nobody_came()
    )


def outlived(case: Case, client: str) -> Held | NotExercised:
    """Held, if this client was served by a server that is still there."""
    if case.transcript.server_ended is not None:
        return server_gone(case.transcript)
    return not_served(case, (client,)) or Held()


def nobody_at_work() -> NotExercised:
    """No child was seen that has a client."""
    return NotExercised(stated("no child held a client's connection when the server was looked at"))


def children_live() -> NotExercised:
    """Those that were to have ended have not."""
    return NotExercised(stated("children of clients that have left have not ended, which FORK-07 judges"))


def none_killed() -> NotExercised:
    """The signal that kills found nobody."""
    return NotExercised(stated("nobody was killed: the processes that were to die are still there"))


def awake(look: Snapshot) -> NotExercised | None:
    """That not everybody was asleep (or went in circles) at this look; a sleep with a time limit is one."""
    return None if look.still in _STILL or look.still == "resting" else never_still(look)


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
        look.still in _STILL
        and (look.clocked or not any(e.pid == look.main and e.caught & clocks for e in look.processes))
        for look in looks
    )


def _who_reaps(look: Snapshot, zombies: tuple[int, ...]) -> tuple[Evidence, ...]:
    """The zombies, and what their parents have arranged for SIGCHLD."""
    parents = {entry.parent for entry in look.processes if entry.pid in zombies}
    lines: list[Evidence] = [stated("zombies: {names}", names=", ".join(map(str, zombies)))]
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


def _lines_of(look: Snapshot, pids: set[int]) -> tuple[BlockedTask, ...]:
    """Where these processes are blocked."""
    return tuple(task for task in look.where if task.pid in pids)


def _many(count: int, noun: str, plural: str) -> str:
    return stated("{count} {noun}", count=count, noun=stated(noun) if count == 1 else stated(plural))
