"""A TCP echo server in one process and one thread, with an event loop.

Shows: non-blocking sockets, waiting for many of them at once, output that waits until the client takes
it, and input that is left with the kernel while too much output waits (back-pressure).

Try it:
    python3 echo_event_loop.py 8080
    nc 127.0.0.1 8080

Leaves out: time limits for silent clients.
Python itself retries a call that a signal interrupted (PEP 475), and ignores SIGPIPE.
"""

import errno
import re
import selectors
import signal
import socket
import sys
import time

UNSENT_LIMIT = 64 * 1024


class Client:
    """What is known of one client between two events."""

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
        events = selectors.EVENT_WRITE if self.unsent else 0
        if not self.finished and len(self.unsent) < UNSENT_LIMIT:
            events |= selectors.EVENT_READ
        return events


class Server:
    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.selector = selectors.DefaultSelector()
        self.accept_again_at: float | None = None
        self.selector.register(listener, selectors.EVENT_READ)

    def accept(self) -> None:
        """accept(2) also reports what went wrong on the new connection, or a shortage that passes.

        Neither concerns the clients that come later.
        """
        try:
            connection, _ = self.listener.accept()
        except OSError as error:
            if error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                raise
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                # The connection is still queued: the listener stays readable, and asking would spin.
                self.selector.unregister(self.listener)
                self.accept_again_at = time.monotonic() + 0.05
            return
        connection.setblocking(False)
        self.selector.register(connection, selectors.EVENT_READ, Client(connection))

    def accept_again(self) -> None:
        if self.accept_again_at is not None:
            self.accept_again_at = None
            self.selector.register(self.listener, selectors.EVENT_READ)

    def serve(self, client: Client, events: int) -> None:
        try:
            # What was awaited, not what has come: select() reports a reset as both.
            if events & client.awaited() & selectors.EVENT_READ:
                client.receive()
            client.send()
        except BlockingIOError:
            pass  # no more for now
        except OSError:
            self.close(client)  # it has left (ECONNRESET, EPIPE, ...): that ends this client alone
            return
        if awaited := client.awaited():
            self.selector.modify(client.connection, awaited, client)
        else:
            self.close(client)

    def close(self, client: Client) -> None:
        self.selector.unregister(client.connection)
        client.connection.close()
        self.accept_again()  # a descriptor is free now

    def run(self) -> None:
        while True:
            timeout = None
            if self.accept_again_at is not None:
                timeout = max(0.0, self.accept_again_at - time.monotonic())
            for key, events in self.selector.select(timeout):
                if key.fileobj is self.listener:
                    self.accept()
                else:
                    self.serve(key.data, events)
            if self.accept_again_at is not None and time.monotonic() >= self.accept_again_at:
                self.accept_again()


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


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    listener = listen_on(port_argument())
    listener.setblocking(False)
    Server(listener).run()


if __name__ == "__main__":
    main()
