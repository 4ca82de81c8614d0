"""Files of /proc that are kept open, since they are read again and again: opening one costs five times as much as that.

A file of a process is bound to that process, not to its number: once it has gone, reading says so (ESRCH), whoever has
its number by then. Then the path is opened anew. Not every file does: `children` of one that has gone is empty, and so
may only be kept open of a process that lives as long as its reader asks.
"""

from __future__ import annotations

import contextlib
import os

from gatecrash.instruments import procfs

#: Beyond so many all are closed: descriptors of the tester, of which it may have a thousand.
_MOST = 128
_SIZE = 1 << 14
_FOLDER = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY
_FILE = os.O_RDONLY | os.O_CLOEXEC


class OpenFiles:
    """What was opened for one census. Close it when that is over; whoever reads then opens again."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    def read(self, path: str) -> bytes:
        """As `procfs.read`."""
        descriptor = self._open.get(path)
        if descriptor is not None:
            try:
                if content := os.pread(descriptor, _SIZE, 0):
                    return content
            except PermissionError:
                return procfs.DENIED
            except OSError:  # it has gone; somebody else may have its number
                pass
            self._forget(path)
        return self._opened(path)

    def _opened(self, path: str) -> bytes:
        try:
            descriptor = os.open(path, _FILE)
        except PermissionError:
            return procfs.DENIED
        except OSError as error:
            if error.errno in procfs.VANISHED:
                return b""
            raise
        self._keep(path, descriptor)
        try:
            return os.pread(descriptor, _SIZE, 0)
        except PermissionError:
            return procfs.DENIED
        except OSError as error:
            if error.errno in procfs.VANISHED:
                return b""
            raise

    def threads(self, pid: int) -> tuple[int, ...]:
        """As `procfs.threads`."""
        path = f"/proc/{pid}/task"
        descriptor = self._open.get(path)
        if descriptor is None:
            with contextlib.suppress(OSError):
                descriptor = os.open(path, _FOLDER)
                self._keep(path, descriptor)
        if descriptor is not None:
            links = os.fstat(descriptor).st_nlink
            if links == procfs.LINKS_OF_ONE_THREAD:
                return (pid,)
            if links < procfs.LINKS_OF_ONE_THREAD:  # it has gone; somebody else may have its number
                self._forget(path)
        return procfs.threads(pid)

    def _keep(self, path: str, descriptor: int) -> None:
        if len(self._open) >= _MOST:
            self.close()
        self._open[path] = descriptor

    def _forget(self, path: str) -> None:
        os.close(self._open.pop(path))

    def close(self) -> None:
        """Give all descriptors back."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def __del__(self) -> None:
        """A census need not be closed by hand."""
        self.close()
