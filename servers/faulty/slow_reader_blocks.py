"""A TCP echo server in one process, with an event loop.

Planted mistake: sendall() on a blocking socket waits for a client that does not read, and all others with it.
Model: event_loop
Protocol: echo
Breaks: LIFE-11
Fix: connection.setblocking(False), send what goes, keep the rest until select() says so

Try it:
    python3 slow_reader_blocks.py 8080
"""

import errno
import re
import selectors
import socket
import sys
import time


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


def next_connection(listener: socket.socket) -> socket.socket | None:
    """An error of accept() concerns one connection, or is a shortage that passes (accept(2))."""
    try:
        return listener.accept()[0]
    except OSError as error:
        if error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
            raise
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            time.sleep(0.05)  # it is still queued: asking again at once would spin
    return None


class Client:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def echo(self) -> bool:
        """Whether the connection goes on."""
        try:
            data = self.connection.recv(65536)
            self.connection.sendall(data)  # the mistake
        except OSError:
            return False  # the client has left
        return data != b""


def main() -> None:
    listener = listen_on(port_argument())
    listener.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                if connection := next_connection(listener):
                    selector.register(connection, selectors.EVENT_READ, Client(connection))
                continue
            client = key.data
            if not client.echo():
                selector.unregister(client.connection)
                client.connection.close()


if __name__ == "__main__":
    main()
