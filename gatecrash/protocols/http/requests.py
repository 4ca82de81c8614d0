"""The plainest requests of HTTP/1.1."""

from __future__ import annotations

#: What nearly every client says beside Host.
USUAL_FIELDS = b"User-Agent: gatecrash\r\nAccept: */*\r\n"
#: A field line without a value, which is one all the same (RFC 9110 5.5), and a body of no bytes (RFC 9110 8.6).
EMPTY_VALUE, EMPTY_BODY = b"X-Empty:\r\n", b"Content-Length: 0\r\n"
#: Says that the connection is to end behind the answer (RFC 9112 9.6).
LAST = b"Connection: close\r\n"
#: A target that no server has.
MISSING = "/gatecrash-not-there"
#: Where a large answer, and one to a body, are looked for when nobody says where they are (docs/contract.md).
LARGE, ECHO = "/large", "/echo"


def get_request(path: str, *, version: str = "1.1", extra: bytes = b"") -> bytes:
    """A plain GET with the Host field HTTP/1.1 asks for (RFC 9112 3.2)."""
    return f"GET {path} HTTP/{version}\r\nHost: localhost\r\n".encode() + extra + b"\r\n"


def post_request(path: str, body: bytes = b"knock=1") -> bytes:
    """A plain POST with a body that Content-Length counts (RFC 9110 8.6)."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
