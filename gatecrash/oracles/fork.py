"""Fork itself: how often, who holds which descriptor afterwards, what the parent does then, and a fork that fails."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import dropwhile, pairwise

from gatecrash.language import joined, marked, stated
from gatecrash.model import labels
from gatecrash.model.blocked import Descriptor, as_called
from gatecrash.model.facts import Facts
from gatecrash.model.scenario import Scenario, StartOnTerminal
from gatecrash.model.transcript import ClientSide, Printed, Snapshot, Started, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.children import at_work, children_live, nobody_at_work, not_served, outlived
from gatecrash.oracles.service import as_finding, first_unserved, speaks, unserved
from gatecrash.oracles.unseen import (
    never_looked,
    never_made,
    never_still,
    nobody_came,
    nothing_known,
    server_gone,
    still,
)
from gatecrash.text import shown

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


@oracle("FORK-14")
def children_do_not_print_again(case: Case) -> Ruling:
    """No line that the parent printed before a client came is printed again with each client that comes.

    Two kinds of evidence, each of which only a copied buffer leaves. What is printed with a client begins with all that
    was printed before, and is more from client to client: equal lines for each client are equally many for each. Or a
    line comes with every client more often through a pipe than it does on a terminal, where it is seen as well: stdio
    keeps lines back for a pipe alone (setvbuf(3)), which moves or loses them, and never makes more of them. What the
    child prints, or the parent for each client, comes with each client on a terminal, too.
    """
    pipe, terminal = _outputs(case)
    # What the first child prints may be dropped when its descriptor closes: it begins with the first that is there.
    shares, on_terminal = list(dropwhile(operator.not_, _with_each(pipe))), _with_each(terminal)
    if _grows(shares) and not _grows(on_terminal):
        return _printed_again(shares, shares[0][0])
    came_with_each = _in_each(shares)
    if not terminal:
        before = pipe[0].text.splitlines(keepends=True) if pipe else []
        new = [line for line in came_with_each if line not in before]
        return _nobody_knows(shares, new[0]) if new else _nothing_again(case, pipe, terminal, shares)
    for line in came_with_each:
        most = max(share.count(line) for share in on_terminal)
        if line in terminal[-1].text.splitlines(keepends=True) and all(share.count(line) > most for share in shares):
            return _printed_again(shares, line, _FEWER if most else _BEFORE)
    return _nothing_again(case, pipe, terminal, shares)


def _nothing_again(
    case: Case, pipe: Sequence[Printed], terminal: Sequence[Printed], shares: Sequence[list[bytes]]
) -> Ruling:
    """Held, if there was something to copy, enough children ended to write their copy, and they wrote none."""
    played = case.transcript.scenario
    began = next((n for n, step in enumerate(played.steps) if isinstance(step, StartOnTerminal)), len(played.steps))
    if not pipe:
        return NotExercised(stated("what it printed was not read, or was so much that its middle was thrown away"))
    unseen = not_served(case, Scenario(played.steps[:began]).clients) or _stays(case.transcript, began)
    if unseen is not None:
        return unseen
    if len(pipe) <= _FEWEST:
        return NotExercised(stated("fewer than {count} clients came, too few to compare", count=_FEWEST))
    if not (pipe[-1].text or (terminal and terminal[-1].text)):
        return NotExercised(stated("it prints nothing, so there is nothing that could be printed again"))
    known = terminal[-1].text.splitlines(keepends=True) if terminal else []
    if _grows(shares) or (terminal and any(line not in known for line in _in_each(shares))):
        return NotExercised(stated("what it prints through a pipe and on a terminal cannot be compared"), unproven=True)
    return Held()


def _stays(transcript: Transcript, began: int) -> NotExercised | None:
    """That children may have their copy still to write: they had not ended when the output was read."""
    looks = [look.snapshot for look in transcript.looks() if look.step < began]
    restless = next((look for look in looks if look.still not in _STILL), None)
    if restless is not None or not looks:
        return never_looked("") if restless is None else never_still(restless)
    if not looks[-1].running:
        return server_gone(transcript)
    return children_live() if len(looks[-1].live) > len(looks[0].live) else None


_BEFORE = marked("on a terminal, where no line is kept back, it is printed before any client comes, and with none")
_FEWER = marked("on a terminal, where no line is kept back, it is printed fewer times with each client")
_FEWEST = 3  # clients: of fewer nobody can say that it came with each


def _printed_again(shares: Sequence[Sequence[bytes]], repeated: bytes, reason: str = "") -> Finding:
    line = repeated.decode("utf-8", "backslashreplace").rstrip("\n")
    got = stated(
        'the line "{line}", printed once by the parent, came out again with each of {count} clients',
        line=line,
        count=len(shares),
    )
    evidence = tuple(
        stated("with client {n}: {lines}", n=n, lines=shown(b"".join(lines))) for n, lines in enumerate(shares, start=1)
    )
    told = (stated(reason),) if reason else ()
    return Finding(
        "FORK-14",
        stated("a line that the parent has printed appears once"),
        got,
        (*evidence, *told),
        facts=Facts("output"),
    )


def _nobody_knows(shares: Sequence[Sequence[bytes]], line: bytes) -> Finding:
    """Without a terminal to compare with, it may be the child's own line."""
    found = _printed_again(shares, line)
    got = stated("{got}, or by each child; it could not be started on a terminal, which would tell", got=found.got)
    return replace(found, got=got, conclusive=False)


def _outputs(case: Case) -> tuple[list[Printed], list[Printed]]:
    """What was read of its output through a pipe, and on a terminal if all were served there; all of it, or nothing."""
    events, steps = case.transcript.events, case.transcript.scenario.steps
    begun = next((event for event in events if isinstance(event, Started)), None)
    began = len(steps) if begun is None else begun.step
    printed = [event for event in events if isinstance(event, Printed)]
    pipe, terminal = ([e for e in printed if e.step < began], [e for e in printed if e.step > began])
    clients = Scenario(steps[began:]).clients
    same = begun is not None and begun.listening and first_unserved(case, clients) is None
    return _whole(pipe), _whole(terminal) if same else []


def _whole(printed: list[Printed]) -> list[Printed]:
    return printed if all(event.whole for event in printed) else []


def _with_each(printed: Sequence[Printed]) -> list[list[bytes]]:
    return [later.text[len(earlier.text) :].splitlines(keepends=True) for earlier, later in pairwise(printed)]


def _grows(shares: Sequence[list[bytes]]) -> bool:
    """Whether each share begins with all of the one before, and is repeated further from one to the next."""
    repeated = [_common(earlier, later) for earlier, later in pairwise(shares)]
    return len(repeated) >= 2 and bool(repeated[0]) and all(len(a) < len(b) for a, b in pairwise(repeated))


def _in_each(shares: Sequence[list[bytes]]) -> list[bytes]:
    """The lines that came with every client."""
    if len(shares) < _FEWEST:
        return []
    return [line for line in shares[0] if line.strip() and all(line in share for share in shares)]


def _common(earlier: list[bytes], later: list[bytes]) -> list[bytes]:
    """The lines both begin with."""
    same: list[bytes] = []
    for one, other in zip(earlier, later, strict=False):
        if one != other:
            break
        same.append(one)
    return same


def _processes(holders: Sequence[tuple[int, int]]) -> str:
    return joined(stated("process {pid} (descriptor {number})", pid=pid, number=number) for pid, number in holders)
