"""What a client of this contract sends when it simply wants to be served."""

from __future__ import annotations

from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    Receive,
    ReceiveDatagrams,
    SendDatagram,
    Settle,
    Step,
    optional_send,
)
from gatecrash.protocols import echo, http

#: 64 bytes that end a line: who echoes lines or small records answers it too, and one small buffer holds it.
ECHO_PAYLOAD = b"gatecrash says hello and would like to have this line back now.\n"

#: What nearly every client says beside Host.
USUAL_FIELDS = b"User-Agent: gatecrash\r\nAccept: */*\r\n"


def get_request(path: str, *, version: str = "1.1", extra: bytes = b"") -> bytes:
    """A plain GET with the Host field HTTP/1.1 asks for (RFC 9112 3.2)."""
    return f"GET {path} HTTP/{version}\r\nHost: localhost\r\n".encode() + extra + b"\r\n"


def post_request(path: str, body: bytes = b"knock=1") -> bytes:
    """A plain POST with a body that Content-Length counts (RFC 9110 8.6)."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def plain_request(contract: Contract) -> bytes:
    """The bytes of one plain request; b"" where the server speaks first."""
    match contract.protocol:
        case "http" | "none":
            return get_request(contract.path)
        case "greeting":
            return b""
        case _:
            return ECHO_PAYLOAD


def promised_requests(contract: Contract) -> dict[str, bytes]:
    """A plain request for each thing that the contract names, or discovery found, by its key under [http]."""
    asked = {"path": get_request(contract.path)}
    if contract.large_path is not None:
        asked["large_path"] = get_request(contract.large_path)
    if contract.post_path is not None:
        asked["post_path"] = post_request(contract.post_path)
    return asked


def ask(client: str, contract: Contract) -> tuple[Step, ...]:
    """The steps of one client that asks once, waits for its answer, and says no more."""
    request = plain_request(contract)
    if contract.protocol == "udp":
        return (SendDatagram(client, request), ReceiveDatagrams(client))
    return (Connect(client), *optional_send(client, request, until_read=False), Receive(client))


def visit(client: str, contract: Contract) -> tuple[Step, ...]:
    """A client that asks once and leaves; where nobody answers, a look before it leaves tells that it was taken."""
    return (*ask(client, contract), *is_seen(client, contract), Close(client))


def is_seen(client: str, contract: Contract) -> tuple[Step, ...]:
    """A look at the server while this client is there, where no answer tells that it was taken."""
    return () if speaks(contract) else (Settle(labels.is_there(client)),)


def speaks(contract: Contract) -> bool:
    """Whether this protocol has answers that a client can be said to miss."""
    return contract.protocol != "none" or contract.says > 0


def complete(contract: Contract, sent: bytes, received: bytes) -> bool:
    """Whether `received` is all that `sent` asked for, by the protocol's own framing (an end of stream apart)."""
    match contract.protocol:
        case "http":
            return http.complete(sent, received)
        case "echo":
            return echo.complete(sent, received)
        case "greeting":
            return not sent and 0 < contract.greets <= len(received)
        case "none":
            return sent == plain_request(contract) and 0 < contract.says <= len(received)
        case _:
            return False


def announces_end(contract: Contract, sent: bytes, received: bytes) -> bool:
    """Whether the last answer says that the server closes the connection now (RFC 9112 9.6)."""
    if contract.protocol != "http":
        return False
    answers = http.read_answers(received, http.request_methods(sent), ended=False).answers
    return bool(answers) and http.announces_close(answers[-1])
