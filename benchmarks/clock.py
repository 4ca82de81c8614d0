"""What the clock costs a server that uses time: answers/s with it, beside those of the same server without it.

A fork server that sleeps a second in each answer is measured beside itself without the sleep, and one that polls up to
a deadline which it works out from its clock beside itself untouched. All take turns in one run, the ratio counts.

    python -m benchmarks.clock [seconds each]
"""

from __future__ import annotations

import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gatecrash.errors import EngineFault
from gatecrash.instruments.census import Census
from gatecrash.instruments.clock import CLOCK_TRAPS, Clock
from gatecrash.instruments.gates import Gates
from gatecrash.instruments.quiescence import Resting, settle
from gatecrash.sandbox.arena import Arena

_ROUNDS = 5
_EAGER = 5  # looks at the client's socket before stillness is proven
_NAP = 0.00005  # seconds between them

SERVER = r"""
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
static void serve(int client) {
    char request[100];
#ifdef DEADLINE
    long deadline = now() + 10000, left;
    ssize_t size = 0;
    while (size < 2 && (left = deadline - now()) > 0) {
        struct pollfd polled = {client, POLLIN, 0};
        if (poll(&polled, 1, left) > 0) size += read(client, request, sizeof request);
    }
#else
    if (read(client, request, sizeof request) < 0) perror("read");
#endif
#ifdef SLEEP
    sleep(1);
#endif
    if (write(client, "answer", 6) < 0) perror("write");
    exit(0);
}
int main(int argc, char **argv) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    int server = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    signal(SIGCHLD, SIG_IGN);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (argc != 2 || bind(server, (struct sockaddr *)&name, sizeof name) || listen(server, 5)) return 1;
    for (;;) {
        int client = accept(server, NULL, NULL);
        if (fork() == 0) serve(client);
        close(client);
    }
}
"""
KINDS: dict[str, tuple[str, frozenset[str]]] = {
    "fork, no sleep, no clock": ("-DNONE", frozenset()),
    "fork, no sleep, clock": ("-DNONE", CLOCK_TRAPS),
    "fork, sleep(1), clock": ("-DSLEEP", CLOCK_TRAPS),
    "fork, deadline, no clock": ("-DDEADLINE", frozenset()),
    "fork, deadline, clock": ("-DDEADLINE", CLOCK_TRAPS),
}
PORT = 8080


class Running:
    """One server in an arena of its own, with or without a clock."""

    def __init__(self, program: str, traps: frozenset[str]) -> None:
        self.arena = Arena.open(kind="namespace")
        self.census = Census(self.arena.broker_pid)
        self.process = self.arena.spawn([program, str(PORT)], env={}, traps=traps)
        self.clock = Clock(self.census, self.process) if traps else None
        self.gates = Gates(self.process.gates_fd, traps, self.clock) if self.process.gates_fd is not None else None

    def pump(self) -> int:
        return self.gates.pump() if self.gates is not None else 0

    def answer(self) -> None:
        """One client asks for one."""
        with self.arena.tcp() as client:
            while client.connect_ex(("127.0.0.1", PORT)):
                if (ended := self.process.exit_status()) is not None:
                    raise EngineFault(f"the server has ended: {ended}, {self.process.output()}")
                self.pump()
            client.send(b"request\n")
            poll = select.poll()
            poll.register(client, select.POLLIN)
            if self.gates is not None:
                poll.register(self.gates, select.POLLIN)
            got = b""
            client.setblocking(False)
            while got != b"answer":
                self._wait(poll)
                try:
                    got += client.recv(100)
                except BlockingIOError:
                    continue

    def _wait(self, poll: select.poll) -> None:
        for _ in range(_EAGER):
            if poll.poll(0):
                self.pump()
                return
            time.sleep(_NAP)
        if self.clock is None:
            poll.poll(1000)
            return
        still = settle(self.census, lambda: None, patience=0.01, pump=self.pump, wait_out=False)
        if isinstance(still, Resting) and not poll.poll(0):
            self.clock.expire(still.tasks)

    def measure(self, seconds: float) -> float:
        answers, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            self.answer()
            answers += 1
        return answers / (time.perf_counter() - began)

    def close(self) -> None:
        self.arena.clear()
        if self.gates is not None:
            self.gates.close()
        self.process.close()
        self.arena.close()


def build(folder: Path) -> Callable[[str], str]:
    (folder / "server.c").write_text(SERVER)

    def made(define: str) -> str:
        program = folder / define[2:]
        subprocess.run(["cc", "-O1", define, "-o", program, folder / "server.c"], check=True)
        return str(program)

    return made


def main() -> None:
    """Print the median of some rounds, and the ratio to the first of its kind."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with tempfile.TemporaryDirectory() as folder:
        made = build(Path(folder))
        servers = {name: Running(made(define), traps) for name, (define, traps) in KINDS.items()}
        found: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(_ROUNDS):
            for name, server in servers.items():
                found[name].append(server.measure(seconds))
        base = 1.0
        for name, rates in found.items():
            rate = statistics.median(rates)
            base = rate if name.endswith("no clock") else base
            print(f"{name:<48} {rate:8.0f} answers/s  {rate / base:5.2f}")
        for server in servers.values():
            server.close()


if __name__ == "__main__":
    main()
