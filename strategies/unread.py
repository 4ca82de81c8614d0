"""Clients that ask for much, or send much to an echo, and read nothing of what comes back."""

from __future__ import annotations

from collections.abc import Callable

from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, LetTimePass, Scenario, Send, Settle, SmallBuffers, Step, scenario
from gatecrash.protocols import ask, protocol_of
from strategies.friendly import printable
from strategies.names import client_names
from strategies.payloads import repeated

#: Bytes that no buffer holds: a small one of our making, or what Linux grows a connection's buffers to.
FLOOD, FLOOD_OF_LARGE_BUFFERS = 1 << 19, 1 << 24
_SEGMENT = 1 << 16


def hogs_borne(contract: Contract) -> int:
    """How many a server must bear: a pool of workers keeps one of them for the others."""
    return max(1, min(3, (contract.workers or 4) - 1))


def unread(contract: Contract, count: int, flood: int = FLOOD, *, wait: float | None = None) -> Scenario:
    """`count` clients that read nothing, and one that asks: at once, or when so many seconds have passed."""
    *greedy, good = client_names(count + 1)
    asked = [_asks_for_much(contract, name, flood) for name in greedy]
    passes = () if wait is None else (LetTimePass(wait),)
    return scenario(SmallBuffers(), *asked, Settle(labels.FULL), passes, ask(good, contract))


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
    segment = repeated(b"gatecrash floods\n", _SEGMENT)
    return (connect, *(Send(name, segment, until_read=False, read_meanwhile=False) for _ in range(flood // _SEGMENT)))
