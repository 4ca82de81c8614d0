"""The child: one for a connection, without the listening socket, and gone when its client is."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.instruments import gates
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    ReadOutput,
    Reset,
    Scenario,
    Send,
    Settle,
    StartOnTerminal,
    Step,
    scenario,
)
from gatecrash.protocols import ask, plain_request, protocol_of
from strategies import client_names, departures
from strategies.children import held_connection, served_twice_as_many, twice_as_many
from strategies.departures import ACCEPTED, departures_in_body
from strategies.rude import refusable
from strategies.visits import saying

_GARBAGE = (b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"\r\n" * 8, b": : :\r\n\r\n")


@pytest.mark.rule("FORK-01", probe=lambda contract: _started_before(contract, 1))
def test_one_child_serves_one_connection(trial: Trial) -> None:
    trial.verify(st.integers(1, 4).map(lambda count: _started_before(trial.contract, count)))


@pytest.mark.rule("FORK-06")
def test_the_child_closes_its_copy_of_the_listening_socket(trial: Trial) -> None:
    trial.verify(st.integers(1, 3).map(lambda count: held_connection(trial.contract, count)))


@pytest.mark.rule("FORK-07", probe=lambda contract: served_twice_as_many(contract, 1))
def test_the_child_leaves_when_its_connection_is_over(trial: Trial) -> None:
    trial.verify(st.integers(1, 4).map(lambda count: served_twice_as_many(trial.contract, count)))


@pytest.mark.rule("FORK-12")
def test_the_child_of_a_rude_client_leaves(trial: Trial) -> None:
    request = plain_request(trial.contract) or b"hello\n"
    protocol, kinds = protocol_of(trial.contract), ("close", "reset")
    leaving = departures(request, phases=ACCEPTED, kinds=kinds, gates=gates.available() is None)
    in_body = departures_in_body(protocol.request_with_body, kinds=kinds)
    garbage = st.builds(_talks_nonsense, st.sampled_from(_GARBAGE), st.sampled_from((Close, Reset)))
    refused = [st.sampled_from(asked).map(saying)] if (asked := refusable(protocol)) else []
    rude = st.one_of(leaving, in_body, garbage, *refused)
    trial.verify(st.tuples(rude, st.integers(1, 3)).map(lambda drawn: _rude(*drawn)))


@pytest.mark.rule("FORK-14")
def test_the_child_does_not_print_again_what_the_parent_printed(trial: Trial) -> None:
    trial.verify(st.just(_printing(trial, 4)), fresh=True)


def _started_before(contract: Contract, count: int) -> Scenario:
    """What children there were before the clients came is told by a first look."""
    return scenario(Settle(labels.START), held_connection(contract, count).steps)


def _talks_nonsense(garbage: bytes, leave: type[Close] | type[Reset]) -> tuple[Step, ...]:
    return (Connect("A"), Send("A", garbage), leave("A"))


def _rude(visit: tuple[Step, ...], count: int) -> Scenario:
    """The same rude visit again and again: a client's name may come back once it has left."""
    return twice_as_many([visit] * (2 * count))


def _printing(trial: Trial, count: int) -> Scenario:
    """The same visits twice: what is printed goes into a pipe, then to a terminal, for which no line is kept back."""
    names = client_names(2 * count)
    visits: list[tuple[Step, ...]] = [
        (*ask(name, trial.contract), Close(name), Settle(), ReadOutput(name)) for name in names
    ]
    again = (StartOnTerminal(), Settle(), ReadOutput("terminal"))
    return scenario(ReadOutput("start"), *visits[:count], again, *visits[count:])
