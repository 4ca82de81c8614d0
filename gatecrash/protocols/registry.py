"""Which protocol a contract promises, and the few questions that everybody asks of it."""

from __future__ import annotations

from collections.abc import Mapping

from gatecrash.model.contract import Contract, Echo
from gatecrash.model.scenario import Close, Step
from gatecrash.protocols.base import ApplicationProtocol
from gatecrash.protocols.datagram import DatagramEcho
from gatecrash.protocols.discard import Discard
from gatecrash.protocols.echo import StreamEcho
from gatecrash.protocols.greeting import Greeting
from gatecrash.protocols.http import Http
from gatecrash.protocols.line_echo import LineEcho
from gatecrash.protocols.unknown import UnknownProtocol
from gatecrash.protocols.upper_echo import UpperEcho

#: Each protocol by its name in a contract.
PROTOCOLS: Mapping[str, type[ApplicationProtocol]] = {
    "http": Http,
    "echo": StreamEcho,
    "udp": DatagramEcho,
    "greeting": Greeting,
    "none": UnknownProtocol,
}
_STREAM_ECHOES: Mapping[Echo, type[StreamEcho]] = {"lines": LineEcho, "upper": UpperEcho}


def protocol_of(contract: Contract) -> ApplicationProtocol:
    """The protocol that this contract promises, with what it says of it."""
    if contract.protocol == "echo":
        return _STREAM_ECHOES.get(contract.echo.unit, StreamEcho)(contract)
    if contract.unknown.silence == "promised":
        return Discard(contract)
    return PROTOCOLS[contract.protocol](contract)


def plain_request(contract: Contract) -> bytes:
    """The bytes of one plain request; b"" where the server speaks first."""
    return protocol_of(contract).plain_request


def ask(client: str, contract: Contract) -> tuple[Step, ...]:
    """The steps of one client that asks once, waits for its answer, and says no more."""
    return protocol_of(contract).ask(client)


def visit(client: str, contract: Contract) -> tuple[Step, ...]:
    """A client that asks once and leaves; where nobody answers, a look before it leaves tells that it was taken."""
    return (*ask(client, contract), *is_seen(client, contract), Close(client))


def is_seen(client: str, contract: Contract) -> tuple[Step, ...]:
    """A look at the server while this client is there, where no answer tells that it was taken."""
    return protocol_of(contract).is_seen(client)


def speaks(contract: Contract) -> bool:
    """Whether this protocol has answers that a client can be said to miss."""
    return protocol_of(contract).speaks
