"""Which files of a target were saved.

They are watched in a process of their own, so that the one that forks workers has no threads.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO

_SUFFIXES = frozenset({".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".py", ".toml", ".mk"})
_NAMES = frozenset({"Makefile", "makefile", "GNUmakefile"})
_DEBOUNCE = 100  # milliseconds: an editor saves a file in several steps


def matters(path: str) -> bool:
    """Whether a change of this file may change the target: what a build writes does not."""
    file = Path(path)
    return not file.name.startswith((".", "#")) and (file.suffix in _SUFFIXES or file.name in _NAMES)


class Changes:
    """Sees sources being saved, in a folder and those below it. A context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Changes:
        command = [sys.executable, "-P", "-m", "gatecrash.commands.changes", str(self.folder), str(os.getpid())]
        self._watcher = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
        )
        self._pipe().readline()  # it watches now: no change is lost
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watcher.kill()
        self._watcher.wait()
        self._pipe().close()

    def seen(self) -> bool:
        """Whether something was saved since the last `wait`; does not wait."""
        return bool(select.select([self._pipe()], [], [], 0)[0])

    def wait(self) -> tuple[str, ...]:
        """Sleep until something was saved; the names of the files. Raises EOFError when the watcher has ended."""
        line = self._pipe().readline()
        if not line:
            raise EOFError("the process that watches for changes has ended")
        return tuple(line.decode("utf-8", "backslashreplace").rstrip("\n").split("\0"))

    def _pipe(self) -> IO[bytes]:
        assert self._watcher.stdout is not None
        return self._watcher.stdout


def main(folder: str, parent: str) -> None:
    """Print a line for each batch of changes, and one at once: the watcher is there."""
    from watchfiles import watch

    from gatecrash.sandbox.parent_death import die_with_parent

    die_with_parent(int(parent))
    said = False
    for changes in watch(
        folder,
        watch_filter=lambda _, path: matters(path),
        debounce=_DEBOUNCE,
        rust_timeout=_DEBOUNCE,
        yield_on_timeout=True,
        raise_interrupt=False,
    ):
        names = sorted({Path(path).name for _, path in changes})
        if names or not said:  # the first batch comes of the time limit: by then the kernel's watch is set
            print("\0".join(names), flush=True)
            said = True


if __name__ == "__main__":
    main(*sys.argv[1:])
