r"""An HTTP server that serves one client after the other.

Planted mistake: The request is what comes until nothing has come for 10 s: each client waits for that.
Model: iterative
Protocol: http
Breaks: TIME-14
Fix: call recv() until the empty line is there: while b"\r\n\r\n" not in request

Try it:
    python3 answers_when_its_limit_is_over.py 8080
"""

import errno
import re
import socket
import sys
import time

HEAD_LIMIT = 16384
PAGE = b"<!doctype html><title>Hello</title><p>Hello from a server.</p>\n"
REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
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


def read_request(connection: socket.socket) -> bytes:
    connection.settimeout(10)
    request = b""
    while len(request) < HEAD_LIMIT:  # the mistake
        try:
            data = connection.recv(HEAD_LIMIT - len(request))
        except TimeoutError:
            break
        if not data:
            break
        request += data
    return request


def status_of(request: bytes) -> int:
    if b"\r\n\r\n" not in request:
        return 400
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
    return status == 400 or rest != b"" or BODY_FIELD.search(head) is not None


def linger(connection: socket.socket) -> None:
    """Closing with unread input would reset the connection and might destroy the answer."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(1)
    dropped = 0
    while dropped < 1 << 20 and (data := connection.recv(65536)):
        dropped += len(data)


def serve(connection: socket.socket) -> None:
    request = read_request(connection)
    if not request:
        return
    status = status_of(request)
    is_head = request.removeprefix(b"\r\n").startswith(b"HEAD ")
    connection.sendall(answer(status, with_body=not is_head))
    if more_may_come(request, status):
        linger(connection)


def main() -> None:
    listener = listen_on(port_argument())
    while True:
        with next_connection(listener) as connection:
            try:
                serve(connection)
            except OSError:
                pass  # this client has left, the next one is served


if __name__ == "__main__":
    main()
