"""What a time limit does besides ending one connection: to others who are there, and to the server itself."""

from collections.abc import Sequence

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.contract import CONCURRENT_MODELS, Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    LetTimePass,
    Receive,
    Scenario,
    Settle,
    Step,
    optional_send,
    scenario,
)
from gatecrash.protocols import plain_request
from strategies import client_names
from strategies.visits import visit
from strategies.waiting import LONG, beginnings, limit_of

#: When another client comes, in limits: so late that its own is far when the first one's is over, or when that is long
#: past (who comes earlier may set the one alarm of a process anew).
_COMES = (0.9, 2.0, 0.95)
#: Clients that are let go together, where all have a place; and one after the other.
_CROWDS, _ONE_BY_ONE = (20, 40, 100), 4


@pytest.mark.rule("TIME-04")
def test_a_limit_ends_one_connection(trial: Trial) -> None:
    begun = st.sampled_from(beginnings(trial.contract))
    trial.verify(st.builds(_another_comes, st.just(trial.contract), begun, st.sampled_from(_COMES)), examples=4)


@pytest.mark.rule("TIME-05")
def test_a_limit_leaves_nothing_behind(trial: Trial) -> None:
    together = trial.contract.concurrency in CONCURRENT_MODELS
    counts = st.sampled_from(_CROWDS if together else (_ONE_BY_ONE,))
    begun = st.sampled_from(beginnings(trial.contract))
    trial.verify(st.builds(_twice, counts, begun, st.just(together)), examples=3)


def _another_comes(contract: Contract, begun: bytes, part: float) -> Scenario:
    """One client waits for ever. Another one begins as it did, but late, and goes on when the first one is let go.

    Its limit is the same, and was set later: so it is to be answered, and whoever comes then. The last one does that
    alone: what it does not get, no limit of another's took.
    """
    if contract.concurrency not in CONCURRENT_MODELS:
        return scenario(_begins("A", begun), LetTimePass(LONG), visit("B", contract))
    limit = limit_of(contract, begun)
    return scenario(
        _begins("A", begun),
        LetTimePass(part * limit),
        _asks_in_two("B", contract, begun, 0.2 * limit),
        visit("C", contract),
        _asks_in_two("D", contract, begun, 0.2 * limit),
    )


def _asks_in_two(name: str, contract: Contract, begun: bytes, pause: float) -> tuple[Step, ...]:
    """A client that begins, and goes on after so many seconds."""
    rest = optional_send(name, plain_request(contract)[len(begun) :], until_read=False)
    return (*_begins(name, begun), LetTimePass(pause), *rest, Receive(name), Close(name))


def _begins(name: str, begun: bytes) -> tuple[Step, ...]:
    return (Connect(name), *optional_send(name, begun))


def _twice(count: int, begun: bytes, together: bool) -> Scenario:
    """So many clients are let go, and as many again."""
    names = client_names(2 * count)
    first, second = (_wait(half, begun, together) for half in (names[:count], names[count:]))
    return scenario(first, Settle(labels.FIRST_CROWD), second, Settle(labels.SECOND_CROWD))


def _wait(names: Sequence[str], begun: bytes, together: bool) -> tuple[Step, ...]:
    if not together:
        return tuple(step for name in names for step in (*_begins(name, begun), LetTimePass(LONG), Close(name)))
    return (*(step for name in names for step in _begins(name, begun)), LetTimePass(LONG), *map(Close, names))
