"""The library requests as a client: its sockets live in the target's network, and it waits as the player waits.

Nothing of the library is replaced but where its bytes come from. A read that would block waits until there is
something to read, and times out at once when there provably never will be: no thread, and no guess at a timeout.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError, NewConnectionError

from gatecrash.model.address import Address
from gatecrash.model.scenario import AskWithRequests
from gatecrash.model.transcript import LibraryAnswer
from gatecrash.player.client.connection import acknowledge

_MOST_TAKEN = 8 << 20  # bytes of one answer: twice what a client by hand is given
Wait = Callable[[socket.socket], None]
"""Returns when the socket has something to read; raises TimeoutError when it never will."""


def answers_of(
    step: AskWithRequests,
    index: int,
    new_socket: Callable[[], socket.socket],
    server: Address,
    wait: Wait,
    patience: float,
) -> Iterator[LibraryAnswer]:
    """What requests makes of each answer, as it comes; an exception of the library is the last."""

    def connected() -> socket.socket:
        sock = _WaitingSocket(fileno=new_socket().detach())
        sock.wait = wait
        try:
            sock.limit(patience)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as urllib3 does
            sock.connect(server)
        except OSError:
            sock.close()
            raise
        return sock

    url = f"http://localhost:{server[1]}{step.path}"
    visits, each = (1, step.times) if step.session else (step.times, 1)
    for _ in range(visits):
        with _session(connected) as session:
            for _ in range(each):
                answer = _answer(session, step, index, url)
                yield answer
                if answer.error:
                    return


def _answer(session: requests.Session, step: AskWithRequests, index: int, url: str) -> LibraryAnswer:
    try:
        with session.request(step.method, url, allow_redirects=False) as response:
            return LibraryAnswer(index, step.client, response.status_code, response.content)
    except requests.RequestException as error:
        raised = f"{type(error).__name__} ({_cause(error)})"
        return LibraryAnswer(index, step.client, None, b"", raised, connected=not _no_connection(error))


def _no_connection(error: requests.RequestException) -> bool:
    tries = error.args[0] if error.args else None
    return isinstance(tries, MaxRetryError) and isinstance(tries.reason, NewConnectionError)


def _cause(error: BaseException) -> str:
    """The innermost exception's words: the outer ones repeat the pool and the URL."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error) or type(error).__name__


class _WaitingSocket(socket.socket):
    """A socket whose reads wait as the player does. Raises TimeoutError for more than any answer has."""

    wait: Wait
    taken = 0

    def limit(self, seconds: float) -> None:
        """What else may block (connect, sendall) takes at most this long."""
        super().settimeout(seconds)

    def settimeout(self, value: float | None) -> None:
        """The library's own time limits do not count here."""

    def sendall(self, data: Any, flags: int = 0) -> None:
        """What comes behind a request is another answer."""
        self.taken = 0
        super().sendall(data, flags)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        acknowledge(self)
        if self.taken > _MOST_TAKEN:
            raise TimeoutError(f"{self.taken} bytes came, and no end of the answer")
        self.wait(self)
        size = super().recv_into(buffer, nbytes, flags)
        self.taken += size
        return size


def _session(connected: Callable[[], socket.socket]) -> requests.Session:
    """A session that reaches `localhost` through these sockets, whatever proxies the environment names."""
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", _ArenaAdapter(_pool_class(connected)))
    return session


def _pool_class(connected: Callable[[], socket.socket]) -> type[HTTPConnectionPool]:
    class ArenaConnection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            try:
                return connected()
            except OSError as error:
                raise NewConnectionError(self, f"no connection: {error}") from error

    class ArenaPool(HTTPConnectionPool):
        ConnectionCls = ArenaConnection

    return ArenaPool


class _ArenaAdapter(HTTPAdapter):
    """requests' own adapter, with another kind of connection pool behind it."""

    def __init__(self, pool_class: type[HTTPConnectionPool]) -> None:
        super().__init__()
        self.poolmanager.pool_classes_by_scheme = {"http": pool_class}
