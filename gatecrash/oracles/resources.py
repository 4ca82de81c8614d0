"""Resources come back: descriptors and threads after N clients and after as many again, and threads that fail.

Two looks are compared, never one with a number: pools, logs and event loops open what they need once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gatecrash.language import marked, stated
from gatecrash.model import labels
from gatecrash.model.facts import Facts
from gatecrash.model.scenario import Connect, Scenario, Settle
from gatecrash.model.transcript import Snapshot, TracedCall, Transcript
from gatecrash.model.verdicts import FILES_STAY, Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import judged_by
from gatecrash.oracles.children import not_served, outlived
from gatecrash.oracles.invariants import runaway
from gatecrash.oracles.let_go import let_go
from gatecrash.oracles.service import as_finding, speaks, unserved
from gatecrash.oracles.unseen import (
    all_accepted,
    never_made,
    nobody_came,
    nothing_known,
    server_gone,
    still,
    unserved_elsewhere,
)

_NAMED = 6  # descriptors that a finding names
_MORE = marked("{number} more after {clients} clients more, all of whom have gone")
_FEWEST = 4  # descriptors lost to a crowd: one or two may be a log file, or a pool's own


@oracle("RES-01")
def descriptors_come_back(case: Case) -> Ruling:
    """Every process has as many descriptors open after 2N served clients as after N."""
    expected = stated("no more descriptors open after a second crowd of clients than before")
    ruling = _descriptors("RES-01", case, expected)
    return ruling or not_served(case, case.transcript.scenario.clients) or Held()


@oracle("RES-02")
def rude_clients_cost_no_descriptors(case: Case) -> Ruling:
    """Every process has as many descriptors open after 2N rude clients as after N.

    What is left of clients whose connections a time limit has ended is TIME-05's affair.
    """
    expected = stated("no more descriptors open after a second crowd of rude clients than before")
    more = _descriptors("RES-02", case, expected)
    if isinstance(more, Finding) and let_go(case.transcript, case.contract):
        return judged_by("TIME-05")
    return more or all_accepted(case.transcript, labels.SECOND_CROWD) or Held()


def _descriptors(rule: str, case: Case, expected: str) -> Finding | NotExercised | None:
    """None where no more are open: whether that means anything depends on what the clients did."""
    looks = _both(case.transcript)
    if isinstance(looks, NotExercised):
        return looks
    first, second = looks
    grown = _more(first.descriptors, second.descriptors)
    if sum(grown.values()) < _FEWEST:
        return None
    if (asleep := next((look for look in looks if _sleeps_before_clients(look)), None)) is not None:
        assert asleep.listener is not None
        waiting = stated("{count} clients were still in the accept queue", count=asleep.listener.depth)
        return NotExercised(waiting, unproven=True)
    clients = _between(case.transcript.scenario)
    new = {pid: _new_ones(pid, first, second) for pid in grown}
    files = all(what.startswith("/") for found in new.values() for _, what in found) and any(new.values())
    got = stated(FILES_STAY if files else _MORE, number=sum(grown.values()), clients=clients)
    evidence = tuple(line for pid, found in new.items() for line in _named(pid, found))
    return Finding(rule, expected, got, evidence, facts=Facts("descriptors"))


def _sleeps_before_clients(look: Snapshot) -> bool:
    """Whether clients are in the accept queue, and the server sleeps: it may be in the middle of its answers.

    One sleep of it looks like the next one, though each is another client's.
    """
    waits = look.listener is not None and look.listener.depth > 0
    return waits and any(task.call in ("nanosleep", "clock_nanosleep") for task in look.tasks)


def _new_ones(pid: int, first: Snapshot, second: Snapshot) -> list[tuple[int, str]]:
    """The descriptors of one process that were not open before, by number and by what they are."""
    known = dict(dict(first.opened).get(pid, ()))
    return [(fd, what) for fd, what in dict(second.opened).get(pid, ()) if known.get(fd) != what]


def _named(pid: int, new: list[tuple[int, str]]) -> tuple[str, ...]:
    more = (stated("process {pid}: and {number} more", pid=pid, number=len(new) - _NAMED),) if len(new) > _NAMED else ()
    return (
        *(stated("process {pid}: descriptor {fd} is {what}", pid=pid, fd=fd, what=what) for fd, what in new[:_NAMED]),
        *more,
    )


@oracle("RES-03")
def threads_end_with_their_clients(case: Case) -> Ruling:
    """Every process has as many threads after 2N clients as after N, and as many stacks of threads."""
    looks = _both(case.transcript)
    if isinstance(looks, NotExercised):
        return looks
    return _threads_that_stay(case, *looks) or _stacks_that_stay(case, *looks) or _ended_threads(case, *looks)


def _ended_threads(case: Case, first: Snapshot, second: Snapshot) -> Ruling:
    """Held, if everybody was accepted, and no more threads or stacks are left than a few that chance leaves."""
    unseen = all_accepted(case.transcript, labels.SECOND_CROWD)
    if unseen is not None:
        return unseen
    if not {first.main, second.main} <= dict(first.stacks).keys() & dict(second.stacks).keys():
        return NotExercised(stated("the stacks of its threads could not be counted"))
    more = max(sum(_more(*map(_threads, (first, second))).values()), sum(_more(first.stacks, second.stacks).values()))
    if more < _FEWEST:
        return Held()
    return NotExercised(
        stated(
            "{number} threads or stacks more after {clients} clients more: perhaps a pool that still grows",
            number=more,
            clients=_between(case.transcript.scenario),
        ),
        unproven=True,
    )


def _threads(look: Snapshot) -> tuple[tuple[int, int], ...]:
    return tuple((p.pid, p.threads) for p in look.processes if p.pid in look.live)


def _more(first: Iterable[tuple[int, int]], second: Iterable[tuple[int, int]]) -> dict[int, int]:
    """By how much the count of each process that was there before has grown, where it has."""
    before = dict(first)
    return {pid: count - before[pid] for pid, count in second if count > before.get(pid, count)}


def _threads_that_stay(case: Case, *looks: Snapshot) -> Finding | None:
    grown = _more(*map(_threads, looks))
    clients = _between(case.transcript.scenario)
    if sum(grown.values()) < clients:
        return None
    got = stated(
        "{number} threads more after {clients} clients more, all of whom have gone",
        number=sum(grown.values()),
        clients=clients,
    )
    return Finding(
        "RES-03",
        stated("no more threads after a second crowd of clients than before"),
        got,
        looks[1].where,
        facts=Facts("threads"),
    )


def _stacks_that_stay(case: Case, first: Snapshot, second: Snapshot) -> Finding | None:
    """What a thread leaves behind that ended, was not detached, and is never joined (pthread_join(3), NOTES)."""
    grown = _more(first.stacks, second.stacks)
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
    return Finding("RES-03", expected, got, evidence, facts=Facts("threads"))


def _both(transcript: Transcript) -> tuple[Snapshot, Snapshot] | NotExercised:
    """The looks after N and after 2N clients, both of the same server at rest."""
    first, second = still(transcript, labels.FIRST_CROWD), still(transcript, labels.SECOND_CROWD)
    if isinstance(first, NotExercised):
        return first
    if isinstance(second, NotExercised):
        return second
    if not (first.running and second.running) or first.main != second.main:
        return server_gone(transcript)
    return first, second


def _between(scenario: Scenario) -> int:
    """How many clients came between the two looks."""
    called = [step.label if isinstance(step, Settle) else "" for step in scenario.steps]
    start, end = called.index(labels.FIRST_CROWD), called.index(labels.SECOND_CROWD)
    return sum(isinstance(step, Connect) for step in scenario.steps[start:end])


@oracle("RES-04")
def client_without_a_thread_is_let_go(case: Case) -> Ruling:
    """The client for whom no thread could be started gets an answer, an end or a reset, never nothing for ever."""
    failed, transcript = _failed(case.transcript), case.transcript
    if not failed:
        return replace(never_made("thread"), absent=True)  # a pool that has its threads from the start
    if transcript.server_ended is not None:
        return server_gone(transcript)
    unlucky = transcript.scenario.clients[:-1][: len(failed)]
    waiting = [c for c in unlucky if not transcript.received(c) and transcript.end(c) is None]
    if not waiting:
        return Held() if unlucky and all(map(transcript.connected, unlucky)) else nobody_came()
    if not speaks(case.contract):
        return nothing_known(waiting[0])
    client, silence = next(((c, s) for c in waiting if (s := transcript.silence(c)) is not None), (waiting[0], None))
    if silence is None:
        return unserved_elsewhere(client)
    got = stated(
        "starting its thread failed with {error}, and {client} waits for ever",
        error=_error(failed[0]),
        client=client,
    )
    expected = stated("an answer or the end of the connection, for a client whose thread cannot be started")
    return Finding("RES-04", expected, got, silence.where, conclusive=silence.proven)


@oracle("RES-05")
def failing_thread_does_not_end_the_server(case: Case) -> Ruling:
    """A client that comes after a thread could not be started is served."""
    failed = _failed(case.transcript)
    if not failed:
        return replace(never_made("thread"), absent=True)  # a pool that has its threads from the start
    last = case.transcript.scenario.clients[-1]
    expected = stated("a client is served after a thread could not be started")
    finding = as_finding("RES-05", expected, unserved(case, last))
    if finding is None:
        return outlived(case, last)
    return replace(finding, got=stated("after {error}: {got}", error=_error(failed[0]), got=finding.got))


def _failed(transcript: Transcript) -> tuple[TracedCall, ...]:
    return tuple(c for c in transcript.calls if c.family == "thread" and c.outcome.kind == "failed")


def _error(call: TracedCall) -> str:
    return call.outcome.errno


@oracle("RES-07")
def it_keeps_within_its_limits(case: Case) -> Ruling:
    """The arena had to end the server because it had more of something than it was given."""
    transcript = case.transcript
    found = runaway(transcript)
    if found is not None:
        return found
    look = still(transcript, labels.ANSWERED)
    if isinstance(look, NotExercised):
        return look
    if not look.running:
        return server_gone(transcript)
    return Held() if any(map(transcript.connected, transcript.scenario.clients)) else nobody_came()


@oracle("RES-06")
def processes_stay_with_clients(case: Case) -> Ruling:
    """The arena had to end the server because it forked without end."""
    transcript = case.transcript
    found = runaway(transcript)
    if found is not None:
        return found
    look = still(transcript, labels.LIMITED)
    if isinstance(look, NotExercised):
        return look
    if not look.running:
        return server_gone(transcript)
    # At rest it starts nothing more, so what is there is all: with no client as well.
    came = not transcript.scenario.clients or any(map(transcript.connected, transcript.scenario.clients))
    return Held() if came else nobody_came()
