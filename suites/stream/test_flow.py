"""The flow of an echo: large data, short writes, half-closes, and the end of a connection."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    Freeze,
    HalfClose,
    Receive,
    Scenario,
    Send,
    Settle,
    Shorten,
    SmallBuffers,
    Step,
    Thaw,
    scenario,
)
from gatecrash.protocols.echo import ECHO_PAYLOAD
from strategies import client_names
from strategies.conversations import echoed
from strategies.friendly import FRIENDLY_SIZE, friendly_block, printable
from strategies.unread import stuffs

_MEGABYTE = 1 << 20
_PENDING = (1, 100, 1000, 4096, 10000, 16384)  # bytes: they fit in the socket buffers of a frozen server


#: Bytes, more than lie between a server and a client that reads nothing.
_STUFFED, _STUFFED_IN_LARGE_BUFFERS = _MEGABYTE // 4, 4 * _MEGABYTE


@pytest.mark.rule("STREAM-04")
def test_what_is_pending_at_a_half_close_still_comes_back(trial: Trial) -> None:
    # Frozen is the simpler choice: what depends on who comes first shows every time.
    frozen = st.sampled_from((True, False))
    drawn = st.tuples(st.lists(st.sampled_from(_PENDING), min_size=1, max_size=3), frozen)
    scenarios = drawn.map(lambda facts: _half_closes(*facts))
    if trial.contract.echo.unit == "bytes":  # who sends lines could not end the last one
        sizes = st.sampled_from((_stuffing(trial), 2 * _stuffing(trial)))
        scenarios = st.one_of(scenarios, sizes.map(_reads_late))
    trial.verify(scenarios)


@pytest.mark.rule("STREAM-05", probe=lambda contract: _large_and_late(contract))
def test_large_data_goes_through_both_ways(trial: Trial) -> None:
    drawn = st.tuples(st.sampled_from((_MEGABYTE, _MEGABYTE // 2)), st.booleans())
    at_once = drawn.map(lambda facts: _large(printable(facts[0]), small_window=facts[1]))
    if trial.contract.echo.unit != "bytes":  # who sends lines could not end the last one
        trial.verify(at_once, examples=4)
        return
    late = st.sampled_from((_stuffing(trial), 2 * _stuffing(trial))).map(_sends_then_reads)
    trial.verify(st.one_of(late, at_once), examples=6)


@pytest.mark.rule("STREAM-06", probe=lambda contract: scenario(echoed([ECHO_PAYLOAD]).steps, Settle(labels.FINISHED)))
def test_the_server_closes_when_the_client_has_finished(trial: Trial) -> None:
    drawn = st.lists(st.sampled_from((0, 1, 100, 4096)), min_size=1, max_size=3)
    trial.verify(drawn.map(_finish))


@pytest.mark.rule("STREAM-07")
def test_a_short_write_is_continued_where_it_stopped(trial: Trial) -> None:
    drawn = st.tuples(st.sampled_from((1, 2, 7, 50, 99)), st.integers(1, 3), st.sampled_from((100, 1000, 4096)))
    trial.verify(drawn.map(lambda facts: _short_write(*facts)))


def _half_closes(sizes: list[int], frozen: bool) -> Scenario:
    """Frozen, the server finds the bytes and the end of the stream together."""
    sends = [Send("A", printable(size), until_read=False) for size in sizes]
    before: list[Step] = [Freeze()] if frozen else []
    after: list[Step] = [Thaw()] if frozen else []
    return scenario(Connect("A"), before, sends, HalfClose("A"), after, Receive("A", "end"))


def _stuffing(trial: Trial) -> int:
    return _STUFFED if trial.session.arena.kind == "namespace" else _STUFFED_IN_LARGE_BUFFERS


def _reads_late(size: int) -> Scenario:
    """The client sends until nothing moves any more, finishes, and only then begins to read."""
    return scenario(SmallBuffers(), stuffs("A", size), HalfClose("A"), Receive("A", "end"))


def _sends_then_reads(size: int) -> Scenario:
    """The client sends until nothing moves any more, and then reads: no other event than that wakes the server."""
    return scenario(SmallBuffers(), stuffs("A", size), Receive("A"))


def _large_and_late(contract: Contract) -> Scenario:
    """Who sends lines could not end the last one, and reads while it sends."""
    if contract.echo.unit == "bytes":
        return _sends_then_reads(_STUFFED)
    return _large(friendly_block() * (_MEGABYTE // FRIENDLY_SIZE), small_window=True)


def _large(data: bytes, *, small_window: bool) -> Scenario:
    send = Send("A", data, until_read=False)
    return scenario(Connect("A", small_window=small_window), send, Receive("A"))


def _finish(sizes: list[int]) -> Scenario:
    names = client_names(len(sizes))
    served = (_finishes(name, size) for name, size in zip(names, sizes, strict=True))
    return scenario(*served, Settle(labels.FINISHED), (Close(name) for name in names))


def _finishes(client: str, size: int) -> tuple[Step, ...]:
    said = (Send(client, printable(size)), Receive(client)) if size else ()
    return (Connect(client), *said, HalfClose(client), Receive(client, "end"))


def _short_write(taken: int, times: int, size: int) -> Scenario:
    """After each short write comes another message: the event a server with edge-triggered epoll may wait for."""
    message = printable(size)
    exchanges = ((Send("A", message, until_read=False), Receive("A")) for _ in range(times + 1))
    return scenario(Shorten(taken, times), Connect("A"), *exchanges, HalfClose("A"), Receive("A", "end"))
