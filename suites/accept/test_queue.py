"""The accept queue: everybody in it is served, in order, and who leaves it early harms nobody.

The server is frozen while clients arrive, so that they wait in the queue for certain.
"""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    AwaitHeld,
    Close,
    Connect,
    Freeze,
    HalfClose,
    Hold,
    Receive,
    Release,
    Reset,
    Scenario,
    Settle,
    Step,
    Thaw,
    scenario,
)
from gatecrash.protocols import is_seen, protocol_of, visit
from strategies import client_names

_MOST = 5  # clients: as many as the smallest backlog that the rules ask for


@pytest.mark.rule("ACC-02", probe=lambda contract: _all_at_once(contract, 3))
def test_every_client_in_the_queue_is_served(trial: Trial) -> None:
    trial.verify(st.integers(2, _MOST).map(lambda count: _all_at_once(trial.contract, count)))


@pytest.mark.rule("ACC-03")
def test_clients_are_served_in_the_order_they_came(trial: Trial) -> None:
    trial.verify(st.integers(2, _MOST).map(lambda count: _until_the_first_answer(trial.contract, count)))


@pytest.mark.rule("ACC-04")
def test_the_backlog_is_big_enough(trial: Trial) -> None:
    trial.verify(st.just(scenario(Settle(labels.START))))


@pytest.mark.rule("ACC-05")
def test_a_reset_in_the_queue_does_no_harm(trial: Trial) -> None:
    trial.verify(_ORDERS.map(lambda leaves: _some_leave(trial.contract, leaves, Reset)))


@pytest.mark.rule("ACC-06")
def test_a_close_in_the_queue_does_no_harm(trial: Trial) -> None:
    trial.verify(_ORDERS.map(lambda leaves: _some_leave(trial.contract, leaves, Close)))


#: Who of the clients in the queue leaves it; the last one never does.
_ORDERS = st.lists(st.booleans(), min_size=1, max_size=_MOST - 1).filter(any).map(lambda drawn: (*drawn, False))


def _arrival(contract: Contract, name: str) -> tuple[Step, ...]:
    return (Connect(name), *protocol_of(contract).request(name))


def _all_at_once(contract: Contract, count: int) -> Scenario:
    """Each one half-closes after its answer, so that a server that serves one at a time comes to the next."""
    names = client_names(count)
    arrivals = (_arrival(contract, name) for name in names)
    leaving = ((Receive(name), HalfClose(name)) for name in names)
    return scenario(Freeze(), *arrivals, Settle(labels.IN_THE_QUEUE), Thaw(), *leaving, Settle(labels.REST))


def _until_the_first_answer(contract: Contract, count: int) -> Scenario:
    names = client_names(count)
    arrivals = (_arrival(contract, name) for name in names)
    held = (Hold("send"), Thaw(), AwaitHeld(), Settle(labels.FIRST_ANSWER), Release())
    leaving = ((Receive(name), Close(name)) for name in names)
    return scenario(Freeze(), *arrivals, *held, *leaving)


def _some_leave(contract: Contract, leaves: tuple[bool, ...], leave: type[Reset] | type[Close]) -> Scenario:
    """Clients that leave say nothing: what a server makes of half a request is another rule's affair."""
    names = client_names(len(leaves))
    came: list[Step] = []
    served: list[Step] = []
    for name, leaves_early in zip(names, leaves, strict=True):
        came.extend((Connect(name), leave(name)) if leaves_early else _arrival(contract, name))
        served.extend(() if leaves_early else (Receive(name), *is_seen(name, contract), Close(name)))
    return scenario(Freeze(), came, Settle(labels.IN_THE_QUEUE), Thaw(), served, _one_more(contract))


def _one_more(contract: Contract) -> tuple[Step, ...]:
    """A mistake of the last one in the queue shows when the next client comes."""
    return visit("Z", contract)
