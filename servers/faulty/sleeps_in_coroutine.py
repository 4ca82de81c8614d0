"""An HTTP server in one process, with coroutines.

Planted mistake: A coroutine calls time.sleep(), and with it the whole event loop sleeps.
Model: event_loop
Protocol: http
Breaks: TIME-09
Fix: await asyncio.sleep(1); what blocks belongs into asyncio.to_thread()

Try it:
    python3 sleeps_in_coroutine.py 8080
"""

import asyncio
import re
import sys
import time

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


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Up to the empty line, in however many pieces it comes; nothing if the client leaves before it."""
    received = b""
    while b"\r\n\r\n" not in received and len(received) <= HEAD_LIMIT:
        data = await reader.read(4096)
        if not data:
            return b""
        received += data
    return received


async def linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closing with unread input would reset the connection and might destroy the answer."""
    writer.write_eof()
    dropped = 0
    while dropped < 1 << 20 and (data := await asyncio.wait_for(reader.read(65536), 1)):
        dropped += len(data)


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    request = await read_request(reader)
    if not request:
        return
    time.sleep(1)  # the mistake: a database, say, is asked
    status = status_of(request)
    is_head = request.removeprefix(b"\r\n").startswith(b"HEAD ")
    writer.write(answer(status, with_body=not is_head))
    await writer.drain()
    if more_may_come(request, status):
        await linger(reader, writer)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await converse(reader, writer)
    except OSError:
        pass  # the client has left
    finally:
        writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=128)
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    wanted = port_argument()
    try:
        asyncio.run(main(wanted))
    except OSError as error:
        print(f"cannot listen on 127.0.0.1:{wanted}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
