"""Several clients of an echo at once: each gets its own bytes, and all of them."""

from functools import partial

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.scenario import (
    Close,
    Connect,
    Freeze,
    HalfClose,
    Receive,
    Reset,
    Scenario,
    Send,
    Settle,
    SmallBuffers,
    Step,
    Thaw,
    scenario,
)
from strategies import client_names, interleavings
from strategies.friendly import marked
from strategies.unread import stuffs

_MOST = 20  # clients at once
_FEW = 4
_SIZES = (3, 10, 100, 1000)  # bytes: one alone may come by coincidence
#: Who is told that there is no room, in fewer bytes, waits for more, and sees that the connection ends.
_LONGER_THAN_A_REFUSAL = (100, 200, 1000)
_SOME = 100  # bytes
_STUFFED = 1 << 18  # bytes: more than lie between a server and a client that reads nothing
_BESIDE_OTHERS = ("fork", "prefork", "thread", "event_loop")
_TWO = 2


@pytest.mark.rule("STREAM-09")
def test_clients_never_get_each_others_bytes(trial: Trial) -> None:
    most = min(_FEW, trial.contract.workers or _FEW)
    count = st.integers(2, most)
    kinds = [st.builds(_all_at_once, count, st.sampled_from(_SIZES)), count.flatmap(_in_turns)]
    trial.verify(st.one_of(*kinds, *_waiting_beside(trial)), surely=_outliving(trial))


@pytest.mark.rule("STREAM-10", probe=lambda contract: _crowd(8, 100, queued=False))
def test_twenty_clients_at_once_each_get_their_own_bytes_back(trial: Trial) -> None:
    drawn = st.tuples(st.integers(2, _MOST), st.sampled_from(_LONGER_THAN_A_REFUSAL), st.booleans())
    crowds = drawn.map(lambda facts: _crowd(*facts))
    trial.verify(st.one_of(crowds, *_waiting_beside(trial)), surely=_outliving(trial))


def _may_wait_beside(trial: Trial) -> bool:
    """Whether it is an echo of bytes with small buffers, whose clients are served beside each other."""
    contract = trial.contract
    beside = contract.concurrency in _BESIDE_OTHERS and (contract.workers or _FEW) > _TWO
    return contract.echo.unit == "bytes" and trial.session.arena.kind == "namespace" and beside


def _waiting_beside(trial: Trial) -> list[st.SearchStrategy[Scenario]]:
    """Clients that have not read what waits for them."""
    ends = st.sampled_from((Reset("A"), Close("A"), Receive("A")))
    drawn = st.builds(_both_unread, st.sampled_from((0, _STUFFED)), ends, st.booleans())
    return [drawn] if _may_wait_beside(trial) else []


def _outliving(trial: Trial) -> list[Scenario]:
    """A leaves with much unread, and another client comes in its place."""
    leaves = (Close("A"), Reset("A"))
    return [_both_unread(_STUFFED, leave, True) for leave in leaves] if _may_wait_beside(trial) else []


def _both_unread(unread: int, end: Step, another: bool) -> Scenario:
    """A and B have sent until nothing moves any more (A maybe nothing at all); A leaves, or reads; then B reads.

    C may come then, to A's place. What waits to be sent to one of them is kept apart from what waits for the others,
    and goes with its client.
    """
    early = stuffs("A", unread, partial(marked, "A")) if unread else (Connect("A"), Settle(labels.HERE))
    later = (Connect("C"), Send("C", marked("C", _SOME)), Receive("C")) if another else ()
    return scenario(SmallBuffers(), early, stuffs("B", _STUFFED, partial(marked, "B")), end, Receive("B"), later)


def _all_at_once(count: int, size: int) -> Scenario:
    """They are connected; what they say reaches the server in one moment."""
    names = client_names(count)
    said = (Send(name, marked(name, size), until_read=False) for name in names)
    return scenario(
        (Connect(name) for name in names),
        Settle(labels.HERE),
        Freeze(),
        said,
        Thaw(),
        (Receive(name) for name in names),
    )


def _in_turns(count: int) -> st.SearchStrategy[Scenario]:
    return interleavings([_in_pieces(name) for name in client_names(count)])


def _in_pieces(name: str) -> tuple[Step, ...]:
    pieces = (Send(name, marked(name, size)) for size in (3, 50, 3))
    return (Connect(name), *pieces, Receive(name))


def _crowd(count: int, size: int, queued: bool) -> Scenario:
    """They wait in the accept queue, or are connected already, while the server is frozen.

    Each leaves when it has its bytes, so that a server with few workers comes to the others.
    """
    names = client_names(count)
    connects = [Connect(name) for name in names]
    arrival: list[Step] = [Freeze(), *connects] if queued else [*connects, Settle(labels.HERE), Freeze()]
    said = (Send(name, marked(name, size), until_read=False) for name in names)
    return scenario(arrival, said, Thaw(), *((Receive(name), HalfClose(name)) for name in names))
