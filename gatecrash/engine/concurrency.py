"""How a server handles several clients: what is seen of its processes, threads and calls when one comes.

A model is causal evidence, never a guess from the number of threads: a fork or a thread *because* a client came, one
more client served, or not, beside idle ones. A child is one for the connection when it has it, or answers: an event
loop may run a program for each request, and a thread may start one that keeps a log.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gatecrash.engine.session import Session
from gatecrash.errors import Unavailable
from gatecrash.instruments import gates
from gatecrash.model.contract import Concurrency, Contract
from gatecrash.model.scenario import Connect, Receive, Settle, scenario
from gatecrash.model.transcript import Ended, Got, Snapshot, Transcript
from gatecrash.protocols import ask, protocol_of

#: Workers: of a larger pool it does not matter for any rule whether a thread or two do other things.
_SMALL_POOL = 4
#: Idle clients: more than a pool has threads that nobody gave a number (Python's has 32 at most).
_LARGE_POOL = 40
#: Seconds of a server's own time in which no limit lets an idle client go before another one has come.
_A_MOMENT = 0.2


@dataclass(frozen=True)
class Model:
    """The model, the number of workers where it has a fixed one, and whether processes are started for clients."""

    concurrency: Concurrency
    workers: int | None = None
    starts_children: bool = False


@dataclass(frozen=True)
class _Made:
    """Which of fork and clone a client that is answered brought about, and whether those sent that were there before.

    `by_others`: nobody who was there before has sent anything, or nobody was seen to send.
    """

    calls: frozenset[str] = frozenset()
    by_others: bool = True

    @property
    def child_answers(self) -> bool:
        """Whether a process was started for the client, and none of those before answered it."""
        return "fork" in self.calls and self.by_others


def model_of(session: Session, contract: Contract) -> Model:
    """How it handles clients."""
    made = _made_for_a_client(session, contract)
    model, workers = (
        (_model_of_datagrams(made), None) if protocol_of(contract).connectionless else _model(session, contract, made)
    )
    return Model(model, workers, starts_children="fork" in made.calls)


def _model_of_datagrams(made: _Made) -> Concurrency:
    """A UDP server has no connections: it forks, or starts a thread, for a datagram, or answers it itself."""
    return "thread" if "thread" in made.calls else "fork" if made.child_answers else "iterative"


def _model(session: Session, contract: Contract, made: _Made) -> tuple[Concurrency, int | None]:
    idle = scenario(Settle("before"), Connect("A"), Settle("with A"))
    transcript = session.play(idle, fresh=True)
    before, with_a = transcript.look("before"), transcript.look("with A")
    if before is None or with_a is None:
        return "unknown", None
    if _has_a_child(before, with_a):
        return "fork", None
    if "thread" in made.calls or len(_tasks(with_a, of=before)) > len(_tasks(before, of=before)):
        return "thread", _started_pool(session, contract, len(_tasks(before, of=before)))
    if made.child_answers:
        return "fork", None
    holders = len(before.listener_holders)
    if holders > 1 or (len(before.live) > 1 and before.main not in before.listener_holders):
        return "prefork", _acceptors(session)
    if not _serves_beside_an_idle_client(session, contract):
        return "iterative", None  # whatever else its threads are there for
    threads = len(_tasks(before, of=before))
    if threads == 1 and _waits_for_the_next(with_a):
        return "iterative", None  # it never waits for a client, and serves one to the end before it takes another
    if threads > 1 and not _serves_beside_idle_clients(session, contract, threads):
        return "thread", _pool(session, contract, threads)
    return "event_loop", None


def _has_a_child(before: Snapshot, with_a: Snapshot) -> bool:
    """Whether a process was started that has A's connection: the server's own, or another that has it alone.

    A program that is run for something else has a copy of the connection where nobody closes it.
    """
    new = {process.pid: process.name for process in with_a.processes if process.pid in {*with_a.live} - {*before.live}}
    side = with_a.connection("A")
    if side is None or not side.holders:
        return bool(new)
    names = {process.name for process in before.processes}
    with_it = {pid for pid, _ in side.holders}
    return any(pid in with_it and (name in names or with_it <= new.keys()) for pid, name in new.items())


def _waits_for_the_next(look: Snapshot) -> bool:
    """Whether all that it does with a client who is there is to wait in accept: no loop over several."""
    return bool(look.tasks) and all(task.call in ("accept", "accept4") and task.state == "S" for task in look.tasks)


def _tasks(look: Snapshot, *, of: Snapshot) -> tuple[int, ...]:
    """The tasks of those processes that are in `of`."""
    return tuple(task.tid for task in look.tasks if task.pid in of.live)


#: What a worker waits in for its turn at the listener, or whose end it is cannot be told; "running" is on its way.
_FOR_ITS_TURN = frozenset(("futex", "flock", "fcntl", "semop", "semtimedop", "running", "?"))


def _acceptors(session: Session) -> int | None:
    """Workers are the holders of the listener that wait at it, or for their turn: not a parent that only holds it.

    Idle threads of a parent wait in futex as well, so that it is no worker by that. Whoever waits for its turn in
    another way (for a byte in a pipe) is one when it has a client.
    """
    look = session.play(scenario(Settle("started")), fresh=True).look("started")
    if look is None or session.running is None:
        return None
    waiting = session.running.at_the_listener()
    if waiting:
        waiting |= {task.pid for task in look.tasks if task.call in _FOR_ITS_TURN} - {look.main or 0}
    workers = len(waiting & set(look.listener_holders))
    others = len({*look.listener_holders} - waiting - {look.main})
    return max(workers, _with_a_client(session, workers + others) if workers and others else 0) or len(
        look.listener_holders
    )


def _with_a_client(session: Session, clients: int) -> int:
    """How many processes have a client when so many are there and say nothing."""
    idle = (Connect(f"A{number}") for number in range(min(clients, _LARGE_POOL)))
    look = session.play(scenario(idle, Settle("with all")), fresh=True).look("with all")
    return 0 if look is None else len({pid for side in look.connections for pid, _ in side.holders})


def _pool(session: Session, contract: Contract, threads: int) -> int:
    """How many idle clients keep a pool busy: not every thread need be a worker."""
    for count in range(2, min(threads, _SMALL_POOL + 1)):
        if not _serves_beside_idle_clients(session, contract, count):
            return count
    return threads - 1


def _started_pool(session: Session, contract: Contract, before: int) -> int | None:
    """Of a pool that starts its threads as clients come: how many there are, when so many clients do not get one each.

    None: each client has its own.
    """
    idle = (Connect(f"A{number}") for number in range(_LARGE_POOL))
    transcript = session.play(scenario(idle, Settle("with all"), ask("B", contract)), fresh=True)
    look, silence = transcript.look("with all"), transcript.silence("B")
    if look is None or silence is None or not silence.proven or _served_beside(transcript):
        return None
    started = len(look.tasks) - before
    return started if 0 < started < _LARGE_POOL else None


def _made_for_a_client(session: Session, contract: Contract) -> _Made:
    """What the server starts because a client came, and who sends: a fact, when the gates work here."""
    if gates.available() is not None:
        return _Made()
    traps = frozenset({"fork", "thread", "send"})
    try:
        server = session.fresh(traps=traps)
    except Unavailable:
        return _Made()
    # What it starts before the first client comes (a prefork server's workers) is over once it is quiet.
    look = session.play_on(server, scenario(Settle("started"))).look("started")
    begun = (replace(step, at_most=1) if isinstance(step, Receive) else step for step in ask("A", contract))
    transcript = session.play_on(server, scenario(begun))  # a whole answer may have no end, and each send takes long
    session.drop()
    senders = {call.tid for call in transcript.calls if call.family == "send"}
    there = set() if look is None else {task.tid for task in look.tasks}
    return _Made(
        frozenset(call.family for call in transcript.calls) - {"send"}, by_others=not senders or not senders <= there
    )


def _serves_beside_idle_clients(session: Session, contract: Contract, count: int) -> bool:
    """Whether one more is served than there are threads (or workers): then they are not there for a client each."""
    idle = (Connect(f"A{number}") for number in range(count))
    played = scenario(idle, Settle("with A", within=_A_MOMENT), ask("B", contract))
    return _served_beside(session.play(played, fresh=True))


def _served_beside(transcript: Transcript) -> bool:
    """Whether B was served while those before it were there: none had been let go by a time limit by then."""
    first = next((n for n, e in enumerate(transcript.events) if isinstance(e, Got) and e.client == "B"), None)
    return first is not None and not any(isinstance(event, Ended) for event in transcript.events[:first])


def _serves_beside_an_idle_client(session: Session, contract: Contract) -> bool:
    played = scenario(Connect("A"), Settle("with A", within=_A_MOMENT), ask("B", contract))
    transcript = session.play(played, fresh=True)
    if transcript.received("B"):
        return _served_beside(transcript)
    look = session.play(scenario(Connect("A"), Settle("with A"), Connect("B"), Settle("both")), fresh=True).look("both")
    side = look.connection("B") if look is not None else None
    return side is not None and side.accepted
