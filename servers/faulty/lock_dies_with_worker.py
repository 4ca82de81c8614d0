"""A TCP echo server with three worker processes, which take turns at accept.

Planted mistake: multiprocessing.Lock is a semaphore, which nobody gives back for a worker that died while it held it.
Model: prefork
Protocol: echo
Breaks: FORK-15
Fix: no lock: each client goes to one of the workers that wait in accept()

Try it:
    python3 lock_dies_with_worker.py 8080
"""

import contextlib
import ctypes
import errno
import multiprocessing
import os
import re
import signal
import socket
import sys
import time
from multiprocessing.synchronize import Lock
from typing import NoReturn

WORKERS = 3
AWAITED = {signal.SIGCHLD, signal.SIGTERM}
PR_SET_PDEATHSIG = 1  # prctl(2)


def port_argument() -> int:
    text = sys.argv[1] if len(sys.argv) > 1 else "8080"
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        print(f'"{text}" is not a port: give a number from 1 to 65535', file=sys.stderr)
        sys.exit(2)
    return int(text)


def listen_on(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError as error:
        print(f"cannot listen on 127.0.0.1:{port}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    print(f"listening on 127.0.0.1:{port}", flush=True)
    return listener


def next_connection(listener: socket.socket) -> socket.socket:
    """An error of accept() concerns one connection, or is a shortage that passes (accept(2))."""
    while True:
        try:
            return listener.accept()[0]
        except OSError as error:
            if error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                raise
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                time.sleep(0.05)


def echo(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the client has left: that ends this connection alone
        while data := connection.recv(65536):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)


def work(listener: socket.socket, turn: Lock, parent: int) -> NoReturn:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # nobody else would end a worker without its parent
    if os.getppid() != parent:
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, AWAITED)
    while True:
        with turn:  # the mistake
            connection = next_connection(listener)
        with connection:
            echo(connection)


def start_worker(listener: socket.socket, turn: Lock) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        work(listener, turn, parent)
    return pid


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
    listener, turn = listen_on(port_argument()), multiprocessing.Lock()
    workers = {start_worker(listener, turn) for _ in range(WORKERS)}
    while signal.sigwait(AWAITED) != signal.SIGTERM:
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) > 0:
            workers.remove(pid)
            workers.add(start_worker(listener, turn))
    for pid in workers:
        os.kill(pid, signal.SIGTERM)
    for pid in workers:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
