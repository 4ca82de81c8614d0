"""Scenarios about a server's children: clients that keep theirs, clients that come and go, clients without one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gatecrash.instruments import gates
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import AwaitHeld, Close, Connect, Fail, Hold, Release, Scenario, Settle, Step, scenario
from gatecrash.protocols import ask, protocol_of
from strategies.names import client_names


def twice_as_many(visits: Sequence[Iterable[Step]]) -> Scenario:
    """Visits of clients, one after the other, with a look after half of them and after all."""
    half = len(visits) // 2
    return scenario(*visits[:half], Settle(labels.ONCE), *visits[half:], Settle(labels.TWICE))


def served_twice_as_many(contract: Contract, count: int) -> Scenario:
    """`count` clients are served and leave, one after the other, then as many again."""
    return twice_as_many([(*ask(name, contract), Close(name)) for name in client_names(2 * count)])


def children_at_work(contract: Contract, clients: Sequence[str]) -> tuple[Step, ...]:
    """Each of these clients has its child, which waits for more; one that speaks first is held before it does."""
    connects = tuple(Connect(name) for name in clients)
    return (Hold("send", len(clients)), *connects, AwaitHeld(len(clients))) if _held(contract) else connects


def children_go_on(contract: Contract) -> tuple[Step, ...]:
    """Who was held in `children_at_work` is held no more."""
    return (Release(),) if _held(contract) else ()


def _held(contract: Contract) -> bool:
    return protocol_of(contract).speaks_first and gates.available() is None


def held_connection(contract: Contract, count: int = 1) -> Scenario:
    """Clients who are being served when the server is looked at."""
    return scenario(children_at_work(contract, client_names(count)), Settle(labels.SERVING), children_go_on(contract))


def knocking(contract: Contract, idle: int = 1, leaving: int = 1) -> Scenario:
    """Idle clients, others that come and leave, and one that knocks then."""
    names = client_names(idle + leaving + 1)
    left = ((*ask(name, contract), Close(name)) for name in names[idle:-1])
    knocks = (Connect(names[-1]), *protocol_of(contract).request(names[-1]), Settle(labels.KNOCKING))
    seen = Settle(labels.LEFT if leaving else labels.IDLE)
    return scenario(children_at_work(contract, names[:idle]), *left, seen, knocks)


def fork_fails(contract: Contract, error: str, times: int = 1) -> Scenario:
    """`times` clients for whom fork fails; then one for whom it works."""
    *unlucky, last = client_names(times + 1)
    came = ((Connect(name), *protocol_of(contract).request(name)) for name in unlucky)
    left = (Close(name) for name in unlucky)
    return scenario(Fail("fork", error, times), *came, Settle(labels.FAILED), left, ask(last, contract), Close(last))
