"""Tiny programs for the tests of the instruments, started below a keeper that adopts their orphans."""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gatecrash.instruments.census import Census

# The keeper is a subreaper (prctl(2)) that starts what it is told, line by line, and never reaps or looks again.
_KEEPER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
for line in sys.stdin:
    words = line.rstrip("\\n").split("\\0")
    if os.fork() == 0:
        os.execv(words[0], words)
    os.write(1, b"started\\n")
"""


class Nursery:
    """Starts programs whose only relation to the tests is `census`; `output` is what they all print."""

    def __init__(self) -> None:
        command = [sys.executable, "-I", "-S", "-u", "-c", _KEEPER]
        self._keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        # Where no socket can be borrowed: a test whose program gives one a time limit needs that it can.
        self.census = Census(self._keeper.pid, lambda inode, option: None)

    def start(self, *argv: str) -> int:
        """Runs a program and returns the number it prints first (its port, usually)."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.write("\0".join(argv).encode() + b"\n")
        self._keeper.stdin.flush()
        return int(self.line(but="started"))

    def python(self, program: str, *arguments: str) -> int:
        return self.start(sys.executable, "-I", "-S", "-c", f"exec({program!r})", *arguments)

    def line(self, *, but: str = "") -> str:
        assert self._keeper.stdout is not None
        while True:
            readable, _, _ = select.select([self._keeper.stdout], [], [], 10)
            assert readable, "the program printed nothing for ten seconds"
            said = b""
            while not said.endswith(b"\n"):
                byte = os.read(self._keeper.stdout.fileno(), 1)
                assert byte, "the program ended without a word"
                said += byte
            if said.decode().strip() != but:
                return said.decode().strip()

    def close(self) -> None:
        for pid in (*self.census.pids(), self._keeper.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for stream in (self._keeper.stdin, self._keeper.stdout):
            if stream is not None:
                stream.close()
        self._keeper.wait(10)


def running_nursery() -> Iterator[Nursery]:
    """For a fixture."""
    nursery = Nursery()
    try:
        yield nursery
    finally:
        nursery.close()


def compiled(folder: Path, source: str, *flags: str) -> str:
    """The path of a C program built from `source`."""
    code, program = folder / "program.c", folder / "program"
    code.write_text(source)
    subprocess.run(["cc", "-O1", "-o", program, code, *flags], check=True, timeout=60)
    return str(program)


def free_port() -> int:
    """A port nobody has, below those that clients are given: for a program that has one written in it."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def until(true: Callable[[], object], what: str) -> None:
    """Wait, at most ten seconds, for something another process is about to do."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, f"never: {what}"
        select.select([], [], [], 0.002)
