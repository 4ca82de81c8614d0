"""A server with nothing to do sleeps: with no client, with an idle one, and when one has left."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.contract import CONCURRENT_MODELS, Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    HalfClose,
    Receive,
    Scenario,
    Settle,
    Step,
    optional_send,
    scenario,
)
from gatecrash.protocols import ask, plain_request, protocol_of
from strategies import client_names, departures
from strategies.departures import departures_in_body
from strategies.unread import A_BUFFER_FULL, finishes_unread, flood_in, has_read

_LEAVING = ("close", "half-close", "reset", "half-close-reset")


@pytest.mark.rule("LIFE-07", probe=lambda contract: _idle(contract, []))
def test_an_idle_server_does_not_spin(trial: Trial) -> None:
    idle = st.lists(st.booleans(), max_size=2)
    flood = flood_in(trial.session.arena.kind)
    done = (_done_with(trial.contract), has_read(trial.contract, flood))
    stays = [] if protocol_of(trial.contract).connectionless else done
    trial.verify(idle.map(lambda have_asked: _idle(trial.contract, have_asked)), examples=5, fresh=True, surely=stays)


@pytest.mark.rule("LIFE-08", probe=lambda contract: _finishes_at_once())
def test_a_client_that_left_does_not_make_it_spin(trial: Trial) -> None:
    request = plain_request(trial.contract) or b"\r\n"
    leaving = departures(request, phases=("before", "mid-request", "after-request"), kinds=_LEAVING)
    in_body = departures_in_body(protocol_of(trial.contract).request_with_body, kinds=_LEAVING)
    left = st.one_of(leaving, in_body).map(lambda steps: scenario(steps, Settle(labels.has_left("A"))))
    flood = flood_in(trial.session.arena.kind)
    unread = st.sampled_from(A_BUFFER_FULL).map(lambda amount: finishes_unread(trial.contract, amount))
    trial.verify(left | unread, surely=[finishes_unread(trial.contract, flood), _leaves_beside_another(trial.contract)])


def _finishes_at_once() -> Scenario:
    """A client that finishes before it has said anything, and leaves when the server has noticed."""
    finishes = (HalfClose("A"), Settle(labels.has_finished("A")))
    return scenario(Connect("A"), finishes, Close("A"), Settle(labels.has_left("A")))


def _leaves_beside_another(contract: Contract) -> Scenario:
    """A client that asks and leaves while another is there, and says nothing: before it, where nobody has to wait."""
    stays = (*protocol_of(contract).come("B"), Settle(labels.says_nothing("B")))
    asks = ask("A", contract)
    here = (*stays, *asks) if contract.concurrency in CONCURRENT_MODELS else (*asks, *stays)
    return scenario(here, Close("A"), Settle(labels.has_left("A")))


def _done_with(contract: Contract) -> Scenario:
    """A client that has asked for the last answer of its connection, where one can, and stays when it has it."""
    asks = (
        Connect("A"),
        *optional_send("A", protocol_of(contract).last_request, until_read=False),
        Receive("A", "end"),
    )
    return scenario(asks, Settle(labels.stays("A")))


def _idle(contract: Contract, have_asked: list[bool]) -> Scenario:
    """Nobody, or clients that say nothing (any more); each joins when the server has come to rest."""
    names = client_names(len(have_asked))
    steps: list[Step] = [Settle(labels.NOBODY_IS_THERE)]
    for name, asked in zip(names, have_asked, strict=True):
        if asked or protocol_of(contract).connectionless:
            steps += [*ask(name, contract), Settle(labels.stays(name))]
        else:
            steps += [Connect(name), Settle(labels.says_nothing(name))]
    return scenario(steps)
