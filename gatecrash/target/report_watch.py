"""Whether what the sanitizers say of a program comes to us, whatever the program does: told by the kernel, not by it.

Its reports are files in a folder that it can write to. It can remove or empty them; and it can execute itself with
other options, so that there are none. The first is seen by watching that folder, the second by watching the program's
file, which every execution opens (inotify(7)): as often as we start it, and no more. A sanitizer that looks a place up
opens it, too, and then there is a report. Other programs that it executes, as a CGI server does, are other files.

What is seen is believed at the next look: a report may be on its way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from gatecrash.instruments import inotify
from gatecrash.language import stated
from gatecrash.model.launch import Launch
from gatecrash.paths import open_regular

_MOST = 1 << 16  # bytes of a file that are looked through

#: How often this process has started each program (device, inode).
_STARTS: Counter[tuple[int, int]] = Counter()

UNREAD = stated("files that the sanitizers reported to were removed, emptied or written over while it ran")
REOPENED = stated(
    "its own program was executed or read once more while it ran, and no report says why: what the sanitizers were "
    "told there, or saw, is not known"
)


class ReportWatch:
    """Of one start of a program: begins before it. `why` says why its silence means nothing, once something does."""

    def __init__(self, launch: Launch, folder: Path) -> None:
        """`folder`: where its reports are written, as we see it."""
        self.why = ""
        self._folder = folder
        self._events = inotify.Inotify()
        self._reports = self._events.watch(folder, inotify.REMOVED | inotify.CREATED)
        program = Path(launch.argv[0])
        # Only of a program that is confined are we the only ones who start it: it is one worker's. A read comes between
        # two opens, which would be one event without it.
        opens = inotify.OPENED | inotify.ACCESSED
        self._opens = self._events.watch(program, opens) if launch.confined is not None else -1
        self._key = _key(program)
        self._known = _STARTS[self._key]  # how often it was opened for a reason that is known
        self._opened = self._known
        self._created: set[str] = set()
        self._doubted = ""

    def look(self, spoken: Collection[str] = ()) -> str:
        """Hear what has happened since the last look, and `why`. `spoken`: tools whose reports have come meanwhile."""
        removed = False
        for event in self._events.events():
            removed |= bool(event.what & inotify.OVERFLOWN)
            removed |= event.watch == self._reports and bool(event.what & inotify.REMOVED)
            self._opened += event.watch == self._opens and bool(event.what & inotify.OPENED)
            if event.what & inotify.CREATED:
                self._created.add(event.name)
        self._known = max(self._known, _STARTS[self._key])
        if spoken:
            self._created.clear()
        if "address" in spoken or "signal" in spoken:  # only of these is a place looked up
            self._known = max(self._known, self._opened)
        doubted, self._doubted = self._doubted, ""
        if any(map(self._says_nothing, self._created)):
            self._doubted = UNREAD
        elif self._opened > self._known:
            self._doubted = REOPENED
        if removed:
            self.why = self.why or UNREAD
        elif self._doubted == doubted:
            self.why = self.why or doubted
        return self.why

    def _says_nothing(self, name: str) -> bool:
        """Whether there is nothing of a sanitizer's in this file. What has no finding in it is left as it is."""
        try:
            with open_regular(self._folder / name) as file:
                return b"Sanitizer" not in file.read(_MOST)
        except OSError:
            return True

    def close(self) -> None:
        """Watch no longer; nothing is on its way any more."""
        self.look()
        self.look()
        self._events.close()


def note_start(launch: Launch) -> None:
    """We execute this program now."""
    _STARTS[_key(Path(launch.argv[0]))] += 1


def _key(program: Path) -> tuple[int, int]:
    try:
        seen = program.stat()
    except OSError:
        return 0, 0
    return seen.st_dev, seen.st_ino
