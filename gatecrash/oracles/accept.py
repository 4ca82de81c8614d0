"""Taking connections: the accept loop, the listening socket, and accept calls that fail."""

from __future__ import annotations

import signal
from dataclasses import replace

from gatecrash.language import stated
from gatecrash.oracles import oracle
from gatecrash.oracles.service import as_finding, askers, first_unserved, speaks, unserved
from gatecrash.scenario import LimitDescriptors, Signal
from gatecrash.transcript import Snapshot, TracedCall, Transcript
from gatecrash.verdicts import Case, Finding

#: Seconds of processor time in about 0.6 s. Waiting 50 ms between two tries takes a hundredth of that.
_BUSY = 0.1
#: Where a server waits for its next client: poll and its kin are interrupted even where SA_RESTART is set (signal(7)).
_WAITING = frozenset({"accept", "accept4", "poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait"})


@oracle("ACC-01")
def second_client_is_accepted(case: Case) -> Finding | None:
    """Once the first client was served, so is every later one."""
    first, *later = case.transcript.scenario.clients
    # A server that need not answer serves its first client by taking it, even if it leaves with it.
    served = case.transcript.connected(first) if not speaks(case.contract) else first_unserved(case, (first,)) is None
    if not served:
        return None
    return as_finding(
        "ACC-01", stated("the second client is served like the first"), first_unserved(case, tuple(later))
    )


@oracle("ACC-16")
def idle_client_blocks_nobody(case: Case) -> Finding | None:
    """Every client that asks is served although others are connected and say nothing.

    A server that turns somebody away while it is busy does not keep them waiting: only silence counts.
    """
    for client in askers(case):
        missing = unserved(case, client)
        if missing is not None and case.transcript.end(client) is None:
            return as_finding(
                "ACC-16", stated("a client is served although another one is connected and idle"), missing
            )
    return None


@oracle("ACC-17")
def listening_socket_stays_open(case: Case) -> Finding | None:
    """No look finds the server running without its listening socket."""
    for look in case.transcript.looks():
        seen = look.snapshot
        if seen.running and seen.listener is None and seen.still in ("quiet", "spinning"):
            got = stated("after serving clients the server runs on, but its listening socket is closed")
            return Finding("ACC-17", stated("the listening socket stays open"), got, seen.where)
    return None


@oracle("ACC-07")
def transient_error_is_survived(case: Case) -> Finding | None:
    """A client that comes after accept has failed is served."""
    return _after_failure("ACC-07", case)


@oracle("ACC-08")
def shortage_of_descriptors_is_survived(case: Case) -> Finding | None:
    """A client that comes after the shortage is served."""
    if any(isinstance(step, LimitDescriptors) for step in case.transcript.scenario.steps):
        missing = unserved(case, case.transcript.scenario.clients[-1])
        return as_finding("ACC-08", stated("a client is served once descriptors are free again"), missing)
    return _after_failure("ACC-08", case)


def _after_failure(rule: str, case: Case) -> Finding | None:
    """Only the last client counts: a failed accept may well have cost the one it was called for."""
    failed = _failed_accepts(case.transcript)
    missing = unserved(case, case.transcript.scenario.clients[-1])
    if not failed or missing is None:
        return None
    error = failed[0].outcome.removeprefix("failed ")
    finding = as_finding(rule, stated("a client is served after accept has failed with {error}", error=error), missing)
    return (
        None
        if finding is None
        else replace(finding, got=stated("after accept failed with {error}: {got}", error=error, got=finding.got))
    )


def _failed_accepts(transcript: Transcript) -> tuple[TracedCall, ...]:
    return tuple(c for c in transcript.calls if c.family == "accept" and c.outcome.startswith("failed"))


@oracle("ACC-09")
def shortage_of_descriptors_is_waited_out(case: Case) -> Finding | None:
    """The server sleeps while descriptors have run out, as it did before."""
    before, limited = case.transcript.look("unlimited"), case.transcript.look("limited")
    if before is None or limited is None or before.still in ("spinning", "restless"):
        return None
    expected = stated("the server sleeps while it has no descriptor for the next client")
    if limited.still == "spinning":
        got = stated(
            "it wanted a processor for {share:.0%} of the time in which nothing came of it", share=limited.share
        )
        return Finding("ACC-09", expected, got, limited.where)
    later = case.transcript.look("still limited")
    if later is None or "restless" not in (limited.still, later.still):
        return None
    used = _processor_time(later) - _processor_time(limited)
    if used < _BUSY:
        return None
    got = stated("it used {used:.1g} s of processor time while nothing came of it, and never slept", used=used)
    return Finding("ACC-09", expected, got, later.where)


def _processor_time(look: Snapshot) -> float:
    """Seconds the main task has run: a loop that also prints an error message each time sleeps now and then."""
    return sum(task.cpu_ns for task in look.tasks if task.tid == look.main) / 1e9


@oracle("ACC-10")
def interrupted_accept_is_called_again(case: Case) -> Finding | None:
    """A signal with a handler comes while the server waits for a client; the next client is accepted.

    Whether it is answered as well is not asked: a server that never answers anybody has another mistake.
    """
    sent = [step for step in case.transcript.scenario.steps if isinstance(step, Signal)]
    before = case.transcript.look("waiting")
    if before is None or not sent or not _waits_for_a_client(before) or not _handles(before, sent[0].name):
        return None
    last = case.transcript.scenario.clients[-1]
    if case.transcript.server_ended is None and not _left_in_the_queue(case.transcript, last):
        return None
    expected = stated("a client is served after the handler of {name} has run", name=sent[0].name)
    return as_finding("ACC-10", expected, unserved(case, last))


def _left_in_the_queue(transcript: Transcript, client: str) -> bool:
    look = transcript.look("after")
    side = look.connection(client) if look is not None else None
    return side is not None and side.state == "ESTABLISHED" and not side.accepted


def _waits_for_a_client(look: Snapshot) -> bool:
    return any(task.tid == look.main and task.call in _WAITING for task in look.tasks)


def _handles(look: Snapshot, name: str) -> bool:
    bit = 1 << (signal.Signals[name] - 1)
    return any(process.pid == look.main and process.caught & bit for process in look.processes)


@oracle("ACC-18")
def result_of_accept_is_checked(case: Case) -> Finding | None:
    """Between a failed accept and the next one nothing is started for, or asked of, a client that is not there."""
    failed: set[int] = set()
    for call in case.transcript.calls:
        if call.family == "accept":
            (failed.add if call.outcome.startswith("failed") else failed.discard)(call.tid)
        elif (used := _use_of_nobody(call, call.tid in failed)) is not None and _failed_accepts(case.transcript):
            return Finding("ACC-18", stated("a failed accept is noticed before its result is used"), used)
    return None


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
