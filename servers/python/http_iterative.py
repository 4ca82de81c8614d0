"""An HTTP/1.1 server that serves one client at a time, each with one answer.

Shows: socket, bind, listen, accept, receive, answer, close; and how a request is read when it comes in
any number of pieces.

Try it:
    python3 http_iterative.py 8080
    curl -i http://127.0.0.1:8080/        curl --data-binary @FILE http://127.0.0.1:8080/echo

Leaves out: files, chunked bodies (501), the Date field, persistent connections, time limits: a client
that sends nothing keeps all others waiting.
Python itself retries a call that a signal interrupted (PEP 475), and ignores SIGPIPE.
"""

import errno
import re
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
    """A request that is answered with an error. A body may be on its way that nobody will read."""

    def __init__(self, status: int) -> None:
        self.status = status


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    length: int  # of the body, in bytes
    waits: bool  # for "100 Continue" before it sends the body


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
            return error(refusal.status, with_body=not is_head)
        request, self.request = self.request, None
        body = bytes(self.received[: request.length])
        del self.received[: request.length]
        self.over = True
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
    return Request(method, path, length or 0, waits)


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
        return error(501)
    if request.path not in ALLOWED:
        return error(404, with_body)
    allowed = ALLOWED[request.path]
    if request.method not in allowed:
        return error(405, with_body, f"Allow: {', '.join(allowed)}\r\n")
    if request.path == "/echo":
        return message(200, "application/octet-stream", body)
    if request.path == "/large":
        return message(200, "text/plain", LARGE, with_body)
    return message(200, "text/html", PAGE, with_body)


def error(status: int, with_body: bool = True, fields: str = "") -> bytes:
    text = f"{status} {REASONS[status]}\n".encode()
    return message(status, "text/plain", text, with_body, fields)


def message(
    status: int,
    content_type: str,
    body: bytes,
    with_body: bool = True,
    fields: str = "",
) -> bytes:
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\n"
        f"{fields}"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n"
        "\r\n"
    ).encode()
    return head + body if with_body else head


def serve(connection: socket.socket) -> None:
    conversation = Conversation()
    try:
        while not conversation.over:
            reply = conversation.answer()
            if reply is not None:
                connection.sendall(reply)  # goes on after a short write, unlike send()
            elif data := connection.recv(65536):
                conversation.received += data
            else:
                return  # the client has finished
        if conversation.unread:
            linger(connection)
    except OSError:
        pass  # the client has left (ECONNRESET, EPIPE, ...): that ends this connection alone


def linger(connection: socket.socket) -> None:
    """Says that we have finished, then reads what still comes: 1 MiB at most, 1 s of silence at most.

    Closing with unread input makes the kernel send a reset, which may destroy the answer on its way
    (RFC 9112, 9.6).
    """
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(1)
    dropped = 0
    while dropped < BODY_LIMIT and (data := connection.recv(65536)):
        dropped += len(data)


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


def next_connection(listener: socket.socket) -> socket.socket:
    """accept(2) also reports what went wrong on the new connection, or a shortage that passes.

    Neither concerns the clients that come later.
    """
    while True:
        try:
            return listener.accept()[0]
        except OSError as error:
            if error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                raise
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                time.sleep(0.05)  # the connection is still queued: asking again at once would spin


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    listener = listen_on(port_argument())
    while True:
        with next_connection(listener) as connection:
            serve(connection)


if __name__ == "__main__":
    main()
