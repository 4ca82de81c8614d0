"""Fork itself: how often, who holds which descriptor afterwards, what the parent does then, and a fork that fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gatecrash.language import joined, stated
from gatecrash.model import labels
from gatecrash.model.blocked import Descriptor, as_called
from gatecrash.model.facts import Facts
from gatecrash.model.transcript import ClientSide, Snapshot, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.children import at_work, nobody_at_work, outlived
from gatecrash.oracles.service import as_finding, speaks, unserved
from gatecrash.oracles.unseen import (
    never_looked,
    never_made,
    never_still,
    nobody_came,
    nothing_known,
    server_gone,
    still,
)

#: Which argument of a wait call has the options (wait4(2), waitid(2)).
_OPTIONS = {"wait4": 2, "waitid": 3}
_READS = frozenset({"recvfrom", "recvmsg", "read", "readv"})
_TAKES_CLIENTS = frozenset({"accept", "accept4"})
_WAITS_FOR_CLIENT = _READS | {"poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "epoll_pwait2"}
_STILL = frozenset({"quiet", "spinning"})


@oracle("FORK-01")
def one_child_serves_one_connection(case: Case) -> Ruling:
    """No connection is held by two children, with more new processes than there are new clients."""
    start, serving = (
        case.transcript.look(labels.START),
        _asleep(case.transcript, labels.SERVING, lambda look, pid: True),
    )
    if isinstance(serving, NotExercised):
        return serving
    if start is None:
        return never_looked(labels.START)
    clients, more = len(serving.connections), set(serving.live) - set(start.live)
    shared = [side for side in serving.connections if len({pid for pid, _ in side.holders} - {serving.main}) > 1]
    if len(more) <= clients or not shared:
        return _one_each(serving, shared)
    if not any(len(_waiting_for(serving, side)) > 1 for side in shared):
        return NotExercised(
            stated(
                "{client}'s connection is held by {processes}, but no two of them wait for what it says",
                client=shared[0].client,
                processes=_processes(shared[0].holders),
            )
        )
    got = stated(
        "{clients} idle client{s}, and {count} processes more than before",
        clients=clients,
        s="" if clients == 1 else "s",
        count=len(more),
    )
    evidence = tuple(
        stated("{client}'s connection is held by {processes}", client=s.client, processes=_processes(s.holders))
        for s in shared
    )
    return Finding("FORK-01", stated("one child for each connection"), got, (*evidence, *serving.where))


def _waiting_for(look: Snapshot, side: ClientSide) -> set[int]:
    """The processes that wait for bytes of this client, or for the next client: a child's own helper does neither."""
    watched = {where.tid: where.watched for where in look.where}
    return {pid for pid, number in side.holders if pid != look.main and _waits(look, pid, number, watched)}


def _waits(look: Snapshot, pid: int, number: int, watched: Mapping[int, tuple[Descriptor, ...] | None]) -> bool:
    for task in look.tasks:
        if task.pid != pid:
            continue
        if task.call in _TAKES_CLIENTS:
            return True
        if task.call in _READS and (not task.args or task.args[0] & 0xFFFFFFFF == number):
            return True
        if task.call in _WAITS_FOR_CLIENT - _READS:
            known = watched.get(task.tid)
            return known is None or number in {one.number for one in known}
    return False


def _one_each(look: Snapshot, shared: Sequence[ClientSide]) -> Ruling:
    if shared:
        held = _processes(shared[0].holders)
        return NotExercised(
            stated(
                "{client}'s connection is held by {processes}: copies that were not closed are FORK-05's",
                client=shared[0].client,
                processes=held,
            )
        )
    return Held() if at_work(look) else nobody_at_work()


@oracle("FORK-04")
def parent_never_waits_while_others_knock(case: Case) -> Ruling:
    """With a client in the queue, the parent is not blocked in wait for a child that is at work."""
    look = case.transcript.look(labels.KNOCKING)
    if look is None:
        return never_looked(labels.KNOCKING)
    if look.still != "quiet" or look.listener is None or not look.listener.depth or not at_work(look):
        return _is_accepted(case.transcript, look)
    waiting = [t for t in look.tasks if t.tid == look.main and t.call in _OPTIONS]
    if not waiting or waiting[0].timed is not None or _does_not_hang(waiting[0].call, waiting[0].args):
        return _is_accepted(case.transcript, look)
    expected = stated("the parent goes back to accept while a child serves an idle client")
    got = stated(
        "the parent is blocked in {call} without WNOHANG; clients in the accept queue: {depth}",
        call=as_called(waiting[0].call),
        depth=look.listener.depth,
    )
    return Finding("FORK-04", expected, got, look.where, facts=Facts("accept queue"))


def _is_accepted(transcript: Transcript, look: Snapshot) -> Ruling:
    """Held, if the one that knocks was accepted while another one's child was at work: the parent waited for neither.

    That is a fact, also of a server that is not still.
    """
    last = transcript.scenario.clients[-1]
    if not transcript.connected(last):
        return nobody_came()
    if not look.running or transcript.server_ended is not None:
        return server_gone(transcript)
    if not any(pid != look.main for side in look.connections if side.client != last for pid, _ in side.holders):
        return nobody_at_work()
    side = look.connection(last)
    if (side is not None and side.accepted) or transcript.received(last) or transcript.end(last) is not None:
        return Held()
    if look.still != "quiet":
        return never_still(look)
    return NotExercised(
        stated("{client} is not accepted, but the parent waits for no child: ACC-16 judges that", client=last)
    )


def _does_not_hang(call: str, args: Sequence[int]) -> bool:
    at = _OPTIONS[call]
    return len(args) <= at or bool(args[at] & os.WNOHANG)


@oracle("FORK-05")
def parent_closes_its_copy(case: Case) -> Ruling:
    """At rest no connection is open both in a child and in the parent."""
    look = _asleep(case.transcript, labels.SERVING, lambda look, pid: pid == look.main)
    if isinstance(look, NotExercised):
        return look
    expected = stated("the parent closes its copy of the connection after fork")
    for side in look.connections:
        pids = {pid for pid, _ in side.holders}
        if look.main in pids and len(pids) > 1:
            got = stated("{client}'s connection is open in the parent as well as in its child", client=side.client)
            return Finding(
                "FORK-05",
                expected,
                got,
                (stated("it is held by {processes}", processes=_processes(side.holders)), *look.where),
                facts=Facts("connection"),
            )
    return Held() if at_work(look) else nobody_at_work()


@oracle("FORK-06")
def child_closes_the_listening_socket(case: Case) -> Ruling:
    """At rest no child that holds a connection holds the listening socket."""
    look = _asleep(case.transcript, labels.SERVING, lambda look, pid: pid in at_work(look))
    if isinstance(look, NotExercised):
        return look
    holding = sorted(at_work(look) & set(look.listener_holders))
    if not holding:
        return Held() if at_work(look) else nobody_at_work()
    got = stated("process {pid}, which serves a client, has the listening socket open as well", pid=holding[0])
    return Finding(
        "FORK-06",
        stated("a child closes its copy of the listening socket"),
        got,
        look.where,
        facts=Facts("listening socket"),
    )


def _asleep(transcript: Transcript, label: str, meant: Callable[[Snapshot, int], bool]) -> Snapshot | NotExercised:
    """The look, if the server was still, or asleep with a time limit that does not matter to those who are meant.

    Who reads from its client with a time limit (SO_RCVTIMEO, poll) is at its work; the limit is that client's.
    """
    look = transcript.look(label)
    if look is None or look.still != "resting":
        return still(transcript, label)
    tasks = [task for task in look.tasks if meant(look, task.pid)]
    at_rest = [task.timed is None or task.call in _WAITS_FOR_CLIENT for task in tasks]
    return look if at_rest and all(at_rest) else never_still(look)


@oracle("FORK-08")
def failed_fork_is_survived(case: Case) -> Ruling:
    """A client that comes after fork has failed is served."""
    error = _failed_fork(case.transcript)
    if error is None:
        return never_made("fork")
    last = case.transcript.scenario.clients[-1]
    expected = stated("a client is served after fork has failed with {error}", error=error)
    finding = as_finding("FORK-08", expected, unserved(case, last))
    if finding is None:
        return outlived(case, last)
    return replace(finding, got=stated("after fork failed with {error}: {got}", error=error, got=finding.got))


@oracle("FORK-09")
def client_is_let_go_when_fork_fails(case: Case) -> Ruling:
    """The clients for whom fork failed got something, or the parent, at rest, does not hold their connection."""
    error, look = _failed_fork(case.transcript), case.transcript.look(labels.FAILED)
    if error is None:
        return never_made("fork")
    if look is None:
        return never_looked(labels.FAILED)
    if not speaks(case.contract) or look.still not in _STILL or _reads(look):
        return _let_go(case, look)
    for side in look.connections:
        nothing = not case.transcript.received(side.client) and case.transcript.end(side.client) is None
        if nothing and {pid for pid, _ in side.holders} == {look.main}:
            got = stated(
                "after fork failed with {error}, {client} gets neither a byte nor an end",
                error=error,
                client=side.client,
            )
            held = stated(
                "its connection is held by {processes}, the parent, and by nobody else",
                processes=_processes(side.holders),
            )
            expected = stated("the client gets an answer or the end of its connection")
            return Finding("FORK-09", expected, got, (held, *look.where))
    return _let_go(case, look)


def _let_go(case: Case, look: Snapshot) -> Ruling:
    """Held, if each of those for whom fork failed got something or an end, and not because the server is gone."""
    transcript = case.transcript
    unlucky = transcript.scenario.clients[:-1]
    if not all(map(transcript.connected, unlucky)):
        return nobody_came()
    if not look.running or transcript.server_ended is not None:
        return server_gone(transcript)
    waiting = [c for c in unlucky if not transcript.received(c) and transcript.end(c) is None]
    if not waiting:
        return Held()
    if not speaks(case.contract):
        return nothing_known(waiting[0])
    if look.still not in _STILL:
        return never_still(look)
    return NotExercised(
        stated("{client} has got nothing so far, but somebody serves it although fork failed", client=waiting[0])
    )


def _failed_fork(transcript: Transcript) -> str | None:
    failed = (c.outcome for c in transcript.calls if c.family == "fork" and c.outcome.kind == "failed")
    return next((outcome.errno for outcome in failed), None)


def _reads(look: Snapshot) -> bool:
    """The parent serves this client itself, which is one way to cope."""
    return any(task.tid == look.main and task.call in _READS for task in look.tasks)


def _processes(holders: Sequence[tuple[int, int]]) -> str:
    return joined(stated("process {pid} (descriptor {number})", pid=pid, number=number) for pid, number in holders)
