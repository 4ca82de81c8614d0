"""Slow clients: half a request, or an answer that nobody reads, keeps nobody else of a concurrent server waiting."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Scenario
from gatecrash.protocols import plain_request, protocol_of
from strategies import hogs
from strategies.hogs import hogging
from strategies.unread import flood_in, hogs_borne, unread


@pytest.mark.rule("LIFE-10", probe=lambda contract: _all_but_the_last_byte(contract))
def test_half_a_request_blocks_nobody_else(trial: Trial) -> None:
    contract = trial.contract
    asked = (plain_request(contract), protocol_of(contract).request_with_body)
    some = (hogs(one, kinds=("half-request",), size=hogs_borne(contract), finish=False) for one in asked if one)
    trial.verify(st.one_of(*some))


@pytest.mark.rule("LIFE-11", probe=lambda contract: unread(contract, 1))
def test_a_client_that_reads_nothing_blocks_nobody_else(trial: Trial) -> None:
    counts = st.integers(1, hogs_borne(trial.contract))
    flood = flood_in(trial.session.arena.kind)
    trial.verify(counts.map(lambda count: unread(trial.contract, count, flood)), examples=5)


def _all_but_the_last_byte(contract: Contract) -> Scenario:
    """One client that stops at the end of its request, and one that asks."""
    request = plain_request(contract)
    return hogging(request, "half-request", 1, len(request) - 1, None, finish=False)
