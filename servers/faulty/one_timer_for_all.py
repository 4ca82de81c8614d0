"""An HTTP server in one process, with an event loop.

Planted mistake: One timer is set by the first client, and when it is over all are let go, however late they came.
Model: event_loop
Protocol: http
Breaks: TIME-04
Fix: keep a deadline for each client, and let go of those whose own one is over

Try it:
    python3 one_timer_for_all.py 8080
"""

import errno
import re
import selectors
import socket
import sys
import time

HEAD_LIMIT = 16384
SECONDS = 300
PAGE = b"<!doctype html><title>Hello</title><p>Hello from a server.</p>\n"
REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
}
REQUEST_LINE = re.compile(rb"([A-Z]+) (/[^ ?]*)(?:\?[^ ]*)? HTTP/1\.([0-9])")
BODY_FIELD = re.compile(rb"(?i)\r\n(content-length|transfer-encoding):")


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


def status_of(request: bytes) -> int:
    if len(request.partition(b"\r\n\r\n")[0]) > HEAD_LIMIT:
        return 431
    line = REQUEST_LINE.fullmatch(request.removeprefix(b"\r\n").partition(b"\r\n")[0])
    if line is None:
        return 400
    if line[2] != b"/":
        return 404
    return 200 if line[1] in (b"GET", b"HEAD") else 405


def answer(status: int, with_body: bool) -> bytes:
    body = PAGE if status == 200 else f"{status} {REASONS[status]}\n".encode()
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\n"
        "Allow: GET, HEAD\r\n"
        "Content-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n"
        "\r\n"
    ).encode()
    return head + body if with_body else head


def more_may_come(request: bytes, status: int) -> bool:
    head, _, rest = request.partition(b"\r\n\r\n")
    return status in (400, 431) or rest != b"" or BODY_FIELD.search(head) is not None


class Client:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = b""
        self.unsent = b""
        self.answered = False
        self.lingers = False  # closing now would reset the connection and might destroy the answer
        self.finished = False  # the client sends no more

    def receive(self) -> None:
        data = self.connection.recv(4096)
        self.finished = not data
        self.received += data
        if not self.answered and (b"\r\n\r\n" in self.received or len(self.received) > HEAD_LIMIT):
            status = status_of(self.received)
            is_head = self.received.removeprefix(b"\r\n").startswith(b"HEAD ")
            self.unsent = answer(status, with_body=not is_head)
            self.answered = True
            self.lingers = more_may_come(self.received, status)

    def send(self) -> None:
        while self.unsent:
            self.unsent = self.unsent[self.connection.send(self.unsent) :]
        if self.lingers:
            self.connection.shutdown(socket.SHUT_WR)

    def over(self) -> bool:
        if self.unsent:
            return False
        if self.finished or len(self.received) > 1 << 20:
            return True
        return self.answered and not self.lingers


def serve(client: Client, events: int) -> bool:
    """Whether the connection goes on."""
    try:
        if events & selectors.EVENT_READ and not client.unsent:
            client.receive()
        client.send()
    except BlockingIOError:
        pass  # no more for now
    except OSError:
        return False  # the client has left
    return not client.over()


def let_go(selector: selectors.BaseSelector, connection: socket.socket) -> None:
    selector.unregister(connection)
    connection.close()


def main() -> None:
    listener = listen_on(port_argument())
    listener.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    deadline = 0.0  # by monotonic(); 0: nobody is there
    while True:
        for key, events in selector.select(max(0.0, deadline - time.monotonic()) if deadline else None):
            if key.fileobj is listener:
                if connection := next_connection(listener):
                    connection.setblocking(False)
                    selector.register(connection, selectors.EVENT_READ, Client(connection))
                    deadline = deadline or time.monotonic() + SECONDS  # the mistake: one for all
                continue
            client = key.data
            if serve(client, events):
                wanted = selectors.EVENT_WRITE if client.unsent else selectors.EVENT_READ
                selector.modify(client.connection, wanted, client)
            else:
                let_go(selector, client.connection)
        if deadline and time.monotonic() >= deadline:
            for client in [key.data for key in selector.get_map().values() if key.data is not None]:
                let_go(selector, client.connection)
            deadline = 0.0


if __name__ == "__main__":
    main()
