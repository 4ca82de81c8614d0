"""An HTTP/1.1 server in one process and one thread, with an event loop.

Shows: non-blocking sockets, waiting for many of them at once, and what has to be remembered for each
client when no call may wait for it: what it sent, what it has not taken yet, what is to happen next.

Try it:
    python3 http_event_loop.py 8080
    curl -i http://127.0.0.1:8080/        curl --data-binary @FILE http://127.0.0.1:8080/echo

Leaves out: files, chunked bodies (501), the Date field, time limits for silent clients.
Python itself retries a call that a signal interrupted (PEP 475), and ignores SIGPIPE.
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
# 65 characters: a length that no buffer size is a multiple of, so a lost or doubled piece shows.
ROW = b"abcdefghijklmnopqrstuvwxyz 0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ\n"
LARGE = (ROW * (262144 // len(ROW) + 1))[:262144]

METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"}
ALLOWED = {"/": ("GET", "HEAD"), "/large": ("GET", "HEAD"), "/echo": ("POST",)}
REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
}

REQUEST_LINE = re.compile(rb"([!-~]+) ([^\x00-\x20\x7f]+) HTTP/1\.([0-9])")
FIELD_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Refused(Exception):
    """A request that is answered with an error; none may follow it, for where it ends is not known."""

    def __init__(self, status: int) -> None:
        self.status = status


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    length: int  # of the body, in bytes
    waits: bool  # for "100 Continue" before it sends the body
    keep: bool  # the connection goes on after the answer


class Conversation:
    """What is said on one connection. There is no socket in here: bytes come in, bytes go out."""

    def __init__(self) -> None:
        self.received = bytearray()  # and not used yet
        self.request: Request | None = None  # the one whose body is on its way
        self.over = False  # the last answer was given
        self.unread = False  # the client may have sent more than was used

    def answer(self) -> bytes | None:
        """The next bytes to send; None when more has to be received first."""
        if self.over:
            return None
        try:
            if self.request is None:
                self.request = self.take_head()
                if self.request and self.request.waits and not self.received:
                    return b"HTTP/1.1 100 Continue\r\n\r\n"
            if self.request is None or len(self.received) < self.request.length:
                return None
        except Refused as refusal:
            self.over = self.unread = True
            is_head = self.received.lstrip(b"\r\n").startswith(b"HEAD ")
            return error(refusal.status, keep=False, with_body=not is_head)
        request, self.request = self.request, None
        body = bytes(self.received[: request.length])
        del self.received[: request.length]
        self.over = not request.keep
        self.unread = bool(self.received)
        return respond(request, body)

    def take_head(self) -> Request | None:
        # RFC 9112, 2.2: one empty line before a request is to be ignored.
        start = 2 if self.received.startswith(b"\r\n") else 0
        if self.received.startswith(b"\r\n", start):
            raise Refused(400)
        end = self.received.find(b"\r\n\r\n", start)
        if end > HEAD_LIMIT or (end < 0 and len(self.received) > HEAD_LIMIT):
            raise Refused(431)
        if end < 0:
            return None
        request = parse(bytes(self.received[start:end]))
        del self.received[: end + 4]
        return request


def parse(head: bytes) -> Request:
    line, *field_lines = head.split(b"\r\n")
    words = REQUEST_LINE.fullmatch(line)
    if words is None:
        raise Refused(400)
    method, path = words[1].decode(), path_of(words[2])
    fields: dict[bytes, list[bytes]] = {}
    for field_line in field_lines:
        name, colon, value = field_line.partition(b":")
        if not colon or not FIELD_NAME.fullmatch(name) or CONTROL.search(value):
            raise Refused(400)
        fields.setdefault(name.lower(), []).append(value.strip(b" \t"))

    hosts = len(fields.get(b"host", []))
    if hosts > 1 or (hosts == 0 and words[3] != b"0"):  # RFC 9112, 3.2
        raise Refused(400)
    if b"transfer-encoding" in fields:
        raise Refused(501)
    length = body_length(fields.get(b"content-length", []))
    if length is None and method == "POST" and path == "/echo":
        raise Refused(411)
    expectations = [value.lower() for value in fields.get(b"expect", [])]
    waits = bool(length) and b"100-continue" in expectations
    options = b",".join(fields.get(b"connection", [])).lower().split(b",")
    # An HTTP/1.0 client expects us to close.
    keep = words[3] != b"0" and b"close" not in [option.strip(b" \t") for option in options]
    return Request(method, path, length or 0, waits, keep)


def path_of(target: bytes) -> str:
    """The path without the query; the target may be in absolute form (RFC 9112, 3.2.2)."""
    if absolute := re.match(rb"(?i)http://[^/?]+", target):
        target = target[absolute.end() :]
        if not target.startswith(b"/"):
            target = b"/" + target
    if not target.startswith(b"/"):
        raise Refused(400)
    return target.partition(b"?")[0].decode("latin-1")


def body_length(values: list[bytes]) -> int | None:
    if not values:
        return None
    if len(set(values)) > 1 or not values[0].isdigit():
        raise Refused(400)
    if len(values[0]) > 18 or int(values[0]) > BODY_LIMIT:
        raise Refused(413)
    return int(values[0])


def respond(request: Request, body: bytes) -> bytes:
    with_body = request.method != "HEAD"
    if request.method not in METHODS:
        return error(501, request.keep)
    if request.path not in ALLOWED:
        return error(404, request.keep, with_body)
    allowed = ALLOWED[request.path]
    if request.method not in allowed:
        return error(405, request.keep, with_body, f"Allow: {', '.join(allowed)}\r\n")
    if request.path == "/echo":
        return message(200, "application/octet-stream", body, request.keep)
    if request.path == "/large":
        return message(200, "text/plain", LARGE, request.keep, with_body)
    return message(200, "text/html", PAGE, request.keep, with_body)


def error(status: int, keep: bool, with_body: bool = True, fields: str = "") -> bytes:
    text = f"{status} {REASONS[status]}\n".encode()
    return message(status, "text/plain", text, keep, with_body, fields)


def message(
    status: int,
    content_type: str,
    body: bytes,
    keep: bool,
    with_body: bool = True,
    fields: str = "",
) -> bytes:
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\n"
        f"{fields}"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n"
        "\r\n"
    ).encode()
    return head + body if with_body else head


class Client:
    """What is known of one client between two events."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.conversation = Conversation()
        self.unsent = bytearray()
        self.finished = False  # the client sends no more
        self.give_up_at = 0.0  # while its last bytes are read and dropped: when to stop, by monotonic()
        self.dropped = 0  # bytes

    @property
    def lingering(self) -> bool:
        return self.give_up_at > 0

    def readable(self) -> None:
        data = self.connection.recv(65536)
        if not data:
            self.finished = True
        elif self.lingering:
            self.dropped += len(data)
            self.give_up_at = time.monotonic() + 1
        else:
            self.conversation.received += data

    def answer(self) -> None:
        """Sends what can be sent. The next answer is made when the last is out, so none pile up."""
        while self.flush():
            reply = self.conversation.answer()
            if reply is None:
                return
            self.unsent += reply

    def flush(self) -> bool:
        """Whether everything is sent."""
        while self.unsent:
            try:
                del self.unsent[: self.connection.send(self.unsent)]
            except BlockingIOError:
                return False
        return True

    def linger(self) -> None:
        """Says that we have finished; what still comes is read and dropped.

        Closing with unread input makes the kernel send a reset, which may destroy the answer on its
        way (RFC 9112, 9.6). 1 MiB at most, 1 s of silence at most.
        """
        self.connection.shutdown(socket.SHUT_WR)
        self.give_up_at = time.monotonic() + 1

    def over(self) -> bool:
        """Whether nothing is left to do but to close. Goes on with the next thing otherwise."""
        if self.lingering:
            return self.finished or self.dropped >= BODY_LIMIT
        self.answer()
        if self.unsent:
            return False
        if self.conversation.over and self.conversation.unread and not self.finished:
            self.linger()
            return False
        return self.conversation.over or self.finished


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
            if events & selectors.EVENT_READ and not client.unsent:
                client.readable()
            if client.over():
                self.close(client)
                return
        except BlockingIOError:
            return  # readiness was a false alarm (select(2), Bugs)
        except OSError:
            self.close(client)  # it has left (ECONNRESET, EPIPE, ...): that ends this client alone
            return
        # A client that does not take its answer is not listened to either.
        wanted = selectors.EVENT_WRITE if client.unsent else selectors.EVENT_READ
        self.selector.modify(client.connection, wanted, client)

    def close(self, client: Client) -> None:
        self.clients.discard(client)
        self.selector.unregister(client.connection)
        client.connection.close()
        self.accept_again()  # a descriptor is free now

    def time_to_wait(self) -> float | None:
        """Seconds until something is due without an event; None: nothing is."""
        due = [client.give_up_at for client in self.clients if client.lingering]
        if self.accept_again_at:
            due.append(self.accept_again_at)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def do_what_is_due(self) -> None:
        now = time.monotonic()
        if now >= self.accept_again_at:
            self.accept_again()
        for client in [client for client in self.clients if client.lingering]:
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
