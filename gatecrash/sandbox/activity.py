"""A number in shared memory that moves whenever a broker reads what targets wrote: while it stands, nothing is new.

Imported by the broker, which runs without site-packages: standard library only.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager


class Activity:
    """The broker makes one and writes; the tester gets its descriptor and only looks. Odd: it is reading just now."""

    def __init__(self, descriptor: int) -> None:
        """Takes the file over, which was made by `new_file`."""
        try:
            self._memory = mmap.mmap(descriptor, mmap.PAGESIZE)
        finally:
            os.close(descriptor)
        self._view = memoryview(self._memory).cast("Q")  # native: the processor writes and reads it whole
        self._closed = False

    @property
    def number(self) -> int:
        """How often reading has begun or ended; -1 once this is closed."""
        return -1 if self._closed else self._view[0]

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What is read in this block may be neither in a pipe nor told of until its end."""
        self._view[0] += 1
        try:
            yield
        finally:
            self._view[0] += 1

    def close(self) -> None:
        """Give the memory back. Idempotent."""
        self._closed = True
        self._view.release()
        self._memory.close()


def new_file() -> int:
    """A descriptor of fresh memory for one `Activity`."""
    descriptor = os.memfd_create("activity")
    os.ftruncate(descriptor, mmap.PAGESIZE)
    return descriptor
