"""What a target may be typed, and the terminal that it may write to.

Imported by the broker, which runs without site-packages: standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import termios

_TYPED_BYTES = 1 << 20  # of a standard input: /proc/sys/fs/pipe-max-size


def type_lines(keyboard: int) -> None:
    """Fill a pipe with empty lines: as many as it may hold, for each child reads a buffer full of them."""
    try:
        size = fcntl.fcntl(keyboard, fcntl.F_SETPIPE_SZ, _TYPED_BYTES)
    except OSError:  # this user has too many large pipes (pipe(7))
        size = fcntl.fcntl(keyboard, fcntl.F_GETPIPE_SZ)
    os.set_blocking(keyboard, False)
    with contextlib.suppress(BlockingIOError):
        os.write(keyboard, b"\n" * size)


def terminal() -> tuple[int, int]:
    """Both ends of a pseudo-terminal (pty(7)), like those of a pipe: what is written to it comes out unchanged."""
    ours, theirs = os.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST  # no carriage return before a newline
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    return ours, theirs
