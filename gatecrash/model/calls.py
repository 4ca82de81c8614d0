"""What became of a system call of the server that was gated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["ran", "failed", "held", "released", "shortened"]


@dataclass(frozen=True)
class CallOutcome:
    """The fate of one call. `errno`: the name of the error it was made to fail with; `size`: the bytes it took."""

    kind: Kind
    errno: str = ""
    size: int | None = None


RAN, HELD, RELEASED = CallOutcome("ran"), CallOutcome("held"), CallOutcome("released")


def failed(errno: str) -> CallOutcome:
    """It was made to fail with this error, as in "EMFILE"."""
    return CallOutcome("failed", errno=errno)


def shortened(size: int) -> CallOutcome:
    """It was a send, and only `size` bytes were taken."""
    return CallOutcome("shortened", size=size)
