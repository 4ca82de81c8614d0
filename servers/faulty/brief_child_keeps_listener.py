"""A TCP echo server that forks a child for each connection, and gives a client a second to say something.

Planted mistake: The child, which serves for a second at the longest, does not close its copy of the listener.
Model: fork
Protocol: echo
Breaks: FORK-06
Fix: listener.close() in the child, before it serves its client

Try it:
    python3 brief_child_keeps_listener.py 8080
"""

import errno
import os
import re
import signal
import socket
import sys
import time

LIMIT = 1.0  # seconds


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
    connection.settimeout(LIMIT)
    try:
        while data := connection.recv(65536):
            connection.sendall(data)
    except OSError:
        pass  # the client has left, or says nothing


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the children: wait(2), Notes
    listener = listen_on(port_argument())
    while True:
        connection = next_connection(listener)
        try:
            if os.fork() == 0:  # the mistake: the child has the listener, too
                try:
                    echo(connection)
                finally:
                    os._exit(0)
        except OSError as error:
            print(f"fork: {error.strerror}", file=sys.stderr)
        connection.close()


if __name__ == "__main__":
    main()
