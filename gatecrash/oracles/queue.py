"""The queue in front of accept: who waits in it, in which order, how long it is, and who leaves it early."""

from __future__ import annotations

import signal
from dataclasses import replace
from itertools import pairwise

from gatecrash.language import stated
from gatecrash.model import labels
from gatecrash.model.facts import Facts
from gatecrash.model.scenario import Close, Reset
from gatecrash.model.transcript import ClientSide, Connected, HeldAt, Looked, Snapshot, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.service import as_ruling, askers, first_unserved, ruled, speaks
from gatecrash.oracles.stream import is_no_echo
from gatecrash.oracles.unseen import (
    listening_at_rest,
    looked,
    never_looked,
    never_made,
    never_still,
    nobody_came,
)
from gatecrash.protocols import protocol_of

_ALIVE = frozenset({"ESTABLISHED", "CLOSE_WAIT"})
#: Of a process that is frozen, or dead.
_STOPPED = frozenset({"T", "t", "Z", "X"})


@oracle("ACC-02")
def everybody_in_the_queue_is_served(case: Case) -> Ruling:
    """When the server is at rest again, nobody who came while it was frozen is left in the accept queue."""
    transcript = case.transcript
    came = tuple(name for name in askers(case) if transcript.connected(name))
    missing, rest = first_unserved(case, came), transcript.look(labels.REST)
    if rest is None or len(came) < 2:
        return never_looked(labels.REST) if rest is None else nobody_came()
    expected = stated("all {count} clients that waited in the accept queue are served", count=len(came))
    if missing is not None and transcript.server_ended is not None:
        return as_ruling("ACC-02", expected, missing)
    depth = rest.listener.depth if rest.listener is not None else 0
    if depth and (missing is not None or not speaks(case.contract)):
        who = stated("{count} clients came", count=len(came)) if missing is None else missing.got
        got = stated("{got}; the kernel still has {depth} in the accept queue", got=who, depth=depth)
        return Finding(
            "ACC-02", expected, got, rest.where, conclusive=rest.still == "quiet", facts=Facts("accept queue")
        )
    if missing is not None:
        return NotExercised(
            stated("{got}; but nobody is left in the accept queue, so accept is not what failed", got=missing.got)
        )
    if not speaks(case.contract) and (rest.listener is None or rest.still == "restless"):
        return never_still(rest)
    return _not_together(transcript) or Held()


def _not_together(transcript: Transcript) -> NotExercised | None:
    """Why it was not seen that all who came while the server was frozen stood in its queue, those who left as well."""
    frozen = transcript.look(labels.IN_THE_QUEUE)
    if frozen is None:
        return never_looked(labels.IN_THE_QUEUE)
    stopped = bool(frozen.processes) and all(process.state in _STOPPED for process in frozen.processes)
    depth = frozen.listener.depth if frozen.listener is not None else 0
    if not stopped or depth < max(1, len(_came_before(transcript, labels.IN_THE_QUEUE))):
        return NotExercised(stated("it was not seen that the clients waited in the accept queue together"))
    return None


def _came_before(transcript: Transcript, label: str) -> tuple[str, ...]:
    """The clients that were connected when the server was looked at."""
    came: list[str] = []
    for event in transcript.events:
        if isinstance(event, Looked) and event.label == label:
            break
        if isinstance(event, Connected):
            came.append(event.client)
    return tuple(came)


@oracle("ACC-03")
def queue_is_served_in_order(case: Case) -> Ruling:
    """When the first answer is about to be sent, no request was read before that of an earlier client."""
    look = case.transcript.look(labels.FIRST_ANSWER)
    if look is None:
        return never_looked(labels.FIRST_ANSWER)
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
    return _order_seen(case.transcript, sides)


def _order_seen(transcript: Transcript, sides: list[ClientSide]) -> Ruling:
    """Held where the first request was read, and some later one was not yet, when the first answer was to be sent."""
    held = next((event for event in transcript.events if isinstance(event, HeldAt)), None)
    if held is None or not held.reached:
        return replace(never_made("send"), unproven=held is not None and not held.proven)
    if not sides or not sides[0].consumed or not any(_passed_over(side) for side in sides[1:]):
        return NotExercised(stated("when the first answer was about to be sent, nobody's request waited unread"))
    return Held()


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
def backlog_is_big_enough(case: Case) -> Ruling:
    """The kernel's figure for the listening socket is not below the contract's smallest backlog."""
    wanted, looks = case.contract.min_backlog, looked(case.transcript)
    if isinstance(looks, NotExercised):
        return looks
    for look in looks:
        listener = look.snapshot.listener
        if listener is not None and listener.backlog < wanted:
            got = stated("the kernel keeps a backlog of {backlog} for it", backlog=listener.backlog)
            full = listener.backlog + 1
            dropped = stated(
                "when {full} clients wait, the next one's SYN is dropped, and sent again after a second", full=full
            )
            return Finding(
                "ACC-04",
                stated("a backlog of at least {wanted}", wanted=wanted),
                got,
                (dropped,),
                facts=Facts("backlog"),
            )
    return listening_at_rest(looks[-1].snapshot) or Held()


@oracle("ACC-05")
def reset_in_the_queue_does_no_harm(case: Case) -> Ruling:
    """The good clients are served although others have reset their connections while they waited."""
    return _harmless(
        "ACC-05", stated("a client is served although others had reset while they waited in the queue"), case, Reset
    )


@oracle("ACC-06")
def close_in_the_queue_does_no_harm(case: Case) -> Ruling:
    """The good clients are served although others have closed their connections while they waited."""
    return _harmless(
        "ACC-06", stated("a client is served although others had closed while they waited in the queue"), case, Close
    )


def _harmless(rule: str, expected: str, case: Case, leave: type[Close | Reset]) -> Ruling:
    transcript = case.transcript
    ended = transcript.server_ended
    if ended is not None and ended.status == -signal.SIGPIPE:
        return NotExercised(stated("the server died of sending to a client that had gone: see {rule}", rule="LIFE-06"))
    came = tuple(name for name in askers(case) if transcript.connected(name))
    ruling = ruled(rule, expected, case, came)
    refused = next((name for name in came if _is_told_off(case, name)), None)
    if isinstance(ruling, Finding) and refused is not None:
        return NotExercised(stated("{client} was turned away, which a busy server may do", client=refused))
    return ruling if isinstance(ruling, Finding) else _nobody_left(case, leave) or _not_together(transcript) or ruling


def _is_told_off(case: Case, client: str) -> bool:
    """Whether an echo has ended this client's connection with words of its own, and lives on."""
    transcript = case.transcript
    ended = transcript.end(client) is not None and transcript.server_ended is None
    words = bool(transcript.received(client)) and is_no_echo(transcript, client)
    return ended and words and protocol_of(case.contract).amount_is_known


def _nobody_left(case: Case, leave: type[Close | Reset]) -> NotExercised | None:
    """Why nothing is said: no client had come and left again, in this way, while the server was frozen."""
    came = _came_before(case.transcript, labels.IN_THE_QUEUE)
    left = {step.client for step in case.transcript.scenario.steps if isinstance(step, leave)} - set(askers(case))
    if left & set(came):
        return None
    return NotExercised(stated("no client had left the accept queue before the server went on"))
