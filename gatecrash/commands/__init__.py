"""The commands of `gatecrash`: one module each, with `add` (its options) and `run` (returns the exit code)."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path


def absolute(target: str | None) -> str | None:
    """A path that stays right when the working folder changes, alone or before arguments; anything else as it is."""
    if not target:
        return target
    if Path(target).exists():
        return str(Path(target).resolve())
    try:
        first, *words = shlex.split(target)
    except ValueError:
        return target
    if words and _is_source(first):
        return shlex.join([str(Path(first).resolve()), *words])
    return target


def _is_source(word: str) -> bool:
    """Whether it is a folder, or a file that is built and not executed: what may stand before arguments."""
    path = Path(word)
    return (path.is_file() and not os.access(path, os.X_OK)) or (path.is_dir() and shutil.which(word) is None)
