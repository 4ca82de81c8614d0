"""Where this process gets its brokers from: one fork server (`fork_server.py`), started when the first is asked for."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Literal

from gatecrash.errors import EngineFault
from gatecrash.sandbox.fork_server import MESSAGE_SIZE

# The package's folder comes last on the path: the standard library's names win. Importing keeps the byte code.
_PROGRAM = "import sys; sys.path.append(sys.argv[2]); from gatecrash.sandbox.fork_server import main; main()"
_PACKAGE = str(Path(__file__).resolve().parents[2])
_GONE = "The process that starts arenas does not answer. Please report this with the command you ran."
_ANSWER_TIME = 30.0  # seconds a loaded machine may need to start an interpreter
_CLOSING_TIME = 10.0  # seconds in which it ends, or is killed


class BrokerProcess:
    """A broker that was started: `pid` as this process numbers it."""

    def __init__(self, pid: int, ending: int) -> None:
        """`ending`: a descriptor of the process (pidfd_open(2)), closed when it is seen to have ended."""
        self.pid = pid
        self._ending = ending

    def wait(self, seconds: float) -> bool:
        """Whether it ends within so many seconds."""
        if self._ending >= 0 and _ends(self._ending, seconds):
            os.close(self._ending)
            self._ending = -1
        return self._ending < 0


class _ForkServer:
    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._orders.settimeout(_ANSWER_TIME)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, str(theirs.fileno()), _PACKAGE],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def start(self, kind: str, control: socket.socket) -> BrokerProcess:
        """A broker that serves on `control`. Raises OSError where the fork server is gone."""
        socket.send_fds(self._orders, [kind.encode()], [control.fileno()])
        pid, received, _, _ = socket.recv_fds(self._orders, MESSAGE_SIZE, 1, socket.MSG_CMSG_CLOEXEC)
        if not received:
            raise ConnectionResetError
        return BrokerProcess(int(pid), received[0])

    def close(self) -> None:
        """End it; brokers that still serve go on."""
        self._orders.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_CLOSING_TIME)
            return
        self._process.kill()
        self._process.wait()

    def forget(self) -> None:
        """In a forked child, whose parent's it is: one of two that ask at a time would get the other's answer."""
        self._orders.close()
        self._process.returncode = 0  # or its object would complain that nobody waited


class _Brokers:
    """This process's fork server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: _ForkServer | None = None
        os.register_at_fork(after_in_child=self._in_child)

    def start(self, kind: str, control: socket.socket) -> BrokerProcess:
        with self._lock:
            for _ in range(2):
                if self._server is None:
                    self._server = _ForkServer()
                    # Not atexit: a child of multiprocessing ends without it, but not without its finalizers.
                    Finalize(None, self.close, exitpriority=-1)
                try:
                    return self._server.start(kind, control)
                except OSError:  # somebody has killed it
                    self.close()
        raise EngineFault(_GONE)

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def _in_child(self) -> None:
        self._lock = threading.Lock()
        server, self._server = self._server, None
        if server is not None:
            server.forget()


_BROKERS = _Brokers()


def start_broker(kind: Literal["namespace", "confined", "loopback"], control: socket.socket) -> BrokerProcess:
    """Start a broker for an arena of this kind, which serves on `control` as soon as it is inside."""
    return _BROKERS.start(kind, control)


def _ends(pidfd: int, seconds: float) -> bool:
    """Whether that process ends in so many seconds: Popen.wait with a timeout polls with sleeps."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
