"""Taking connections: the accept loop, the listening socket, and accept calls that fail."""

from __future__ import annotations

import signal
from dataclasses import replace

from gatecrash.language import marked, stated
from gatecrash.model import labels
from gatecrash.model.facts import Facts
from gatecrash.model.processes import Task
from gatecrash.model.scenario import Close, LimitDescriptors, Reset, Signal
from gatecrash.model.transcript import NotConnected, Snapshot, TracedCall, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.let_go import answered_after_a_limit
from gatecrash.oracles.service import (
    as_ruling,
    askers,
    first_unserved,
    not_seen_taken,
    ruled,
    speaks,
    unserved,
    was_taken,
)
from gatecrash.oracles.unseen import (
    in_motion,
    looked,
    never_looked,
    never_made,
    never_still,
    nobody_came,
    not_served_first,
)
from gatecrash.text import duration

#: Seconds of processor time in about 0.6 s. Waiting 50 ms between two tries takes a hundredth of that.
_BUSY = 0.1
#: Where a server waits for its next client: poll and its kin are interrupted even where SA_RESTART is set (signal(7)).
_WAITING = frozenset({"accept", "accept4", "poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait"})
#: A connection that nobody has given up: also one whose client has said its last word.
_ALIVE = frozenset({"ESTABLISHED", "CLOSE_WAIT"})
#: One that the server has closed, and its client has not.
_CLOSED_HERE = frozenset({"FIN_WAIT1", "FIN_WAIT2"})
_BESIDE_AN_IDLE_ONE = marked("a client is served although another one is connected and idle")
#: What the trace has to tell of for ACC-18.
_USES = frozenset({"fork", "thread", "recv", "send"})


@oracle("ACC-01")
def second_client_is_accepted(case: Case) -> Ruling:
    """Once the first client was served, so is every later one."""
    first, *later = case.transcript.scenario.clients or ("",)
    if not later or not case.transcript.connected(first):
        return nobody_came()
    # A server that need not answer serves its first client by taking it, even if it leaves with it.
    if speaks(case.contract) and first_unserved(case, (first,)) is not None:
        return not_served_first(first)
    expected = stated("the second client is served like the first")
    ruling = ruled("ACC-01", expected, case, tuple(later))
    if speaks(case.contract) or isinstance(ruling, Finding):
        return ruling
    return _left_behind("ACC-01", expected, case.transcript, later) or ruling


def _left_behind(rule: str, expected: str, transcript: Transcript, clients: list[str]) -> Finding | None:
    """The finding that one of these clients is left in the queue by a server that has come to rest."""
    for client in clients:
        look = _left_in_the_queue(transcript, client)
        if look is not None:
            got = stated("{client} is left in the accept queue", client=client)
            return Finding(
                rule, expected, got, look.where, conclusive=look.still == "quiet", facts=Facts("accept queue")
            )
    return None


@oracle("ACC-16")
def idle_client_blocks_nobody(case: Case) -> Ruling:
    """Every client that asks is served although others are connected, and say nothing, or nothing more.

    A server that turns somebody away while it is busy does not keep them waiting: only silence counts.
    """
    for client in askers(case):
        missing = unserved(case, client)
        if missing is not None and missing.unseen is None and case.transcript.end(client) is None:
            return as_ruling("ACC-16", stated(_BESIDE_AN_IDLE_ONE), missing)
    if (late := _answered_after_a_limit(case)) is not None:
        return late
    idle = next((name for name in _staying(case.transcript) if _is_there(case.transcript, name)), None)
    if idle is None:
        return NotExercised(stated("no client was seen that the server had accepted and that stayed idle to the end"))
    beside = tuple(name for name in _after(case.transcript, idle) if name in askers(case))
    missing = first_unserved(case, beside)
    if missing is not None and missing.unseen is None:
        return NotExercised(stated("{got}: it was turned away, and not kept waiting", got=missing.got))
    return ruled("ACC-16", "", case, beside)


def _answered_after_a_limit(case: Case) -> Finding | None:
    transcript = case.transcript
    late = answered_after_a_limit(transcript, _staying(transcript))
    if late is None:
        return None
    got = stated(
        "{client} was answered only when the server had waited for an idle one in vain, for {time} of its own time",
        client=late[0],
        time=duration(late[1]),
    )
    before = transcript.look(labels.IDLE)
    return Finding(
        "ACC-16", stated(_BESIDE_AN_IDLE_ONE), got, before.where if before else (), facts=Facts("time limit")
    )


def _staying(transcript: Transcript) -> tuple[str, ...]:
    """The clients that never leave by themselves."""
    leaving = {step.client for step in transcript.scenario.steps if isinstance(step, Close | Reset)}
    return tuple(name for name in transcript.scenario.clients if name not in leaving)


def _is_there(transcript: Transcript, client: str) -> bool:
    """Whether the server had accepted this client, which at the last look still held its end of the connection.

    The server may have closed its own: whoever waits then until the client does the same is blocked by it, too.
    """
    looks = transcript.looks()
    if not looks or transcript.end(client) == "RST":
        return False
    side = looks[-1].snapshot.connection(client)
    if side is None:  # of a server of which only the wire is seen: it has answered, and its end did not come
        wire = not looks[-1].snapshot.processes
        return wire and bool(transcript.received(client)) and transcript.end(client) is None
    return side.state in _CLOSED_HERE or (side.accepted and side.state == "ESTABLISHED")


def _after(transcript: Transcript, client: str) -> tuple[str, ...]:
    names = transcript.scenario.clients
    return names[names.index(client) + 1 :]


@oracle("ACC-17")
def listening_socket_stays_open(case: Case) -> Ruling:
    """No look finds the server running without its listening socket; one of them came when a client had been served."""
    looks = looked(case.transcript)
    if isinstance(looks, NotExercised):
        return looks
    for look in looks:
        seen = look.snapshot
        if seen.running and seen.listener is None and seen.still in ("quiet", "spinning"):
            got = stated("after serving clients the server runs on, but its listening socket is closed")
            return Finding(
                "ACC-17", stated("the listening socket stays open"), got, seen.where, facts=Facts("listening socket")
            )
    last = looks[-1].snapshot
    if not last.running:
        return NotExercised(stated("the server was gone when its listening socket was looked for"))
    if last.listener is None or last.still == "restless":
        return never_still(last)
    return _after_service(case, "ACC-17")


def _after_service(case: Case, rule: str) -> Ruling:
    """Held where the first client was served; there must have been one for the rule to be put to the test."""
    first = next(iter(case.transcript.scenario.clients), None)
    if first is None or not case.transcript.connected(first):
        return nobody_came()
    if not speaks(case.contract):
        return Held() if was_taken(case.transcript, first) else not_seen_taken(first)
    instead = unserved(case, first)
    return Held() if instead is None else not_served_first(first, instead.got)


@oracle("ACC-07")
def transient_error_is_survived(case: Case) -> Ruling:
    """A client that comes after accept has failed is served."""
    return _after_failure("ACC-07", case)


@oracle("ACC-08")
def shortage_of_descriptors_is_survived(case: Case) -> Ruling:
    """A client that comes after the shortage is served."""
    if not any(isinstance(step, LimitDescriptors) for step in case.transcript.scenario.steps):
        return _after_failure("ACC-08", case)
    last = case.transcript.scenario.clients[-1:]
    ruling = ruled("ACC-08", stated("a client is served once descriptors are free again"), case, last)
    if not isinstance(ruling, Held):
        return ruling
    limited = case.transcript.look(labels.LIMITED)
    if limited is None:
        return never_looked(labels.LIMITED)
    return (in_motion(limited) if _somebody_waits(limited) else _TOOK_EVERYBODY) or ruling


_TOOK_EVERYBODY = NotExercised(stated("the server took every client although its descriptors had been limited"))


def _somebody_waits(limited: Snapshot) -> bool:
    """Whether a client stands in the queue: the server has no descriptor for it."""
    return any(side.state in _ALIVE and not side.accepted for side in limited.connections)


def _after_failure(rule: str, case: Case) -> Ruling:
    """Only the last client counts: a failed accept may well have cost the one it was called for."""
    failed = _failed_accepts(case.transcript)
    if not failed:
        return never_made("accept")
    error = failed[0].outcome.errno
    expected = stated("a client is served after accept has failed with {error}", error=error)
    ruling = ruled(rule, expected, case, case.transcript.scenario.clients[-1:])
    if isinstance(ruling, Finding):
        return replace(ruling, got=stated("after accept failed with {error}: {got}", error=error, got=ruling.got))
    return ruling if _accepts_again(case.transcript) or not isinstance(ruling, Held) else _NEVER_AGAIN


_NEVER_AGAIN = NotExercised(stated("the server was not seen to call accept again after it had failed"))


def _failed_accepts(transcript: Transcript) -> tuple[TracedCall, ...]:
    return tuple(c for c in transcript.calls if c.family == "accept" and c.outcome.kind == "failed")


def _accepts_again(transcript: Transcript) -> bool:
    """Whether accept was called, and was let do its work, after it had been made to fail."""
    accepts = [c.outcome.kind == "failed" for c in transcript.calls if c.family == "accept"]
    return True in accepts and False in accepts[accepts.index(True) :]


@oracle("ACC-09")
def shortage_of_descriptors_is_waited_out(case: Case) -> Ruling:
    """The server sleeps while descriptors have run out, as it did before, if only between two tries.

    What uses a processor for a moment may sleep then: only the later look, which waits for that, says that it spins.
    """
    before, limited = case.transcript.look(labels.UNLIMITED), case.transcript.look(labels.LIMITED)
    if before is None or limited is None:
        return never_looked(labels.UNLIMITED if before is None else labels.LIMITED)
    if before.still in ("spinning", "restless"):
        return never_still(before)
    expected = stated("the server sleeps while it has no descriptor for the next client")
    later = case.transcript.look(labels.STILL_LIMITED)
    if later is None:
        return never_looked(labels.STILL_LIMITED)
    if later.still == "spinning":
        got = stated("it wanted a processor for {share:.0%} of the time in which nothing came of it", share=later.share)
        return Finding("ACC-09", expected, got, later.where)
    if later.still == "restless" and later.skipped == limited.skipped:
        used = _processor_time(later) - _processor_time(limited)
        if used >= _BUSY:
            got = stated("it used {used:.1g} s of processor time while nothing came of it, and never slept", used=used)
            return Finding("ACC-09", expected, got, later.where)
    return _waited(limited, later)


def _waited(limited: Snapshot, later: Snapshot) -> Ruling:
    """Held where somebody stood in the queue at both looks, and the server slept, if only between two tries."""
    if not _somebody_waits(limited) or not _somebody_waits(later):
        return _TOOK_EVERYBODY
    measured = all(any(task.tid == look.main for task in look.tasks) for look in (limited, later))
    return Held() if measured else never_still(later)


def _processor_time(look: Snapshot) -> float:
    """Seconds the main task has run: a loop that also prints an error message each time sleeps now and then."""
    return sum(task.cpu_ns for task in look.tasks if task.tid == look.main) / 1e9


@oracle("ACC-10")
def interrupted_accept_is_called_again(case: Case) -> Ruling:
    """A signal with a handler comes while the server waits for a client; the next client is accepted.

    Whether it is answered as well is not asked: a server that never answers anybody has another mistake.
    """
    transcript = case.transcript
    sent = [step for step in transcript.scenario.steps if isinstance(step, Signal)]
    before = transcript.look(labels.WAITING)
    if before is None or not sent:
        return never_looked(labels.WAITING)
    name = next((step.name for step in sent if _handles(before, step.name)), sent[0].name)
    unfit = _not_interrupted(before, name)
    if unfit is not None:
        return unfit
    expected, last = stated("a client is served after the handler of {name} has run", name=name), _last(transcript)
    ruling = ruled("ACC-10", expected, case, (last,))
    lost = transcript.server_ended is not None or _kept_out(transcript, last)
    left = _left_behind("ACC-10", expected, transcript, [last])
    if (lost or left is not None) and isinstance(ruling, Finding):
        return ruling
    if left is not None:
        return left
    if not _has_run(before, transcript.look(labels.HANDLED)):
        return NotExercised(stated("that the handler of {name} ran was not seen", name=name))
    return Held() if was_taken(transcript, last) else not_seen_taken(last)


def _last(transcript: Transcript) -> str:
    return transcript.scenario.clients[-1]


def _not_interrupted(before: Snapshot, name: str) -> NotExercised | None:
    """Why the signal would interrupt no wait for a client."""
    if before.still == "restless":
        return never_still(before)
    waiting = {task.tid for task in before.tasks if task.call in _WAITING}
    if before.main not in waiting and waiting:
        return NotExercised(stated("the process that gets {name} leaves clients to its workers", name=name))
    if before.main not in waiting:
        return NotExercised(stated("the server was not waiting for a client when {name} came", name=name))
    if not _handles(before, name):
        return NotExercised(stated("the server does not handle {name}, or blocks it", name=name), absent=True)
    return None


def _handles(look: Snapshot, name: str) -> bool:
    bit = 1 << (signal.Signals[name] - 1)
    return any(process.pid == look.main and process.caught & bit & ~process.blocked for process in look.processes)


def _has_run(before: Snapshot, after: Snapshot | None) -> bool:
    """Whether the main task was given a processor between the two looks."""
    tasks = () if after is None else after.tasks
    now = {task.tid: (task.switches, task.cpu_ns) for task in tasks}
    return any(now.get(task.tid) not in (None, (task.switches, task.cpu_ns)) for task in _main_of(before))


def _main_of(look: Snapshot) -> tuple[Task, ...]:
    return tuple(task for task in look.tasks if task.tid == look.main)


def _kept_out(transcript: Transcript, client: str) -> bool:
    return any(isinstance(event, NotConnected) for event in transcript.of(client))


def _left_in_the_queue(transcript: Transcript, client: str) -> Snapshot | None:
    """The last look, if it finds this client in the queue."""
    looks = transcript.looks()
    side = looks[-1].snapshot.connection(client) if looks else None
    return looks[-1].snapshot if side is not None and side.state in _ALIVE and not side.accepted else None


@oracle("ACC-18")
def result_of_accept_is_checked(case: Case) -> Ruling:
    """Between a failed accept and the next one nothing is started for, or asked of, a client that is not there."""
    transcript = case.transcript
    if not _failed_accepts(transcript):
        return never_made("accept")
    failed: set[int] = set()
    noticed = False
    for call in transcript.calls:
        if call.family == "accept":
            noticed = noticed or call.tid in failed
            (failed.add if call.outcome.kind == "failed" else failed.discard)(call.tid)
        elif (used := _use_of_nobody(call, call.tid in failed)) is not None:
            return Finding(
                "ACC-18",
                stated("a failed accept is noticed before its result is used"),
                used,
                facts=Facts("failed accept"),
            )
    if not transcript.scenario.traps >= _USES:
        return NotExercised(stated("what the server calls after a failed accept was not watched"))
    return Held() if noticed else _NEVER_AGAIN


def _use_of_nobody(call: TracedCall, after_failure: bool) -> str | None:
    if call.family in ("recv", "send") and call.first == -1:
        return stated(
            "after accept had failed, process {tid} called {name} on descriptor -1", tid=call.tid, name=call.name
        )
    if call.family in ("fork", "thread") and after_failure:
        what = stated("a child") if call.family == "fork" else stated("a thread")
        return stated(
            "after accept had failed, process {tid} started {what} for the client it did not get",
            tid=call.tid,
            what=what,
        )
    return None
