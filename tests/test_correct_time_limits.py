"""Correct servers with time limits of their own: discovery sees them, and no rule about time blames them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gatecrash.engine.discovery import discover
from gatecrash.model.contract import Contract
from gatecrash.model.launch import Launch
from gatecrash.reports.words import discovered
from tests.faulty import blamed, verdicts_on
from tests.needs import need

LIMIT_OF_EACH_RECV = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"hello\\n" if self.command == "GET" else b"")
    do_HEAD = do_GET
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
LIMIT_OF_EACH_LINE = """
import asyncio, sys
async def serve(reader, writer):
    try:
        while line := await asyncio.wait_for(reader.readline(), 10):
            writer.write(line)
            await writer.drain()
    except (TimeoutError, asyncio.TimeoutError, ConnectionError, ValueError):
        pass
    writer.close()
async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])) as server:
        await server.serve_forever()
asyncio.run(main())
"""
REAPER = """
import socket, sys, threading, time
last, lock = {}, threading.Lock()
def reap():
    while True:
        time.sleep(1)
        with lock:
            for connection in [one for one, at in last.items() if time.monotonic() - at > 12]:
                connection.shutdown(socket.SHUT_RDWR)
                del last[connection]
def serve(connection):
    with connection:
        try:
            while data := connection.recv(4096):
                with lock:
                    last[connection] = time.monotonic()
                connection.sendall(data)
        except OSError:
            pass
        with lock:
            last.pop(connection, None)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
threading.Thread(target=reap, daemon=True).start()
while True:
    connection, _ = listener.accept()
    with lock:
        last[connection] = time.monotonic()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
"""
TICKS_ARE_COUNTED = """
import select, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
idle = {}
while True:
    ready, _, _ = select.select([listener, *idle], [], [], 0.5)
    for one in ready:
        if one is listener:
            idle[listener.accept()[0]] = 0
            continue
        try:
            data = one.recv(65536)
            one.sendall(data)
            idle[one] = 0
        except OSError:
            data = b""
        if not data:
            one.close()
            del idle[one]
    for one in [one for one in idle if not ready]:
        idle[one] += 1
        if idle[one] >= 40:
            one.close()
            del idle[one]
"""
ONE_AFTER_THE_OTHER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    with listener.accept()[0] as connection:
        connection.settimeout(8)
        try:
            while data := connection.recv(4096):
                connection.sendall(data)
        except OSError:
            pass
"""
FORKS = """
import os, signal, socket, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    connection, _ = listener.accept()
    if os.fork() == 0:
        listener.close()
        connection.settimeout(25)
        try:
            while data := connection.recv(4096):
                connection.sendall(data)
        except OSError:
            pass
        os._exit(0)
    connection.close()
"""
ALARM_IN_A_CHILD = FORKS.replace("        connection.settimeout(25)\n", "").replace(
    "while data := connection.recv(4096):", "while signal.alarm(25) >= 0 and (data := connection.recv(4096)):"
)
TIMER_FOR_EACH = """
import socket, sys, threading
def end(connection):
    connection.shutdown(socket.SHUT_RDWR)
def serve(connection):
    with connection:
        data = b"-"
        while data:
            timer = threading.Timer(15, end, (connection,))
            timer.start()
            try:
                data = connection.recv(4096)
                connection.sendall(data)
            except OSError:
                data = b""
            finally:
                timer.cancel()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()
"""
LIMIT_OF_EACH_SEND = """
import socket, sys, threading
def serve(connection):
    with connection:
        connection.settimeout(5)
        try:
            request = b""
            while b"\\r\\n\\r\\n" not in request:
                if not (data := connection.recv(4096)):
                    return
                request += data
            body = b"abcdefghijklmnopqrstuvwxyz\\n" * (9710 if request.startswith(b"GET /large ") else 1)
            head = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n" % len(body)
            left = memoryview(head + body * (not request.startswith(b"HEAD ")))
            while left:
                left = left[connection.send(left):]
        except OSError:
            pass
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()
"""
NO_LIMIT = ONE_AFTER_THE_OTHER.replace("        connection.settimeout(8)\n", "")


def test_who_reads_slowly_is_not_cut_off_by_a_limit_of_each_send(tmp_path: Path) -> None:
    need("clock")
    (tmp_path / "server.py").write_text(LIMIT_OF_EACH_SEND)
    verdict = verdicts_on(tmp_path / "server.py", frozenset({"TIME-03"}), only="time")["TIME-03"]
    assert (verdict.outcome, verdict.exercised) == ("pass", 4), verdict


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [
        pytest.param(LIMIT_OF_EACH_RECV, id="a limit for each recv"),
        pytest.param(LIMIT_OF_EACH_LINE, id="a limit for each line"),
        pytest.param(REAPER, id="a thread that looks round every second"),
        pytest.param(TICKS_ARE_COUNTED, id="ticks of half a second are counted"),
        pytest.param(ONE_AFTER_THE_OTHER, id="one client after the other"),
        pytest.param(FORKS, id="a limit in the child"),
        pytest.param(ALARM_IN_A_CHILD, id="an alarm in the child, set anew"),
        pytest.param(TIMER_FOR_EACH, id="a timer for each wait"),
        pytest.param(NO_LIMIT, id="no limit"),
    ],
)
def test_nobody_is_blamed_for_a_time_limit_as_such(source: str, tmp_path: Path) -> None:
    need("clock")
    (tmp_path / "server.py").write_text(source)
    verdicts = verdicts_on(tmp_path / "server.py", frozenset(), only="time")
    assert blamed(verdicts) == frozenset()
    judged = {rule for rule in ("TIME-01", "TIME-04", "TIME-05") if verdicts[rule].outcome == "pass"}
    assert judged == (set() if source is NO_LIMIT else {"TIME-01", "TIME-04", "TIME-05"}), verdicts


SLEEPS_AND_READS_ONCE = """
import os, signal, socket, sys, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    connection, _ = listener.accept()
    if os.fork() == 0:
        listener.close()
        LIMIT
        BEFORE
        received = connection.recv(65536)
        BEHIND
        whole = received.endswith(b"\\r\\n\\r\\n") and received.startswith(b"GET")
        status = b"200 OK" if whole else b"400 Bad Request"
        connection.sendall(b"HTTP/1.1 " + status + b"\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
        os._exit(0)
    connection.close()
"""
_SLEEP, _LIMIT = "time.sleep(5)", "connection.settimeout(20)"


@pytest.mark.parametrize(
    ("before", "behind", "limit", "seen"),
    [
        pytest.param(_SLEEP, "", "", [None, None], id="before it reads"),
        pytest.param("", _SLEEP, "", [None, None], id="before it answers"),
        pytest.param(_SLEEP, "", _LIMIT, [25, None], id="and has a limit for the first bytes"),
    ],
)
def test_half_a_request_that_is_answered_when_a_sleep_is_over_shows_no_limit(
    before: str, behind: str, limit: str, seen: list[float | None], tmp_path: Path
) -> None:
    need("clock")
    source = SLEEPS_AND_READS_ONCE.replace("BEFORE", before).replace("BEHIND", behind).replace("LIMIT", limit)
    (tmp_path / "server.py").write_text(source)
    launch = Launch((sys.executable, str(tmp_path / "server.py"), "{port}"), tmp_path)
    contract = discover(launch, Contract(), source).contract
    assert contract.sleeps
    assert [contract.silent_limit, contract.half_limit] == [time and pytest.approx(time, abs=2) for time in seen]
    assert contract.lets_go == any(seen)


@pytest.mark.parametrize(
    ("source", "seen", "said"),
    [
        pytest.param(
            LIMIT_OF_EACH_RECV, [20, 20, 20], "lets go of clients that do nothing (", id="all kinds of clients"
        ),
        pytest.param(
            ONE_AFTER_THE_OTHER,
            [8, None, 8],
            "lets go of clients that do nothing (",
            id="any bytes are a whole request",
        ),
        pytest.param(NO_LIMIT, [None, None, None], "", id="no limit"),
    ],
)
def test_discovery_sees_who_is_let_go_and_when(
    source: str, seen: list[float | None], said: str, tmp_path: Path
) -> None:
    need("clock")
    (tmp_path / "server.py").write_text(source)
    launch = Launch((sys.executable, str(tmp_path / "server.py"), "{port}"), tmp_path)
    contract = discover(launch, Contract(), source).contract
    limits = (contract.silent_limit, contract.half_limit, contract.kept_limit)
    # What passes for real meanwhile is not counted: a second, on a busy machine.
    assert [limit and limit == pytest.approx(wanted, abs=2) for limit, wanted in zip(limits, seen, strict=True)] == [
        wanted and True for wanted in seen
    ]
    assert contract.lets_go == any(seen)
    assert ("lets go" in discovered(contract)) == contract.lets_go
    assert said in discovered(contract)
