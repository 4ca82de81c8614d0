"""The queue in front of accept: who waits in it, in which order, how long it is, and who leaves it early."""

from __future__ import annotations

import signal
from itertools import pairwise

from gatecrash.language import stated
from gatecrash.oracles import oracle
from gatecrash.oracles.service import as_finding, askers, first_unserved
from gatecrash.transcript import ClientSide, Snapshot
from gatecrash.verdicts import Case, Finding

_ALIVE = frozenset({"ESTABLISHED", "CLOSE_WAIT"})


@oracle("ACC-02")
def everybody_in_the_queue_is_served(case: Case) -> Finding | None:
    """When the server is at rest again, nobody who came while it was frozen is left in the accept queue."""
    transcript = case.transcript
    came = tuple(name for name in askers(case) if transcript.connected(name))
    missing, rest = first_unserved(case, came), transcript.look("rest")
    if missing is None or rest is None:
        return None
    expected = stated("all {count} clients that waited in the accept queue are served", count=len(came))
    if transcript.server_ended is not None:
        return as_finding("ACC-02", expected, missing)
    if rest.listener is None or rest.listener.depth == 0:
        return None
    got = stated("{got}; the kernel still has {depth} in the accept queue", got=missing.got, depth=rest.listener.depth)
    return Finding("ACC-02", expected, got, rest.where, conclusive=rest.still == "quiet")


@oracle("ACC-03")
def queue_is_served_in_order(case: Case) -> Finding | None:
    """When the first answer is about to be sent, no request was read before that of an earlier client."""
    look = case.transcript.look("first answer")
    if look is None:
        return None
    sides = [side for name in askers(case) if (side := look.connection(name)) is not None]
    for earlier, later in pairwise(sides):
        if _passed_over(earlier) and later.consumed:
            got = stated(
                "{client}'s request was read while that of {first}, who came before, was not",
                client=later.client,
                first=earlier.client,
            )
            return Finding(
                "ACC-03", stated("clients are served in the order in which they connected"), got, _who_waits(look)
            )
    return None


def _passed_over(side: ClientSide) -> bool:
    return side.state in _ALIVE and side.unread > 0 and not side.consumed


def _who_waits(look: Snapshot) -> tuple[str, ...]:
    return tuple(
        stated(
            "{client}: {consumed} bytes read, {unread} unread",
            client=side.client,
            consumed=side.consumed,
            unread=side.unread,
        )
        + ("" if side.accepted else stated(", in the queue"))
        for side in look.connections
    )


@oracle("ACC-04")
def backlog_is_big_enough(case: Case) -> Finding | None:
    """The kernel's figure for the listening socket is not below the contract's smallest backlog."""
    wanted = case.contract.min_backlog
    for look in case.transcript.looks():
        listener = look.snapshot.listener
        if listener is not None and listener.backlog < wanted:
            got = stated("the kernel keeps a backlog of {backlog} for it", backlog=listener.backlog)
            full = listener.backlog + 1
            dropped = stated(
                "when {full} clients wait, the next one's SYN is dropped, and sent again after a second", full=full
            )
            return Finding("ACC-04", stated("a backlog of at least {wanted}", wanted=wanted), got, (dropped,))
    return None


@oracle("ACC-05")
def reset_in_the_queue_does_no_harm(case: Case) -> Finding | None:
    """The good clients are served although others have reset their connections while they waited."""
    return _harmless(
        "ACC-05", stated("a client is served although others had reset while they waited in the queue"), case
    )


@oracle("ACC-06")
def close_in_the_queue_does_no_harm(case: Case) -> Finding | None:
    """The good clients are served although others have closed their connections while they waited."""
    return _harmless(
        "ACC-06", stated("a client is served although others had closed while they waited in the queue"), case
    )


def _harmless(rule: str, expected: str, case: Case) -> Finding | None:
    transcript = case.transcript
    ended = transcript.server_ended
    if ended is not None and ended.status == -signal.SIGPIPE:
        return None  # it died of writing to a client that has gone: LIFE-06
    came = tuple(name for name in askers(case) if transcript.connected(name))
    return as_finding(rule, expected, first_unserved(case, came))
