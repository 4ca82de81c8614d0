"""Whether this machine lets a target's time be skipped."""

from __future__ import annotations

import sys
from functools import cache

from gatecrash.instruments import gates
from gatecrash.sandbox import vdso
from gatecrash.sandbox.arena import Arena


@cache
def available() -> str | None:
    """None when a target's time can be skipped here, else the reason why it is real."""
    if (refused := gates.available()) is not None:
        return refused
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
