"""An HTTP/1.1 server in one process and one thread, with an event loop.

Planted mistake: What is not there is refused before its body is read, and the connection goes on with that body.
Model: event_loop
Protocol: http
Breaks: RESP-21
Fix: take the body of every request from what was received, or close behind the refusal

Try it:
    python3 refused_body_is_next.py 8080
"""

import errno
import re
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass

HEAD_LIMIT = 16 * 1024
BODY_LIMIT = 1024 * 1024

PAGE = b"<!doctype html><title>Hello</title><p>Hello from a server.</p>\n"
LARGE = (b"abcdefghijklmnopqrstuvwxyz\n" * 9710)[:262144]  # a lost or doubled piece shows

REQUEST_LINE = re.compile(rb"([!-~]+) (/[!-~]*) HTTP/1\.([0-9])")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")


class Refused(Exception):
    """A request that is answered with an error; none may follow it, for where it ends is not known."""


@dataclass(frozen=True)
class Request:
    method: bytes
    path: bytes
    length: int  # of the body, in bytes
    keep: bool  # the connection goes on after the answer


def parse(head: bytes) -> Request:
    first, *lines = head.split(b"\r\n")
    words = REQUEST_LINE.fullmatch(first)
    if words is None:
        raise Refused("400 Bad Request")
    fields: dict[bytes, bytes] = {}
    for line in lines:
        field = FIELD.fullmatch(line)
        if field is None:
            raise Refused("400 Bad Request")
        name, value = field[1].lower(), field[2].strip()
        fields[name] = fields[name] + b", " + value if name in fields else value

    old = words[3] == b"0"  # an HTTP/1.0 client expects us to close, and need not name the host
    length = fields.get(b"content-length", b"0")
    if b"transfer-encoding" in fields:
        raise Refused("501 Not Implemented")
    if not length.isdigit() or (b"host" not in fields and not old):
        raise Refused("400 Bad Request")
    if len(length) > 18 or int(length) > BODY_LIMIT:
        raise Refused("413 Content Too Large")
    keep = not old and b"close" not in fields.get(b"connection", b"").lower()
    return Request(words[1], words[2].partition(b"?")[0], int(length), keep)


def respond(request: Request, body: bytes) -> bytes:
    allowed = "POST" if request.path == b"/echo" else "GET, HEAD"
    if request.path not in (b"/", b"/large", b"/echo"):
        return answer("404 Not Found", request.keep)
    if request.method.decode() not in allowed.split(", "):
        return answer(f"405 Method Not Allowed\r\nAllow: {allowed}", request.keep)
    return answer("200 OK", request.keep, {b"/": PAGE, b"/large": LARGE, b"/echo": body}[request.path])


def answer(status: str, keep: bool, body: bytes | None = None) -> bytes:
    """Without a body the status is the body. It may bring a field with it."""
    if body is None:
        body = status.partition("\r")[0].encode() + b"\n"
    head = (
        f"HTTP/1.1 {status}\r\n"
        f"Content-Type: {'text/html' if body is PAGE else 'text/plain'}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n"
        "\r\n"
    )
    return head.encode() + body


class Client:
    """What is known of one client between two events."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = bytearray()  # and not used yet
        self.request: Request | None = None  # the one whose body is on its way
        self.unsent = bytearray()
        self.last = False  # the last answer is given
        self.unread = False  # the client sends more than was used
        self.finished = False  # the client sends no more
        self.give_up_at = 0.0  # while its last bytes are read and dropped: when to stop, by monotonic()
        self.dropped = 0  # bytes

    def receive(self) -> None:
        data = self.connection.recv(65536)
        self.finished = not data
        if self.give_up_at:
            self.dropped += len(data)
            self.give_up_at = time.monotonic() + 1
        else:
            self.received += data

    def next_answer(self) -> bytes:
        """Empty when more has to be received first."""
        is_head = self.received.startswith(b"HEAD ")
        try:
            self.request = request = self.request or self.take_head()
        except Refused as refusal:
            self.last = self.unread = True
            reply = answer(str(refusal), keep=False)
        else:
            if request is None:
                return b""
            length = request.length if request.path in (b"/", b"/large", b"/echo") else 0
            if len(self.received) < length:
                return b""
            is_head = request.method == b"HEAD"
            body = bytes(self.received[:length])
            del self.received[:length]
            self.request, self.last, self.unread = None, not request.keep, bool(self.received)
            reply = respond(request, body)
        return reply[: reply.index(b"\r\n\r\n") + 4] if is_head else reply

    def take_head(self) -> Request | None:
        end = self.received.find(b"\r\n\r\n")
        if end + 4 > HEAD_LIMIT or (end < 0 and len(self.received) > HEAD_LIMIT):
            raise Refused("431 Request Header Fields Too Large")
        if end < 0:
            return None
        request = parse(bytes(self.received[:end]))
        del self.received[: end + 4]
        return request

    def flush(self) -> None:
        while self.unsent:
            try:
                del self.unsent[: self.connection.send(self.unsent)]
            except BlockingIOError:
                return

    def advance(self) -> bool:
        """Does everything that can be done now. Returns whether anything is left to do.

        The next answer is made when the one ahead of it is out, so none pile up.
        """
        if self.give_up_at:
            return not self.finished and self.dropped < BODY_LIMIT
        self.flush()
        while not self.unsent and not self.last and (reply := self.next_answer()):
            self.unsent += reply
            self.flush()
        if self.unsent:
            return True
        if self.last and self.unread and not self.finished:
            self.linger()
            return True
        return not self.last and not self.finished

    def linger(self) -> None:
        """Says that we have finished; what still comes is read and dropped.

        Closing with unread input makes the kernel send a reset, which may destroy the answer on its
        way (RFC 9112, 9.6). 1 MiB at most, 1 s of silence at most.
        """
        self.connection.shutdown(socket.SHUT_WR)
        self.give_up_at = time.monotonic() + 1


class Server:
    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.selector = selectors.DefaultSelector()
        self.clients: set[Client] = set()
        self.accept_again_at = 0.0  # 0: now
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
        client = Client(connection)
        self.clients.add(client)
        self.selector.register(connection, selectors.EVENT_READ, client)

    def accept_again(self) -> None:
        if self.accept_again_at:
            self.accept_again_at = 0.0
            self.selector.register(self.listener, selectors.EVENT_READ)

    def serve(self, client: Client, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                client.receive()
            goes_on = client.advance()
        except BlockingIOError:
            return  # readiness was a false alarm (select(2), Bugs)
        except OSError:
            goes_on = False  # it has left (ECONNRESET, EPIPE, ...): that ends this client alone
        if goes_on:
            # A client that does not take its answer is not listened to either.
            wanted = selectors.EVENT_WRITE if client.unsent else selectors.EVENT_READ
            self.selector.modify(client.connection, wanted, client)
        else:
            self.close(client)

    def close(self, client: Client) -> None:
        self.clients.discard(client)
        self.selector.unregister(client.connection)
        client.connection.close()
        self.accept_again()  # a descriptor is free now

    def time_to_wait(self) -> float | None:
        """Seconds until something is due without an event; None: nothing is."""
        due = [client.give_up_at for client in self.clients if client.give_up_at]
        if self.accept_again_at:
            due.append(self.accept_again_at)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def do_what_is_due(self) -> None:
        now = time.monotonic()
        if now >= self.accept_again_at:
            self.accept_again()
        for client in [client for client in self.clients if client.give_up_at]:
            if now >= client.give_up_at:
                self.close(client)

    def run(self) -> None:
        while True:
            for key, events in self.selector.select(self.time_to_wait()):
                if key.fileobj is self.listener:
                    self.accept()
                else:
                    self.serve(key.data, events)
            self.do_what_is_due()


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
