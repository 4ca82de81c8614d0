"""What it costs to judge servers that sleep, and servers with time limits, beside those that do neither.

    python -m benchmarks.timed_servers [rounds]

Each server is checked under `quick`, by turns with the one it is compared with. Prints wall clock and processor time in
seconds, and their ratios: medians of `rounds` rounds (1). Limits: the lecture's fork server at most 2 times the same
program without its sleep; Python's own servers at most 2 times the C fork server in processor time.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_FORK = _ROOT / "servers" / "c" / "http_fork.c"

#: An HTTP server in C that forks for each client; SLEEP and what comes before its accept are filled in.
_C_FORK = r"""
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
static void reap(int s) { (void)s; while (waitpid(-1, NULL, WNOHANG) > 0) {} }
static void serve(int client)
{
    char data[4096];
    size_t have = 0;
    do {
        ssize_t got = recv(client, data + have, sizeof data - 1 - have, 0);
        if (got <= 0) return;
        data[have += got] = 0;
    } while (!strstr(data, "\r\n\r\n") && have < sizeof data - 1);
    SLEEP
    const char *answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";
    send(client, answer, strlen(answer), MSG_NOSIGNAL);
    shutdown(client, SHUT_WR);
    while (recv(client, data, sizeof data, 0) > 0) {}
}
int main(int count, char **words)
{
    struct sigaction action = {.sa_handler = reap, .sa_flags = SA_RESTART};
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(count > 1 ? atoi(words[1]) : 8080)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    sigaction(SIGCHLD, &action, NULL);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&any, sizeof any) || listen(listener, 16)) { perror("bind"); return 1; }
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        if (fork() == 0) { close(listener); serve(client); close(client); _exit(0); }
        close(client);
    }
}
"""
_SOCKETSERVER = """
import socketserver, sys
class Lines(socketserver.StreamRequestHandler):
    timeout = 30
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
Server(("", int(sys.argv[1])), Lines).serve_forever()
"""
_HTTP_SERVER = """
import http.server, sys
class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version, timeout = "HTTP/1.1", 10
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"hello\\n")
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Hello).serve_forever()
"""
_ASYNCIO = """
import asyncio, sys
async def echo(reader, writer):
    try:
        while data := await asyncio.wait_for(reader.read(4096), 30):
            writer.write(data)
            await asyncio.wait_for(writer.drain(), 30)
    except (asyncio.TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
async def main():
    async with await asyncio.start_server(echo, "0.0.0.0", int(sys.argv[1])) as server:
        await server.serve_forever()
asyncio.run(main())
"""
_PREFORK = """
import os, select, signal, socket, sys, time
listener = socket.create_server(("", int(sys.argv[1])), backlog=64)
listener.setblocking(False)
def serve(client):
    until, data = time.monotonic() + 10, b""
    while b"\\r\\n\\r\\n" not in data:
        if not select.select([client], [], [], max(0.0, until - time.monotonic()))[0]:
            return client.sendall(b"HTTP/1.1 408 Late\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
        more = client.recv(4096)
        if not more:
            return
        data += more
    client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\nConnection: close\\r\\n\\r\\nhello\\n")
def work():
    while True:
        select.select([listener], [], [], 5)
        try:
            client, _ = listener.accept()
        except OSError:
            time.sleep(0.05)
            continue
        client.setblocking(True)
        try:
            serve(client)
        except OSError:
            pass
        client.close()
for _ in range(4):
    if os.fork() == 0:
        work()
while True:
    os.wait()
    if os.fork() == 0:
        work()
"""
_SILENT = """
import socket, sys, time
listener = socket.create_server(("", int(sys.argv[1])), backlog=64)
kept = []
while True:
    kept.append(listener.accept()[0])
"""
_HUNG = """
import signal, socket, sys
listener = socket.create_server(("", int(sys.argv[1])), backlog=64)
while True:
    signal.pause()
"""
_LINES = '[contract]\nprotocol = "echo"\necho = "lines"\n'


@dataclass(frozen=True)
class Checked:
    """One server and what it is measured by."""

    name: str
    suffix: str
    source: str
    beside: str = "C fork"
    contract: str = ""


SERVERS = (
    Checked("C fork", ".c", _FORK.read_text()),
    Checked("lecture", ".c", _C_FORK.replace("SLEEP", "")),
    Checked("lecture, sleep(1)", ".c", _C_FORK.replace("SLEEP", "sleep(1);"), "lecture"),
    Checked("socketserver, 30 s", ".py", _SOCKETSERVER, contract=_LINES),
    Checked("http.server, 10 s", ".py", _HTTP_SERVER),
    Checked("asyncio, wait_for(30)", ".py", _ASYNCIO),
    Checked("prefork, select and deadlines", ".py", _PREFORK),
    Checked("accepts and says nothing", ".py", _SILENT),
    Checked("hangs: never accepts", ".py", _HUNG),
)


def measured(one: Checked, folder: Path) -> tuple[float, float]:
    """Wall clock and processor time of one check, in seconds."""
    path = folder / f"server{one.suffix}"
    path.write_text(one.source)
    words = [sys.executable, "-m", "gatecrash", "check", str(path)]
    if one.contract:
        (folder / "contract.toml").write_text(one.contract)
        words += ["--contract", str(folder / "contract.toml")]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(words, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Check them all by turns, and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    seen: dict[str, list[tuple[float, float]]] = {one.name: [] for one in SERVERS}
    for _ in range(rounds):
        for one in SERVERS:
            with tempfile.TemporaryDirectory(prefix="gatecrash-") as folder:
                seen[one.name].append(measured(one, Path(folder)))
    medians = {
        name: tuple(statistics.median(column) for column in zip(*rows, strict=True)) for name, rows in seen.items()
    }
    print(f"{'server':32} {'wall':>7} {'cpu':>7} {'wall/cpu':>9}   beside")
    for one in SERVERS:
        (wall, processor), (other_wall, other) = medians[one.name], medians[one.beside]
        print(
            f"{one.name:32} {wall:6.1f}s {processor:6.1f}s {wall / processor:9.2f}   "
            f"wall {wall / other_wall:.2f}, cpu {processor / other:.2f} times {one.beside}"
        )


if __name__ == "__main__":
    main()
