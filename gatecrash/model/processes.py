"""Processes and threads as a look at the server has them (instruments/census.py takes them from /proc)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """One thread: its state letter (ps(1)), the system call it is in, and whether it could move.

    `call` is "running" when it is in none and "?" when the kernel refuses to tell. `cpu_ns` is time on a CPU,
    `wait_ns` time spent runnable but waiting for one. `pending`: a signal that is not blocked waits to be
    taken. `timed` is the time limit of the call in seconds, None when it waits without one.
    `housekeeping`: it is no thread of the program's, but one of the runtime below it; its time limits do not count.
    """

    pid: int
    tid: int
    state: str
    call: str
    args: tuple[int, ...]
    switches: int
    cpu_ns: int
    wait_ns: int
    pending: bool
    timed: float | None
    housekeeping: bool = False


@dataclass(frozen=True)
class ProcessEntry:
    """One process, zombies included. `caught`, `ignored` and `blocked` are signal masks: bit n-1 is signal n."""

    pid: int
    parent: int
    state: str
    name: str
    threads: int
    caught: int
    ignored: int
    blocked: int
