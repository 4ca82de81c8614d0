"""An HTTP/1.1 server that serves one client at a time, each with one answer.

Planted mistake: What comes behind the head of a request that is refused is left unread when the connection is closed.
Model: iterative
Protocol: http
Breaks: RESP-32
Fix: shutdown(SHUT_WR), and recv() until the client has finished, with a limit in size and time

Try it:
    python3 refuses_and_resets.py 8080
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
LARGE = (b"abcdefghijklmnopqrstuvwxyz\n" * 9710)[:262144]  # a lost or doubled piece shows

REQUEST_LINE = re.compile(rb"([!-~]+) (/[!-~]*) HTTP/1\.([0-9])")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")


class Refused(Exception):
    """A request that is answered with an error. A body may be on its way that nobody will read."""


@dataclass(frozen=True)
class Request:
    method: bytes
    path: bytes
    length: int  # of the body, in bytes


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

    old = words[3] == b"0"  # HTTP/1.0 did not name the host
    length = fields.get(b"content-length", b"0")
    if b"transfer-encoding" in fields:
        raise Refused("501 Not Implemented")
    if not length.isdigit() or (b"host" not in fields and not old):
        raise Refused("400 Bad Request")
    if len(length) > 18 or int(length) > BODY_LIMIT:
        raise Refused("413 Content Too Large")
    return Request(words[1], words[2].partition(b"?")[0], int(length))


def respond(request: Request, body: bytes) -> bytes:
    allowed = "POST" if request.path == b"/echo" else "GET, HEAD"
    if request.path not in (b"/", b"/large", b"/echo"):
        return answer("404 Not Found")
    if request.method.decode() not in allowed.split(", "):
        return answer(f"405 Method Not Allowed\r\nAllow: {allowed}")
    return answer("200 OK", {b"/": PAGE, b"/large": LARGE, b"/echo": body}[request.path])


def answer(status: str, body: bytes | None = None) -> bytes:
    """Without a body the status is the body. It may bring a field with it."""
    if body is None:
        body = status.partition("\r")[0].encode() + b"\n"
    head = (
        f"HTTP/1.1 {status}\r\n"
        f"Content-Type: {'text/html' if body is PAGE else 'text/plain'}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n"
        "\r\n"
    )
    return head.encode() + body


class Peer:
    """The client at the other end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = bytearray()  # and not used yet

    def receive(self) -> None:
        data = self.connection.recv(65536)
        if not data:
            raise EOFError("the client has finished")
        self.received += data

    def next_request(self) -> tuple[Request, bytes]:
        """One request and its body, in however many pieces they come."""
        while (end := self.received.find(b"\r\n\r\n")) < 0 and len(self.received) <= HEAD_LIMIT:
            self.receive()
        if end < 0 or end + 4 > HEAD_LIMIT:
            raise Refused("431 Request Header Fields Too Large")
        request = parse(bytes(self.received[:end]))
        start, stop = end + 4, end + 4 + request.length
        while len(self.received) < stop:
            self.receive()
        body = bytes(self.received[start:stop])
        del self.received[:stop]
        return request, body

    def serve(self) -> None:
        """Answers one request, whatever else the client may send."""
        try:
            request, body = self.next_request()
            head_only, reply = request.method == b"HEAD", respond(request, body)
        except Refused as refusal:
            head_only, reply = self.received.startswith(b"HEAD "), answer(str(refusal))
        if head_only:
            reply = reply[: reply.index(b"\r\n\r\n") + 4]
        self.connection.sendall(reply)  # goes on after a short write, unlike send()
        # The mistake: what the client still sends, or has sent and nobody has read, is none of our business.


def serve(connection: socket.socket) -> None:
    try:
        Peer(connection).serve()
    except (OSError, EOFError):
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
