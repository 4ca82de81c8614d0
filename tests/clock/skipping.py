"""Tiny programs whose time is skipped as fast as they let it be."""

from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Callable, Mapping

from gatecrash.instruments.census import Census
from gatecrash.instruments.clock import CLOCK_TRAPS, Clock, Held
from gatecrash.instruments.gates import Gates
from gatecrash.instruments.quiescence import Resting, Stillness, settle
from gatecrash.sandbox.arena import Arena
from gatecrash.sandbox.process import Process

GENEROUS = 20.0  # seconds for what takes milliseconds; every limit in these tests is longer


class Skipping:
    """One program and its clock."""

    def __init__(self, arena: Arena, argv: list[str], traps: frozenset[str], env: Mapping[str, str]) -> None:
        self.arena = arena
        self.census = Census(arena.broker_pid)
        self.process: Process = arena.spawn(argv, env=env, traps=traps)
        self.clock = Clock(self.census, self.process)
        assert self.process.gates_fd is not None
        self.gates = Gates(self.process.gates_fd, traps, self.clock)
        self.expired: list[Held] = []

    def settle(self, patience: float = GENEROUS) -> Stillness:
        return settle(
            *(self.census, lambda: None), patience=patience, pump=self.gates.pump, wait_out=False, clock=self.clock
        )

    def skip(self) -> Held | None:
        """Wait until nothing else can happen, then let the soonest limit expire."""
        still = self.settle()
        if not isinstance(still, Resting):
            return None
        held = self.clock.expire(still.tasks)
        if held is not None:
            self.expired.append(held)
        return held

    def run(self, *, most: int = 400, within: float = GENEROUS) -> str:
        """Skip until it has ended; what it printed."""
        deadline = time.monotonic() + within
        while self.process.exit_status() is None:
            assert time.monotonic() < deadline, (self.said(), self.census.tasks(), self.clock.real_because)
            assert len(self.expired) < most, (self.expired[-5:], self.said())
            self.skip()
        assert self.clock.real_because is None
        return self.said()

    def until(self, true: Callable[[], object], what: str) -> None:
        """Without skipping anything."""
        deadline = time.monotonic() + GENEROUS
        while not true():
            assert time.monotonic() < deadline, f"never: {what}; {self.said()}"
            select.select([self.gates], [], [], 0.002)
            self.gates.pump()

    def said(self) -> str:
        return self.process.output().text

    def says(self, line: str) -> None:
        self.until(lambda: line in self.said(), f"it says {line!r}")

    def connect(self) -> socket.socket:
        """A client of the server whose port it has said first."""
        client = self.arena.tcp()
        client.connect(("127.0.0.1", int(self.said().split()[0])))
        return client

    def close(self) -> None:
        self.gates.close()
        self.process.close()


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-u", "-c", code]


EVERYTHING = CLOCK_TRAPS


def main() -> None:
    """Skip until this program's time is real, then print why, and how much was skipped."""
    with Arena.open() as arena:
        program = Skipping(arena, sys.argv[1:], EVERYTHING, {"PATH": "/usr/bin:/bin"})
        while program.clock.real_because is None:
            program.skip()
        print(program.clock.real_because, f"{program.clock.skipped:.0f} s", sep="\n")
        arena.clear()
        program.close()


if __name__ == "__main__":
    main()
