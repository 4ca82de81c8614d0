"""What well-formed answers are: bytes in, facts out. No sockets in here.

`http` reads HTTP/1.x answers, `echo` compares a stream with what was sent, `datagram` compares datagrams.
"""

from gatecrash.protocols import datagram, echo, http

__all__ = ["datagram", "echo", "http"]
