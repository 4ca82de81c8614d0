"""A TCP echo server in one process, with an event loop.

Planted mistake: What the socket does not take is kept, and nobody waits until it takes more: only input wakes the loop.
Model: event_loop
Protocol: echo
Breaks: STREAM-05
Fix: wait for EVENT_WRITE while something is unsent

Try it:
    python3 echo_never_writable.py 8080
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
        self.unsent = bytearray()
        self.finished = False  # the client sends no more

    def receive(self) -> None:
        data = self.connection.recv(65536)
        self.unsent += data
        self.finished = not data

    def send(self) -> None:
        while self.unsent:
            del self.unsent[: self.connection.send(self.unsent)]

    def awaited(self) -> int:
        """The events this client waits for; 0 when it has finished and has got everything."""
        return selectors.EVENT_READ if self.unsent or not self.finished else 0  # the mistake


def serve(client: Client, events: int) -> bool:
    """Whether the connection goes on."""
    try:
        if events & client.awaited() & selectors.EVENT_READ:
            client.receive()
        client.send()
    except BlockingIOError:
        pass  # no more for now
    except OSError:
        return False  # the client has left
    return client.awaited() != 0


def main() -> None:
    listener = listen_on(port_argument())
    listener.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, events in selector.select():
            if key.fileobj is listener:
                if connection := next_connection(listener):
                    connection.setblocking(False)
                    selector.register(connection, selectors.EVENT_READ, Client(connection))
                continue
            client = key.data
            if serve(client, events):
                selector.modify(client.connection, client.awaited(), client)
            else:
                selector.unregister(client.connection)
                client.connection.close()


if __name__ == "__main__":
    main()
