"""Memory: clients that send what nobody expects, and leave as they please, make no process lose its memory's bounds.

The first two rules speak through the build with the sanitizers, the third through the kernel.
"""

from collections.abc import Sequence

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.contract import CONCURRENT_MODELS, Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    Freeze,
    HalfClose,
    ReceiveDatagrams,
    Reset,
    Scenario,
    Send,
    SendDatagram,
    Settle,
    Step,
    scenario,
)
from gatecrash.protocols import protocol_of
from strategies import client_names
from strategies.rude import known_nonsense, known_sizes, odd_words, rude_words

_MOST = 12  # clients
#: Seconds for a server to take in what was sent. One that then waits with a time limit is not waited for.
_SOON = 0.2
#: Bytes that mean nothing: a zero byte, no text, no number.
_ODD = (b"\x00\n", b"\xff\xfe\n", b"-1\n")
#: Clients at once: one more than tables often have room for.
_FULL_HOUSES = (17, 33, 65, 129)
_FOUR, _HERE = 4, Settle(labels.HERE, within=_SOON)
_Ways = type[Close] | type[Reset] | type[HalfClose]
_WAYS: tuple[_Ways, ...] = (Close, Reset, HalfClose)


@pytest.mark.rule("MEM-01")
def test_memory_is_read_and_written_within_its_bounds(trial: Trial) -> None:
    full = [_full_house(_FULL_HOUSES[-1])] if _keeps_a_table(trial.contract) else []
    trial.verify(_rude_crowds(trial.contract), surely=full)


@pytest.mark.rule("MEM-02")
def test_nothing_is_done_whose_result_is_undefined(trial: Trial) -> None:
    said = known_sizes(protocol_of(trial.contract))
    crowds = [_crowd(trial.contract, said[at : at + _MOST]) for at in range(0, len(said), _MOST)]
    trial.verify(_rude_crowds(trial.contract), surely=crowds)


@pytest.mark.rule("MEM-03", probe=lambda contract: _everything_odd(contract))
def test_no_process_dies_of_a_memory_fault(trial: Trial) -> None:
    trial.verify(_rude_crowds(trial.contract))


def _everything_odd(contract: Contract) -> Scenario:
    return odd_words(contract, (*_ODD, *known_nonsense(protocol_of(contract))))


def _rude_crowds(contract: Contract) -> st.SearchStrategy[Scenario]:
    """Clients, each with something rude to say and a way to leave; all at once where each has a server of its own."""
    protocol = protocol_of(contract)
    said = rude_words(protocol)
    if protocol.connectionless:
        return st.lists(said, min_size=1, max_size=_MOST).map(_datagrams)
    clients = st.lists(st.tuples(said, st.sampled_from(_WAYS)), min_size=1, max_size=_MOST)
    crowds = clients.map(lambda drawn: _saying(contract, drawn))
    return crowds | st.sampled_from(_FULL_HOUSES).map(_full_house) if _keeps_a_table(contract) else crowds


def _keeps_a_table(contract: Contract) -> bool:
    """Whether it has a place for each of its clients."""
    return contract.concurrency == "event_loop"


def _crowd(contract: Contract, said: Sequence[bytes]) -> Scenario:
    """A client for each, which closes."""
    if protocol_of(contract).connectionless:
        return _datagrams(said)
    return _saying(contract, [(data, Close) for data in said])


def _saying(contract: Contract, clients: Sequence[tuple[bytes, _Ways]]) -> Scenario:
    return (_at_once if contract.concurrency in CONCURRENT_MODELS else _one_by_one)(contract, clients)


def _at_once(contract: Contract, clients: Sequence[tuple[bytes, _Ways]]) -> Scenario:
    """A parent that only waits for its children is frozen, so that none is reaped before it was looked at."""
    names = client_names(len(clients))
    steps: list[Step] = [*(Connect(name) for name in names), Settle(labels.HERE)]
    steps += [Freeze("parent")] if contract.concurrency == "fork" else []
    steps += [Send(name, data, until_read=False) for name, (data, _) in zip(names, clients, strict=True)]
    steps += [Settle(labels.SAID, within=_SOON)]
    steps += [leave(name) for name, (_, leave) in zip(names, clients, strict=True)]
    return scenario(steps, Settle(labels.LEFT, within=_SOON))


def _full_house(count: int) -> Scenario:
    """So many clients that say nothing, all of them there: they come by fours, so that no backlog is too small."""
    names = client_names(count)
    come = (step for at in range(0, count, _FOUR) for step in (*map(Connect, names[at : at + _FOUR]), _HERE))
    return scenario(come, map(Close, names), Settle(labels.LEFT, within=_SOON))


def _one_by_one(contract: Contract, clients: Sequence[tuple[bytes, _Ways]]) -> Scenario:
    """The workers of a prefork server take them while their parent is frozen."""
    steps: list[Step] = [Freeze("parent")] if contract.concurrency == "prefork" else []
    for name, (data, leave) in zip(client_names(len(clients)), clients, strict=True):
        steps += [Connect(name), Send(name, data, until_read=False), Settle(labels.SAID, within=_SOON), leave(name)]
    return scenario(steps, Settle(labels.LEFT, within=_SOON))


def _datagrams(sent: Sequence[bytes]) -> Scenario:
    return scenario(*((SendDatagram("A", data), ReceiveDatagrams("A")) for data in sent), Settle(labels.LEFT))
