"""Clients that ask for much, or send much to an echo, and read nothing of what comes back."""

from __future__ import annotations

from collections.abc import Callable

from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    HalfClose,
    LetTimePass,
    Receive,
    Scenario,
    Send,
    Settle,
    SmallBuffers,
    Step,
    scenario,
)
from gatecrash.protocols import ask, protocol_of
from strategies.friendly import printable
from strategies.names import client_names
from strategies.payloads import repeated

#: Bytes that no buffer holds: a small one of our making, or what Linux grows a connection's buffers to.
FLOOD, FLOOD_OF_LARGE_BUFFERS = 1 << 19, 1 << 24
_SEGMENT = 1 << 16
#: Bytes for an echo: about what small buffers of the kernel's hold, and a little more for the server's own, so that it
#: reads all of them.
A_BUFFER_FULL = (1 << 13, 3 << 12, 1 << 14, 3 << 13, 1 << 15, 3 << 14, 1 << 16)


def flood_in(arena: str) -> int:
    """Bytes that no buffer holds in an arena of this kind: only in a private network are they small."""
    return FLOOD if arena == "namespace" else FLOOD_OF_LARGE_BUFFERS


def hogs_borne(contract: Contract) -> int:
    """How many a server must bear: a pool of workers keeps one of them for the others."""
    return max(1, min(3, (contract.workers or 4) - 1))


def unread(contract: Contract, count: int, flood: int = FLOOD, *, wait: float | None = None) -> Scenario:
    """`count` clients that read nothing, and one that asks: at once, or when so many seconds have passed."""
    *greedy, good = client_names(count + 1)
    asked = [_asks_for_much(contract, name, flood) for name in greedy]
    passes = () if wait is None else (LetTimePass(wait),)
    return scenario(SmallBuffers(), *asked, Settle(labels.FULL), passes, ask(good, contract))


def finishes_unread(contract: Contract, flood: int) -> Scenario:
    """A client that asks for much and finishes, reads nothing while the server has all of that to send, and leaves."""
    finishes = (HalfClose("A"), Settle(labels.has_finished("A")))
    asked = (*_asks_for_much(contract, "A", flood), Settle(labels.FULL))
    return scenario(SmallBuffers(), asked, finishes, Close("A"), Settle(labels.has_left("A")))


def has_read(contract: Contract, flood: int) -> Scenario:
    """A client that asks for much, reads nothing until the server has to wait for it, then all; and stays."""
    asked = (*_asks_for_much(contract, "A", flood), Settle(labels.FULL))
    return scenario(SmallBuffers(), asked, Receive("A"), Settle(labels.stays("A")))


def stuffs(client: str, size: int, fill: Callable[[int], bytes] = printable) -> tuple[Step, ...]:
    """A client sends an echo so many bytes, until nothing moves any more, and has read nothing of what comes back.

    Where buffers can be made small, that was done before.
    """
    return (Connect(client, small_window=True), Send(client, fill(size), until_read=False, read_meanwhile=False))


def _asks_for_much(contract: Contract, name: str, flood: int) -> tuple[Step, ...]:
    connect = Connect(name, small_window=True)
    request = protocol_of(contract).large_request
    if request is not None:
        return (connect, Send(name, request, until_read=False))
    segment = repeated(b"gatecrash floods\n", min(flood, _SEGMENT))
    times = flood // len(segment)
    return (connect, *(Send(name, segment, until_read=False, read_meanwhile=False) for _ in range(times)))
