"""What well-formed answers are: bytes in, facts out. No sockets in here.

`http` reads HTTP/1.x answers, `echo` compares a stream with what was sent, `datagram` compares datagrams.
"""

from collections.abc import Callable

from gatecrash.protocols import datagram, echo, http

__all__ = ["complete", "datagram", "echo", "http"]

_COMPLETE: dict[str, Callable[[bytes, bytes], bool]] = {"http": http.complete, "echo": echo.complete}


def complete(protocol: str, sent: bytes, received: bytes) -> bool:
    """True when a client that sent `sent` has the whole answer it is owed.

    A protocol whose answers have no end of their own (a greeting, an unknown one) is never complete.
    """
    judge = _COMPLETE.get(protocol)
    return judge is not None and judge(sent, received)
