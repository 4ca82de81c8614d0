"""Resources come back: descriptors and threads after N clients and after as many again, and threads that fail.

Two looks are compared, never one with a number: pools, logs and event loops open what they need once.
"""

from __future__ import annotations

from dataclasses import replace

from gatecrash.language import stated
from gatecrash.oracles import oracle
from gatecrash.oracles.invariants import runaway
from gatecrash.oracles.service import as_finding, unserved
from gatecrash.scenario import FIRST_CROWD, SECOND_CROWD, Connect, Scenario, Settle
from gatecrash.transcript import Snapshot, TracedCall, Transcript
from gatecrash.verdicts import Case, Finding

_NAMED = 6  # descriptors that a finding names
_FEWEST = 4  # descriptors lost to a crowd: one or two may be a log file, or a pool's own


@oracle("RES-01")
def descriptors_come_back(case: Case) -> Finding | None:
    """Every process has as many descriptors open after 2N served clients as after N."""
    return _descriptors("RES-01", case, stated("no more descriptors open after a second crowd of clients than before"))


@oracle("RES-02")
def rude_clients_cost_no_descriptors(case: Case) -> Finding | None:
    """Every process has as many descriptors open after 2N rude clients as after N."""
    return _descriptors(
        "RES-02", case, stated("no more descriptors open after a second crowd of rude clients than before")
    )


def _descriptors(rule: str, case: Case, expected: str) -> Finding | None:
    looks = _both(case.transcript)
    if looks is None:
        return None
    first, second = looks
    before = dict(first.descriptors)
    grown = {pid: count - before[pid] for pid, count in second.descriptors if count > before.get(pid, count)}
    if sum(grown.values()) < _FEWEST:
        return None
    clients = _between(case.transcript.scenario)
    got = stated(
        "{number} more after {clients} clients more, all of whom have gone", number=sum(grown.values()), clients=clients
    )
    evidence = tuple(line for pid in grown for line in _new_ones(pid, first, second))
    return Finding(rule, expected, got, evidence)


def _new_ones(pid: int, first: Snapshot, second: Snapshot) -> tuple[str, ...]:
    """The descriptors of one process that were not open before, by number and by what they are."""
    known = dict(dict(first.opened).get(pid, ()))
    new = [(fd, what) for fd, what in dict(second.opened).get(pid, ()) if known.get(fd) != what]
    more = (stated("process {pid}: and {number} more", pid=pid, number=len(new) - _NAMED),) if len(new) > _NAMED else ()
    return (
        *(stated("process {pid}: descriptor {fd} is {what}", pid=pid, fd=fd, what=what) for fd, what in new[:_NAMED]),
        *more,
    )


@oracle("RES-03")
def threads_end_with_their_clients(case: Case) -> Finding | None:
    """Every process has as many threads after 2N clients as after N, and as many stacks of threads."""
    looks = _both(case.transcript)
    return None if looks is None else _threads_that_stay(case, *looks) or _stacks_that_stay(case, *looks)


def _threads_that_stay(case: Case, *looks: Snapshot) -> Finding | None:
    first, second = ({p.pid: p.threads for p in look.processes if p.pid in look.live} for look in looks)
    grown = {pid: count - first[pid] for pid, count in second.items() if count > first.get(pid, count)}
    clients = _between(case.transcript.scenario)
    if sum(grown.values()) < clients:
        return None
    got = stated(
        "{number} threads more after {clients} clients more, all of whom have gone",
        number=sum(grown.values()),
        clients=clients,
    )
    return Finding("RES-03", stated("no more threads after a second crowd of clients than before"), got, looks[1].where)


def _stacks_that_stay(case: Case, first: Snapshot, second: Snapshot) -> Finding | None:
    """What a thread leaves behind that ended, was not detached, and is never joined (pthread_join(3), NOTES)."""
    before = dict(first.stacks)
    grown = {pid: count - before[pid] for pid, count in second.stacks if count > before.get(pid, count)}
    clients = _between(case.transcript.scenario)
    if sum(grown.values()) < clients:
        return None
    got = stated(
        "{clients} clients more left {number} stacks of ended threads behind: nobody joins or detaches them",
        number=sum(grown.values()),
        clients=clients,
    )
    expected = stated("no more stacks of threads after a second crowd of clients than before")
    threads = {p.pid: p.threads for p in second.processes}
    evidence = tuple(
        stated(
            "process {pid}: {stacks} stacks of threads, {threads} of them in use",
            pid=pid,
            stacks=dict(second.stacks)[pid],
            threads=threads[pid] - 1,
        )
        for pid in grown
    )
    return Finding("RES-03", expected, got, evidence)


def _both(transcript: Transcript) -> tuple[Snapshot, Snapshot] | None:
    """The looks after N and after 2N clients, both of the same server at rest."""
    first, second = transcript.look(FIRST_CROWD), transcript.look(SECOND_CROWD)
    if first is None or second is None or not (first.running and second.running) or first.main != second.main:
        return None
    return (first, second) if {first.still, second.still} <= {"quiet", "spinning"} else None


def _between(played: Scenario) -> int:
    """How many clients came between the two looks."""
    labels = [step.label if isinstance(step, Settle) else "" for step in played.steps]
    start, end = labels.index(FIRST_CROWD), labels.index(SECOND_CROWD)
    return sum(isinstance(step, Connect) for step in played.steps[start:end])


@oracle("RES-04")
def client_without_a_thread_is_let_go(case: Case) -> Finding | None:
    """The client for whom no thread could be started gets an answer, an end or a reset, never nothing for ever."""
    failed = _failed(case.transcript)
    if not failed or case.transcript.server_ended is not None:
        return None
    for client in case.transcript.scenario.clients[: len(failed)]:
        silence = case.transcript.silence(client)
        if silence is not None and not case.transcript.received(client) and case.transcript.end(client) is None:
            got = stated(
                "starting its thread failed with {error}, and {client} waits for ever",
                error=_error(failed[0]),
                client=client,
            )
            expected = stated("an answer or the end of the connection, for a client whose thread cannot be started")
            return Finding("RES-04", expected, got, silence.where, conclusive=silence.proven)
    return None


@oracle("RES-05")
def failing_thread_does_not_end_the_server(case: Case) -> Finding | None:
    """A client that comes after a thread could not be started is served."""
    failed = _failed(case.transcript)
    missing = unserved(case, case.transcript.scenario.clients[-1])
    if not failed or missing is None:
        return None
    finding = as_finding("RES-05", stated("a client is served after a thread could not be started"), missing)
    return (
        None
        if finding is None
        else replace(finding, got=stated("after {error}: {got}", error=_error(failed[0]), got=finding.got))
    )


def _failed(transcript: Transcript) -> tuple[TracedCall, ...]:
    return tuple(c for c in transcript.calls if c.family == "thread" and c.outcome.startswith("failed"))


def _error(call: TracedCall) -> str:
    return call.outcome.removeprefix("failed ")


@oracle("RES-06")
def processes_stay_with_clients(case: Case) -> Finding | None:
    """The arena had to end the server because it forked without end."""
    return runaway(case.transcript)
