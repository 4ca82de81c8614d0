"""Correct servers that sleep, look round, or have short limits: the rules about it hold there, and blame nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faulty import blamed, verdicts_on
from tests.needs import need

THREADS_SLEEP = """
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    def do_GET(self):
        time.sleep(1)
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"hello\\n" if self.command == "GET" else b"")
    do_HEAD = do_GET
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
COROUTINES_SLEEP = """
import asyncio, sys
async def serve(reader, writer):
    try:
        while True:
            await asyncio.wait_for(reader.readuntil(b"\\r\\n\\r\\n"), 120)
            await asyncio.sleep(1)
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
            await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, asyncio.TimeoutError, OSError):
        pass
    writer.close()
async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])) as server:
        while True:
            await asyncio.sleep(0.1)
asyncio.run(main())
"""
CHILDREN_SLEEP = """
import os, signal, socket, sys, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    connection, _ = listener.accept()
    if os.fork() == 0:
        listener.close()
        try:
            connection.settimeout(30)
            received = b""
            while b"\\r\\n\\r\\n" not in received and (data := connection.recv(4096)):
                received += data
            if b"\\r\\n\\r\\n" in received:
                time.sleep(2)
                connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
        except OSError:
            pass
        os._exit(0)
    connection.close()
"""
_RULES = ("TIME-09", "TIME-10", "TIME-11")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "kept"),
    [
        pytest.param(THREADS_SLEEP, True, id="threads"),
        pytest.param(COROUTINES_SLEEP, True, id="coroutines"),
        pytest.param(CHILDREN_SLEEP, False, id="children"),
    ],
)
def test_whoever_sleeps_and_stops_nobody_is_not_blamed(source: str, kept: bool, tmp_path: Path) -> None:
    need("clock")
    (tmp_path / "server.py").write_text(source)
    verdicts = verdicts_on(tmp_path / "server.py", frozenset(_RULES), only="time")
    assert blamed(verdicts) == frozenset(), verdicts
    held = {rule for rule in (*_RULES, *(("TIME-07",) if kept else ())) if verdicts[rule].outcome == "pass"}
    assert held == {*_RULES, *(("TIME-07",) if kept else ())}, verdicts
