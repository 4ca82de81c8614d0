"""How a target is started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gatecrash.model.address import Address
from gatecrash.model.confinement import Confined

#: The home of a program that has none: its own, and empty at each start.
NO_HOME = "/tmp"


@dataclass(frozen=True)
class Launch:
    """How to start a target: the command with {port} in it, where, and with which environment."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    address: Address | None = None  # a server that runs already: nothing is started
    typed: bool = False  # its standard input has empty lines for it, not silence
    terminal: bool = False  # its output goes to a terminal, not into a pipe: lines are not kept back (stdio(3))
    room: Path | None = None  # the run's own folder; with one, what the target does to its files is done to copies
    confined: Confined | None = None  # nobody trusts it: its limits, and what it sees

    def command(self, port: int) -> list[str]:
        """The command for this port."""
        return [word.replace("{port}", str(port)) for word in self.argv]

    def environment(self, port: int) -> dict[str, str]:
        """What the target sees: a small fixed environment, PORT, and what its contract adds."""
        base = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
            if name in os.environ
        }
        if self.confined is not None:
            base["HOME"] = NO_HOME
        return {"PATH": os.defpath, **base, "PORT": str(port), **self.env}
