"""What keeps a target's hands off the files of whoever had it judged: it runs in a copy of the folder it would run in.

A server may well do what its clients ask for, and empty a page or remove one. In a namespace the folders are covered
by overlays (`overlays.py`), under their own paths. Where that is refused the folder is copied, and the command names
the copy. A folder that is too large for that is used as it is, and the report says so.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from gatecrash.language import say, stated
from gatecrash.model.launch import Launch
from gatecrash.sandbox.arena import Arena

#: Of a folder that is copied: bytes, and entries. A student's has ten files; more than this takes a second to copy.
_MOST_BYTES, _MOST_ENTRIES = 64 << 20, 2000
#: Nobody's pages lie there, and some cannot be covered.
_SYSTEM = tuple(map(Path, ("/proc", "/sys", "/dev", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/nix")))

#: Where programs put locks, sockets and shared memory under names of their own: several lives of one program run at
#: once, each in its arena, and must not meet there (shm_overview(7), sem_overview(7)).
_SCRATCH = tuple(map(Path, ("/tmp", "/var/tmp", "/dev/shm")))

KnownFiles = Mapping[str, tuple[int, ...]]


class Shelter:
    """For one session. `note` is a sentence for the report, where files are not, or differently, protected."""

    def __init__(self, launches: Mapping[str, Launch]) -> None:
        """Only launches with a `room` are sheltered: all of a session's have the same, and the same cwd."""
        guarded = [launch for launch in launches.values() if launch.room is not None and launch.address is None]
        self._guarded = guarded
        self._copy: FolderCopy | None = None
        self.note = ""

    def enter(self, arena: Arena) -> None:
        """Protect the target's files in this arena, before anything is started there."""
        if not self._guarded or (arena.confined is not None and arena.kind == "namespace"):
            return
        here, room = self._guarded[0].cwd.resolve(), self._guarded[0].room
        assert room is not None
        if arena.kind == "namespace":
            scratch = {folder for folder in _SCRATCH if folder.is_dir()}
            refused = arena.cover(_folders(self._guarded) | scratch, (room.resolve(),))
            if here != Path("/") and str(here) not in refused:
                return
        if self._copy is None and not self.note:
            self._copy, self.note = _copied(here, room)

    def launch(self, launch: Launch) -> Launch:
        """The launch as it is to be started now, in a folder without a trace of earlier starts."""
        if self._copy is None or launch not in self._guarded:
            return launch
        self._copy.renew()
        return self._copy.launch(launch)

    def close(self) -> None:
        """Remove the copy."""
        if self._copy is not None:
            shutil.rmtree(self._copy.place, ignore_errors=True)
            self._copy = None


def _copied(folder: Path, room: Path) -> tuple[FolderCopy | None, str]:
    place = Path(tempfile.mkdtemp(prefix="copy-", dir=room))
    try:
        copy = FolderCopy(folder, place, leave_out=room)
    except OSError as error:
        shutil.rmtree(place, ignore_errors=True)
        why = error.strerror or str(error)
        return None, stated(
            "It runs in {folder} itself, and what it writes there stays: {why}.", folder=folder, why=why
        )
    return copy, stated("It runs in a copy of {folder}: what it writes there is thrown away.", folder=folder)


def _folders(launches: Iterable[Launch]) -> set[Path]:
    """Where a target's own files may lie: where it runs, what its command names, its user's home."""
    found: set[Path] = set()
    for launch in launches:
        words = [launch.cwd / word for word in launch.argv if "/" in word and not _is_linked(launch.cwd / word)]
        named = [path if path.is_dir() else path.parent for path in words if path.exists()]
        home = [Path(home) for home in (os.environ.get("HOME"),) if home and Path(home).is_dir()]
        room = launch.room.resolve() if launch.room is not None else Path()
        more = {folder.resolve() for folder in (*named, *home)}
        found.add(launch.cwd.resolve())
        found |= {one for one in more if not any(map(one.is_relative_to, (*_SYSTEM, room)))}
    return found - {Path("/")}


class FolderCopy:
    """A copy of a folder that can be made anew."""

    def __init__(self, folder: Path, place: Path, *, leave_out: Path) -> None:
        """Raises OSError when the folder is too large, or cannot be read. `leave_out` is not copied."""
        self.folder = folder
        self.place = place
        self._leave_out = leave_out.resolve()
        self._top = place / folder.name
        _refuse_large(_walk(folder, self._leave_out))
        self._known = self._make()

    def launch(self, launch: Launch) -> Launch:
        """The same command, with the copy where it named the folder."""
        own = self._moved(launch.argv[0]) if not _is_linked(Path(launch.argv[0])) else launch.argv[0]
        argv = (own, *(self._moved(word) for word in launch.argv[1:]))
        return replace(launch, argv=argv, cwd=self._top)

    def renew(self) -> None:
        """As it was at first; nothing is copied where nothing was changed."""
        now = _census(self._top)
        if now == self._known:
            return
        for path in sorted(now, reverse=True):  # what is in a folder before the folder
            if now[path] != self._known.get(path):
                _remove(Path(path))
        self._known = self._make()

    def _moved(self, word: str) -> str:
        path = Path(word)
        if not path.is_absolute() or not path.is_relative_to(self.folder):
            return word
        moved = self._top / path.relative_to(self.folder)
        return str(moved) if moved.exists() else word

    def _make(self) -> KnownFiles:
        for entry in _walk(self.folder, self._leave_out):
            if not os.path.lexists(self._placed(entry)):
                self._copy(entry)
        self._top.mkdir(exist_ok=True)
        self._top.chmod(stat.S_IMODE(self.folder.stat().st_mode) | stat.S_IRWXU)  # what is in there must be removable
        return _census(self._top)

    def _placed(self, entry: Path) -> Path:
        return self._top / entry.relative_to(self.folder)

    def _copy(self, entry: Path) -> None:
        to, seen = self._placed(entry), entry.lstat()
        to.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(seen.st_mode):
            to.symlink_to(self._led(entry))
        elif stat.S_ISDIR(seen.st_mode):
            if _is_linked(entry):
                to.symlink_to(entry)
            else:
                to.mkdir()
        elif stat.S_ISREG(seen.st_mode) and os.access(entry, os.R_OK):
            shutil.copy2(entry, to)

    def _led(self, link: Path) -> str:
        """Where the copy of a link leads: within the copy as within the folder, and else where it always did."""
        to = os.readlink(link)
        lands = Path(os.path.abspath(link.parent / to))
        if not lands.is_relative_to(self.folder):
            return str(lands)
        return str(self._top / lands.relative_to(self.folder)) if os.path.isabs(to) else to


def _refuse_large(entries: Iterator[Path]) -> None:
    """Raise OSError where there is more than is to be copied, without looking at all of it."""
    size = 0
    for number, entry in enumerate(entries, 1):
        seen = entry.lstat()
        size += seen.st_size if stat.S_ISREG(seen.st_mode) else 0
        if number > _MOST_ENTRIES or size > _MOST_BYTES:
            raise OSError(say("it is too large to be copied"))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _walk(folder: Path, leave_out: Path) -> Iterator[Path]:
    """Everything in a folder, each folder before what is in it; those that are linked are not entered."""
    for entry in sorted(folder.iterdir()):
        if entry == leave_out:
            continue
        yield entry
        if entry.is_dir() and not entry.is_symlink() and not _is_linked(entry) and os.access(entry, os.R_OK | os.X_OK):
            yield from _walk(entry, leave_out)


def _is_linked(path: Path) -> bool:
    """Whether this is an environment of Python, a program of one, or what git keeps: not copied, but linked to."""
    places = (path, path.parent.parent) if path.is_file() else (path,)
    return any((place / "pyvenv.cfg").is_file() or (place.name == ".git") for place in places)


def _census(folder: Path) -> KnownFiles:
    """What is there, so that a change shows: kind and mode, size, time of change."""
    found: dict[str, tuple[int, ...]] = {}
    for path in (folder, *_walk(folder, folder)):
        seen = path.lstat()
        whole = () if stat.S_ISDIR(seen.st_mode) else (seen.st_size, seen.st_mtime_ns, seen.st_ino)
        found[str(path)] = (seen.st_mode, *whole)
    return found
