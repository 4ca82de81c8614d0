r"""An HTTP server with a child for each connection, which may bring many requests.

Planted mistake: Every page is sent in chunks, although a client of HTTP/1.0 knows none.
Model: fork
Protocol: http
Breaks: RESP-09
Fix: chunked = b" HTTP/1.0\r\n" not in head

Try it:
    python3 chunks_for_everybody.py 8080
"""

import errno
import os
import re
import signal
import socket
import sys
import time
from typing import NoReturn

HEAD_LIMIT = 16384
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


def status_of(request: bytes) -> int:
    if len(request.partition(b"\r\n\r\n")[0]) > HEAD_LIMIT:
        return 431
    line = REQUEST_LINE.fullmatch(request.removeprefix(b"\r\n").partition(b"\r\n")[0])
    if line is None:
        return 400
    if line[2] != b"/":
        return 404
    return 200 if line[1] in (b"GET", b"HEAD") else 405


def answer(status: int, with_body: bool, keep: bool) -> bytes:
    body = PAGE if status == 200 else f"{status} {REASONS[status]}\n".encode()
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\n"
        "Allow: GET, HEAD\r\n"
        "Content-Type: text/html; charset=utf-8\r\n"
        "Transfer-Encoding: chunked\r\n"  # the mistake: whatever version the request has
        f"Connection: {'keep-alive' if keep else 'close'}\r\n"
        "\r\n"
    ).encode()
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if with_body else head


def goes_on(head: bytes, status: int) -> bool:
    """Whether the connection stays open after the answer: not when it is unclear what follows."""
    if status in (400, 431) or BODY_FIELD.search(head):
        return False
    return b" HTTP/1.0\r\n" not in head and not re.search(rb"(?i)\r\nconnection:[^\r]*close", head)


def linger(connection: socket.socket) -> None:
    """Closing with unread input would reset the connection and might destroy the answer."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(1)
    dropped = 0
    while dropped < 1 << 20 and (data := connection.recv(65536)):
        dropped += len(data)


def serve(connection: socket.socket) -> None:
    received = b""
    while True:
        while b"\r\n\r\n" not in received and len(received) <= HEAD_LIMIT:
            data = connection.recv(4096)
            if not data:
                return
            received += data
        head, empty_line, received = received.partition(b"\r\n\r\n")
        head = head.removeprefix(b"\r\n") + empty_line
        status = status_of(head)
        keep = goes_on(head, status)
        connection.sendall(answer(status, not head.startswith(b"HEAD "), keep))
        if not keep:
            if status in (400, 431) or received or BODY_FIELD.search(head):
                linger(connection)
            return


def run_child(listener: socket.socket, connection: socket.socket) -> NoReturn:
    try:
        listener.close()
        serve(connection)
    except OSError:
        pass  # the client has left
    finally:
        os._exit(0)  # never back to the accept loop


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the children: wait(2), Notes
    listener = listen_on(port_argument())
    while True:
        connection = next_connection(listener)
        try:
            if os.fork() == 0:
                run_child(listener, connection)
        except OSError as error:  # this client is let go; the next may have more luck
            print(f"fork: {error.strerror}", file=sys.stderr)
        connection.close()


if __name__ == "__main__":
    main()
