"""A TCP echo server that forks a child for each connection.

Shows: who closes which socket, how finished children are reaped in a handler for SIGCHLD, and why the
child leaves with os._exit().

Try it:
    python3 echo_fork.py 8080
    nc 127.0.0.1 8080

Leaves out: time limits, a limit on children.
Python itself retries a call that a signal interrupted (PEP 475), and ignores SIGPIPE.
"""

import errno
import os
import re
import select
import signal
import socket
import sys
import time
import traceback
from types import FrameType
from typing import NoReturn


def echo(connection: socket.socket) -> None:
    try:
        while data := connection.recv(65536):
            connection.sendall(data)  # goes on after a short write, unlike send()
    except OSError:
        pass  # the client has left (ECONNRESET, EPIPE, ...): that ends this connection alone


def port_argument() -> int:
    text = sys.argv[1] if len(sys.argv) > 1 else "8080"
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        print(f'{sys.argv[0]}: "{text}" is not a port: give a number from 1 to 65535', file=sys.stderr)
        sys.exit(2)
    return int(text)


def listen_on(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Before bind(): or the port is refused while old connections are in TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError as error:
        print(f"cannot listen on 127.0.0.1:{port}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    print(f"listening on 127.0.0.1:{port}", flush=True)
    return listener


def reap(_number: int, _frame: FrameType | None) -> None:
    """One SIGCHLD may stand for many children (signal(7)), so ask until there are no more."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass  # no child is left at all


def wake_on_signals() -> socket.socket:
    """A socket that becomes readable when a signal has come.

    Python runs a handler only between two steps of the program: one whose signal comes just before
    accept() blocks would wait for the next client, and the zombie with it. Waiting for a client and
    for signals at once, as poll(2) can, leaves no such moment (signal.set_wakeup_fd).
    """
    woken, wake = socket.socketpair()
    woken.setblocking(False)
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.detach(), warn_on_full_buffer=False)
    return woken


def next_connection(listener: socket.socket, woken: socket.socket) -> socket.socket:
    """accept(2) also reports what went wrong on the new connection, or a shortage that passes.

    Neither concerns the clients that come later.
    """
    events = select.poll()
    events.register(listener, select.POLLIN)
    events.register(woken, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in events.poll()]
        if woken.fileno() in ready:
            woken.recv(4096)
        if listener.fileno() not in ready:
            continue
        try:
            connection, _ = listener.accept()
        except OSError as error:
            if error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                raise
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                time.sleep(0.05)  # the connection is still queued: asking again at once would spin
            continue
        connection.setblocking(True)
        return connection


def run_child(listener: socket.socket, woken: socket.socket, connection: socket.socket) -> NoReturn:
    try:
        os.close(signal.set_wakeup_fd(-1))
        woken.close()
        listener.close()
        echo(connection)
    except Exception:
        traceback.print_exc()
    finally:
        # Not sys.exit(), nor a return: the child must never come back to the accept loop, and what the
        # parent has buffered is the parent's to write.
        os._exit(0)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    woken = wake_on_signals()
    signal.signal(signal.SIGCHLD, reap)
    listener = listen_on(port_argument())
    listener.setblocking(False)
    while True:
        connection = next_connection(listener, woken)
        try:
            if os.fork() == 0:
                run_child(listener, woken, connection)
        except OSError as error:  # this client is let go; the next may have more luck
            print(f"fork: {error.strerror}", file=sys.stderr)
        connection.close()  # the child's copy stays open until the child has finished


if __name__ == "__main__":
    main()
