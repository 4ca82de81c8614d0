"""Slow clients: half a request, or an answer that nobody reads, keeps nobody else of a concurrent server waiting."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Scenario, Send, Settle, SmallBuffers, Step, scenario
from gatecrash.protocols import ask, plain_request, protocol_of
from strategies import client_names, hogs
from strategies.hogs import hogging
from strategies.payloads import repeated

#: Bytes that no buffer holds: a small one of our making, or what Linux grows a connection's buffers to.
_FLOOD, _FLOOD_OF_LARGE_BUFFERS = 1 << 19, 1 << 24
_SEGMENT = 1 << 16


@pytest.mark.rule("LIFE-10", probe=lambda contract: _all_but_the_last_byte(contract))
def test_half_a_request_blocks_nobody_else(trial: Trial) -> None:
    request = plain_request(trial.contract)
    trial.verify(hogs(request, kinds=("half-request",), size=_hogs(trial.contract), finish=False))


@pytest.mark.rule("LIFE-11")
def test_a_client_that_reads_nothing_blocks_nobody_else(trial: Trial) -> None:
    counts = st.integers(1, _hogs(trial.contract))
    flood = _FLOOD if trial.session.arena.kind == "namespace" else _FLOOD_OF_LARGE_BUFFERS
    trial.verify(counts.map(lambda count: _unread(trial.contract, count, flood)), examples=5)


def _all_but_the_last_byte(contract: Contract) -> Scenario:
    """One client that stops at the end of its request, and one that asks."""
    request = plain_request(contract)
    return hogging(request, "half-request", 1, len(request) - 1, None, finish=False)


def _hogs(contract: Contract) -> int:
    """How many a server must bear: a pool of workers keeps one of them for the others."""
    return max(1, min(3, (contract.workers or 4) - 1))


def _unread(contract: Contract, count: int, flood: int) -> Scenario:
    *greedy, good = client_names(count + 1)
    asked = [_asks_for_much(contract, name, flood) for name in greedy]
    return scenario(SmallBuffers(), *asked, Settle(labels.FULL), ask(good, contract))


def _asks_for_much(contract: Contract, name: str, flood: int) -> tuple[Step, ...]:
    connect = Connect(name, small_window=True)
    request = protocol_of(contract).large_request
    if request is not None:
        return (connect, Send(name, request, until_read=False))
    segment = repeated(b"gatecrash floods\n", _SEGMENT)
    return (connect, *(Send(name, segment, until_read=False, read_meanwhile=False) for _ in range(flood // _SEGMENT)))
