"""Whether this machine lets a target's time be skipped."""

from __future__ import annotations

import os
import re
import sys
from functools import cache

from gatecrash.instruments import gates
from gatecrash.language import say
from gatecrash.sandbox import vdso
from gatecrash.sandbox.arena import Arena

#: A trapped execve(2) must not be interrupted when the task is traced: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV.
_NEEDED = (5, 19)


@cache
def available() -> str | None:
    """None when a target's time can be skipped here, else the reason why it is real."""
    if (refused := gates.available()) is not None:
        return refused
    if _version() < _NEEDED:
        return say(
            "it needs Linux {needed}, and this is {found}", needed=".".join(map(str, _NEEDED)), found=os.uname().release
        )
    try:
        vdso.patches()
    except vdso.NoStub as missing:
        return str(missing)
    with Arena.open() as arena:
        process = arena.spawn([sys.executable, "-I", "-S", "-c", ""], env={}, traps=frozenset({"clock read"}))
        try:
            return process.clock_refused
        finally:
            arena.clear()
            process.close()


def _version() -> tuple[int, ...]:
    numbers = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return tuple(map(int, numbers.groups())) if numbers else ()
