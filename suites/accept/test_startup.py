"""Coming to listen: the port, the address, and what becomes of a start on a port that is not free."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    Receive,
    Restart,
    Scenario,
    Settle,
    StartOnTakenPort,
    StartSecond,
    optional_send,
    scenario,
)
from gatecrash.protocols import ask, protocol_of
from strategies import client_names


@pytest.mark.rule("ACC-11", probe=lambda contract: scenario(StartOnTakenPort()))
def test_a_taken_port_is_reported(trial: Trial) -> None:
    trial.verify(st.just(scenario(StartOnTakenPort())), fresh=True)


@pytest.mark.rule("ACC-12")
def test_it_listens_on_the_port_it_was_told(trial: Trial) -> None:
    trial.verify(st.just(scenario(Settle(labels.START))))


@pytest.mark.rule("ACC-13")
def test_it_listens_where_clients_look(trial: Trial) -> None:
    trial.verify(st.just(scenario(Settle(labels.START))))


@pytest.mark.rule("ACC-14")
def test_it_restarts_beside_connections_in_time_wait(trial: Trial) -> None:
    stay = [_restart_beside(trial.contract, count) for count in (1, 2)]
    leave = (
        [_restart(trial.contract, count) for count in (1, 3)]
        if protocol_of(trial.contract).server_may_close_first
        else []
    )
    trial.verify(st.sampled_from([*leave, *stay]), examples=4, fresh=True)


@pytest.mark.rule("ACC-15")
def test_a_second_instance_is_refused(trial: Trial) -> None:
    trial.verify(st.just(scenario(StartSecond())), fresh=True)


def _restart_beside(contract: Contract, count: int) -> Scenario:
    """Clients stay: the end of the server closes their connections first, or children serve them still."""
    asked = (ask(name, contract) for name in client_names(count))
    return scenario(*asked, Settle(labels.CLOSED), Restart(), ask("Z", contract))


def _restart(contract: Contract, count: int) -> Scenario:
    """The server closes first where the protocol lets it: TIME_WAIT is then on its side (RFC 9293 3.6)."""
    names = client_names(count)
    request = protocol_of(contract).last_request
    send = [optional_send(name, request, until_read=False) for name in names]
    served = ((Connect(n), *said, Receive(n, "end"), Close(n)) for n, said in zip(names, send, strict=True))
    return scenario(*served, Settle(labels.CLOSED), Restart(), ask("Z", contract))
