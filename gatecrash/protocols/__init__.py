"""What a server may speak, one file or folder a protocol: bytes and plain data in, facts out. No sockets in here.

`base` says what has to be known of each, `registry` which one a contract promises.
"""

from gatecrash.protocols import datagram, echo, http
from gatecrash.protocols.base import ApplicationProtocol
from gatecrash.protocols.registry import ask, is_seen, plain_request, protocol_of, speaks, visit

__all__ = [
    "ApplicationProtocol",
    "ask",
    "datagram",
    "echo",
    "http",
    "is_seen",
    "plain_request",
    "protocol_of",
    "speaks",
    "visit",
]
