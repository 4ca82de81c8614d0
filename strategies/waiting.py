"""What a client may have done before it waits for as long as the server lets it."""

from __future__ import annotations

from gatecrash.model.contract import Contract
from gatecrash.protocols import plain_request, protocol_of
from strategies.segments import telling_offsets

#: Seconds in which nearly every time limit for clients is over.
LONG = 600.0


def halves(contract: Contract) -> tuple[bytes, ...]:
    """Beginnings of a plain request that nobody answers; none where each byte is a request, or nobody asks."""
    request, protocol = plain_request(contract), protocol_of(contract)
    begun = (request[:at] for at in telling_offsets(request)) if len(request) > 1 else ()
    return tuple(half for half in begun if not protocol.may_expect(half))


def half_body(contract: Contract) -> bytes:
    """A request whose body has begun; b"" where requests have none."""
    request = protocol_of(contract).request_with_body
    return request[: request.find(b"\r\n\r\n") + 5]


def beginnings(contract: Contract) -> tuple[bytes, ...]:
    """What clients may say, and then no more, so that they are let go; b"" is one of them where nothing else is."""
    silent = (b"",) if contract.silent_limit is not None else ()
    return (*silent, *(halves(contract) if contract.half_limit is not None else ())) or (b"",)


def limit_of(contract: Contract, begun: bytes) -> float:
    """Seconds after which a client that has said this was let go."""
    return (contract.half_limit if begun else contract.silent_limit) or LONG


def stays_answered(contract: Contract) -> bool:
    """Whether a client that was answered is still connected."""
    return protocol_of(contract).keeps_connections
