"""Fork itself: how often, who holds which descriptor afterwards, what the parent does then, and a fork that fails."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import dropwhile, pairwise

from gatecrash.language import joined, marked, stated
from gatecrash.oracles import oracle
from gatecrash.oracles.children import at_work
from gatecrash.oracles.service import as_finding, first_unserved, speaks, unserved
from gatecrash.scenario import Scenario
from gatecrash.transcript import Printed, Snapshot, Started, Transcript
from gatecrash.verdicts import Case, Finding

#: Which argument of a wait call has the options (wait4(2), waitid(2)).
_OPTIONS = {"wait4": 2, "waitid": 3}
_READS = frozenset({"recvfrom", "recvmsg", "read", "readv"})
_STILL = frozenset({"quiet", "spinning"})


@oracle("FORK-01")
def one_child_serves_one_connection(case: Case) -> Finding | None:
    """No connection is held by two children, with more new processes than there are new clients."""
    start, serving = case.transcript.look("start"), case.transcript.look("serving")
    if start is None or serving is None or serving.still not in _STILL:
        return None
    clients, more = len(serving.connections), set(serving.live) - set(start.live)
    shared = [side for side in serving.connections if len({pid for pid, _ in side.holders} - {serving.main}) > 1]
    if len(more) <= clients or not shared:
        return None
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


@oracle("FORK-04")
def parent_never_waits_while_others_knock(case: Case) -> Finding | None:
    """With a client in the queue, the parent is not blocked in wait for a child that is at work."""
    look = case.transcript.look("knocking")
    if look is None or look.still != "quiet" or look.listener is None or not look.listener.depth or not at_work(look):
        return None
    waiting = [t for t in look.tasks if t.tid == look.main and t.call in _OPTIONS]
    if not waiting or waiting[0].timed is not None or _does_not_hang(waiting[0].call, waiting[0].args):
        return None
    expected = stated("the parent goes back to accept while a child serves an idle client")
    got = stated(
        "the parent is blocked in {call} without WNOHANG; {depth} wait in the accept queue",
        call=waiting[0].call,
        depth=look.listener.depth,
    )
    return Finding("FORK-04", expected, got, look.where)


def _does_not_hang(call: str, args: Sequence[int]) -> bool:
    at = _OPTIONS[call]
    return len(args) <= at or bool(args[at] & os.WNOHANG)


@oracle("FORK-05")
def parent_closes_its_copy(case: Case) -> Finding | None:
    """At rest no connection is open both in a child and in the parent."""
    look = case.transcript.look("serving")
    if look is None or look.still not in _STILL:
        return None
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
            )
    return None


@oracle("FORK-06")
def child_closes_the_listening_socket(case: Case) -> Finding | None:
    """At rest no child that holds a connection holds the listening socket."""
    look = case.transcript.look("serving")
    if look is None or look.still not in _STILL:
        return None
    holding = sorted(at_work(look) & set(look.listener_holders))
    if not holding:
        return None
    got = stated("process {pid}, which serves a client, has the listening socket open as well", pid=holding[0])
    return Finding("FORK-06", stated("a child closes its copy of the listening socket"), got, look.where)


@oracle("FORK-08")
def failed_fork_is_survived(case: Case) -> Finding | None:
    """A client that comes after fork has failed is served."""
    error = _failed_fork(case.transcript)
    if error is None:
        return None
    missing = unserved(case, case.transcript.scenario.clients[-1])
    finding = as_finding(
        "FORK-08", stated("a client is served after fork has failed with {error}", error=error), missing
    )
    return (
        None
        if finding is None
        else replace(finding, got=stated("after fork failed with {error}: {got}", error=error, got=finding.got))
    )


@oracle("FORK-09")
def client_is_let_go_when_fork_fails(case: Case) -> Finding | None:
    """The clients for whom fork failed got something, or the parent, at rest, does not hold their connection."""
    error, look = _failed_fork(case.transcript), case.transcript.look("failed")
    if error is None or look is None or not speaks(case.contract) or look.still not in _STILL or _reads(look):
        return None
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
    return None


def _failed_fork(transcript: Transcript) -> str | None:
    failed = (c.outcome for c in transcript.calls if c.family == "fork" and c.outcome.startswith("failed"))
    return next((outcome.removeprefix("failed ") for outcome in failed), None)


def _reads(look: Snapshot) -> bool:
    """The parent serves this client itself, which is one way to cope."""
    return any(task.tid == look.main and task.call in _READS for task in look.tasks)


@oracle("FORK-14")
def children_do_not_print_again(case: Case) -> Finding | None:
    """No line that the parent printed before a client came is printed again with each client that comes.

    Two kinds of evidence, each of which only a copied buffer leaves. What is printed with a client begins with all that
    was printed before, and is more from client to client: equal lines for each client are equally many for each. Or a
    line comes with every client more often through a pipe than it does on a terminal, where it is seen as well: stdio
    keeps lines back for a pipe alone (setvbuf(3)), which moves or loses them, and never makes more of them. What the
    child prints, or the parent for each client, comes with each client on a terminal, too.
    """
    pipe, terminal = _outputs(case)
    # What the first child prints may be dropped when its descriptor closes: it begins with the first that is there.
    shares = list(dropwhile(operator.not_, _with_each(pipe)))
    if _grows(shares):
        return None if _grows(_with_each(terminal)) else _printed_again(shares, shares[0][0])
    came_with_each = _in_each(shares)
    if not terminal:
        before = pipe[0].text.splitlines(keepends=True) if pipe else []
        new = [line for line in came_with_each if line not in before]
        return _nobody_knows(shares, new[0]) if new else None
    for line in came_with_each:
        most = max(share.count(line) for share in _with_each(terminal))
        if line in terminal[-1].text.splitlines(keepends=True) and all(share.count(line) > most for share in shares):
            return _printed_again(shares, line, _FEWER if most else _BEFORE)
    return None


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
        stated("with client {n}: {lines}", n=n, lines=repr(b"".join(lines))) for n, lines in enumerate(shares, start=1)
    )
    told = (stated(reason),) if reason else ()
    return Finding("FORK-14", stated("a line that the parent has printed appears once"), got, (*evidence, *told))


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
