"""Seconds and nanoseconds as programs hand them to the kernel, and get them back: struct itimerspec and itimerval."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gatecrash.instruments.memory import read_memory, write_memory

SECOND = 1_000_000_000  # nanoseconds
_FIELDS = struct.Struct("<qqqq")  # interval, value; each whole seconds and the rest


@dataclass(frozen=True)
class Setting:
    """What a timer is set to, in nanoseconds: until it expires (0: it does not), and then from one time to the next."""

    value: int
    interval: int = 0

    def packed(self, unit: int = 1) -> bytes:
        """With the rest of a second counted in so many nanoseconds: 1, or 1000 for a struct itimerval."""
        spans = (divmod(span, SECOND) for span in (self.interval, self.value))
        return _FIELDS.pack(*(part for whole, rest in spans for part in (whole, rest // unit)))


def unpacked(content: bytes, unit: int = 1) -> Setting | None:
    """What these bytes set a timer to; None where the kernel refuses them (EINVAL)."""
    every, every_rest, value, rest = _FIELDS.unpack(content)
    if min(every, value) < 0 or not all(0 <= part < SECOND // unit for part in (every_rest, rest)):
        return None
    return Setting(value * SECOND + rest * unit, every * SECOND + every_rest * unit)


def read_setting(tid: int, address: int, unit: int = 1) -> Setting | None:
    """As `unpacked`, of a task's memory. Raises Gone."""
    return unpacked(read_memory(tid, address, _FIELDS.size), unit)


def write_setting(tid: int, address: int, setting: Setting, unit: int = 1) -> None:
    """Into a task's memory. Raises Gone."""
    write_memory(tid, address, setting.packed(unit))
