"""The commands of `gatecrash`: one module each, with `add` (its options) and `run` (returns the exit code)."""

from __future__ import annotations

from pathlib import Path


def absolute(target: str | None) -> str | None:
    """A path that stays right when the working folder changes; anything else (a command, HOST:PORT) as it is."""
    if not target or not Path(target).exists():
        return target
    return str(Path(target).resolve())
