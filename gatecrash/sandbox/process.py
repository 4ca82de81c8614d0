"""One started target, as the tester holds it: its process, its end, its output."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gatecrash.model.confinement import LimitHit
from gatecrash.sandbox.activity import Activity
from gatecrash.text import decoded


@dataclass(frozen=True)
class Output:
    """What a target wrote to stdout and stderr: its first and last 64 KiB, and how much in all.

    `head + tail` is everything when `total` is their sum; otherwise the middle was thrown away.
    """

    head: bytes
    tail: bytes
    total: int

    @property
    def text(self) -> str:
        """What is kept of it, safe to print."""
        return decoded(self.head + self.tail)

    @property
    def missing(self) -> int:
        """Bytes thrown away between `head` and `tail`."""
        return self.total - len(self.head) - len(self.tail)


class Asking(Protocol):
    """One request to the broker: its answer and the descriptors that came with it."""

    def __call__(self, op: str, **arguments: Any) -> tuple[Mapping[str, Any], list[int]]:
        """Raises OSError as the broker met it, EngineFault when there is no broker any more."""


class Printing:
    """What a target prints, in the broker's keeping. The broker is asked only when there may be something new."""

    def __init__(self, ask: Asking, serial: int, pipe: int, activity: Activity, number: int) -> None:
        """Takes over `pipe`, the end that the broker reads from.

        `number`: the activity's, when the target was started and nothing read of it.
        """
        self._ask = ask
        self._serial = serial
        self._pipe = pipe
        self._activity = activity
        self._known = (number, Output(b"", b"", 0))  # the activity's number when it was told, and what was

    def output(self) -> Output:
        """All that was written until now."""
        if self._may_have_more(self._known[0]):
            self._known = self._told()
        return self._known[1]

    def _may_have_more(self, number: int) -> bool:
        """Whether something is in the pipe, or was taken from it since: looked at before and after the pipe."""
        return self._activity.number != number or _unread(self._pipe) or self._activity.number != number

    def _told(self) -> tuple[int, Output]:
        answer, (memory,) = self._ask("output", serial=self._serial)
        try:
            data = os.pread(memory, 1 << 20, 0)
        finally:
            os.close(memory)
        return answer["number"], Output(data[: answer["head"]], data[answer["head"] :], answer["total"])

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._pipe)


def _unread(pipe: int) -> bool:
    """Whether there is something to read (ioctl(2), FIONREAD); yes where the kernel does not say."""
    count = bytearray(4)
    try:
        fcntl.ioctl(pipe, termios.FIONREAD, count)
    except OSError:
        return True
    return any(count)


class Process:
    """A target's first process. Made by `Arena.spawn`; valid until the arena is closed."""

    def __init__(
        self,
        ask: Asking,
        serial: int,
        pid: int,
        pidfd: int,
        gates_fd: int | None,
        printing: Printing,
        clock_refused: str | None = None,
    ) -> None:
        """Takes over `pidfd`, `gates_fd` (the seccomp listener, when traps were asked for) and `printing`.

        `clock_refused`: why its clocks cannot be put ahead, where that was asked for.
        """
        self.pid = pid
        self.pidfd = pidfd
        self.gates_fd = gates_fd
        self.clock_refused = clock_refused
        self._ask = ask
        self._serial = serial
        self._printing = printing
        self._status: int | None = None
        self._closed = False

    def exit_status(self) -> int | None:
        """None while it runs, else its exit code, or the negated number of the signal that killed it."""
        return self.wait(0.0)

    def wait(self, timeout: float) -> int | None:
        """Like `exit_status`, but waits up to `timeout` seconds for the end."""
        if self._status is None:
            poll = select.poll()
            poll.register(self.pidfd, select.POLLIN)  # pidfd_open(2): readable once the process has ended
            if poll.poll(max(0, round(timeout * 1000))):
                answer, _ = self._ask("status", serial=self._serial)
                self._status = answer["status"]
        return self._status

    def overrun(self) -> int:
        """How many processes there were, zombies included, when the arena ended them for being too many; else 0.

        Too many are 1024 and four for each client, or a quarter of all the machine has numbers for (process_limit.py).
        """
        return int(self._ask("overrun", serial=self._serial)[0]["processes"])

    def hit(self) -> LimitHit | None:
        """The limit of its confinement that it was ended for; None where it was not."""
        found = self._ask("overrun", serial=self._serial)[0]["hit"]
        return None if found is None else LimitHit(**found)

    def output(self) -> Output:
        """All it has written until now, and whatever its children wrote."""
        return self._printing.output()

    def signal(self, number: int) -> None:
        """Send it a signal; a dead process takes none and that is no error."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def close(self) -> None:
        """Give the descriptors back (the process itself lives on). Idempotent; `pidfd` is invalid afterwards."""
        if self._closed:
            return
        self._closed = True
        for descriptor in (self.pidfd, self.gates_fd):
            if descriptor is not None:
                os.close(descriptor)
        self._printing.close()

    def __del__(self) -> None:
        """Thousands of targets may be started in one run: descriptors go with the object."""
        self.close()

    def __repr__(self) -> str:
        """For assertion messages."""
        return f"<Process {self.pid}>"
