"""Who is answered, from where, how often; and errors that concern one datagram alone."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Fail, ReceiveDatagrams, Scenario, SendDatagram, Settle, scenario
from gatecrash.protocols import plain_request
from strategies import client_names
from strategies.conversations import all_queued, answered_in_turn

_MOST_QUEUED = 16  # datagrams: far fewer than the smallest receive buffer holds
_WORDS = (b"gatecrash", b"one\n", b"a", b"0123456789", b"\n", b"two words")
#: udp(7), errors: what became of an earlier datagram, or of one that cannot be sent. None of it ends the socket.
_SEND_ERRORS = ("EPERM", "EHOSTUNREACH", "ENETUNREACH", "ECONNREFUSED", "ENETDOWN", "ENOBUFS")


@pytest.mark.rule("DGRAM-02")
def test_the_answer_goes_to_the_sender(trial: Trial) -> None:
    senders = st.lists(st.integers(0, 3), min_size=2, max_size=_MOST_QUEUED)
    trial.verify(senders.map(_queued))


@pytest.mark.rule("DGRAM-06")
def test_the_answer_comes_from_the_port_that_was_asked(trial: Trial) -> None:
    trial.verify(st.integers(1, 3).map(_one_after_another), examples=5)


@pytest.mark.rule("DGRAM-07", probe=lambda contract: _all_answered([b"one", b"two", b"three"], queued=True))
def test_one_datagram_has_one_answer(trial: Trial) -> None:
    words = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=_MOST_QUEUED)
    trial.verify(st.tuples(words, st.booleans()).map(lambda facts: _all_answered(*facts)))


@pytest.mark.rule("DGRAM-08")
def test_a_failing_send_is_survived(trial: Trial) -> None:
    calls = [("send", error) for error in _SEND_ERRORS]
    drawn = st.tuples(st.sampled_from(calls), st.integers(1, 2), st.integers(1, 2))
    trial.verify(drawn.map(lambda facts: _fails(*facts)))


@pytest.mark.rule("DGRAM-09", probe=lambda contract: _in_turn(contract, [("A", b"a"), ("B", b"b"), ("A", b"c")]))
def test_a_second_sender_is_served_too(trial: Trial) -> None:
    senders = st.integers(2, 5).map(lambda count: [(name, f"from {name}".encode()) for name in client_names(count)])
    asked = senders.map(lambda said: scenario(_in_turn(trial.contract, said).steps, Settle(labels.AFTER)))
    trial.verify(asked, fresh=True)  # who came first is what matters


def _queued(senders: list[int]) -> Scenario:
    """All datagrams wait in the server's queue when it reads the first; each says who sent it."""
    names = client_names(4)
    return all_queued([(names[i], f"from {names[i]}, number {at}".encode()) for at, i in enumerate(senders)])


def _in_turn(contract: Contract, said: list[tuple[str, bytes]]) -> Scenario:
    """Who sends no echo may answer some words only: all say what was answered when it was asked what it is."""
    if contract.echo.unit == "other":
        said = [(name, plain_request(contract)) for name, _ in said]
    return answered_in_turn(said)


def _one_after_another(count: int) -> Scenario:
    names = client_names(count)
    asked = answered_in_turn([(name, f"from {name}".encode()) for name in names])
    return scenario(asked.steps, Settle(labels.AFTER))


def _all_answered(words: list[bytes], queued: bool) -> Scenario:
    """One client, so that its answers are its own whoever a server takes it for."""
    said = [("A", word) for word in words]
    return all_queued(said) if queued else scenario(answered_in_turn(said).steps, ReceiveDatagrams("A", None))


def _fails(what: tuple[str, str], times: int, before: int) -> Scenario:
    """The receive a server already waits in is past the gate: a first client brings it to its next one.

    As many others as there are failures may lose their datagram by it; the last client comes after them.
    """
    call, error = what
    *early, last = client_names(before + times)
    cost = ((SendDatagram(name, b"before"), ReceiveDatagrams(name)) for name in early)
    later = (SendDatagram(last, b"after"), ReceiveDatagrams(last))
    return scenario(Fail(call, error, times), *cost, Settle(labels.FAILED), later)  # type: ignore[arg-type]
