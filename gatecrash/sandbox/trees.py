"""Folders of strangers, copied: regular files, folders, and links that stay within. Everything else is left out.

Nothing of them is opened that could block, be followed out of the folder, or be larger than it may be.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gatecrash.sandbox.namespaces import NOBODY

#: Folders within folders; a path that is longer than the kernel takes has some thousand.
_DEEPEST = 48
_CHUNK = 1 << 20
_OPAQUE = "user.overlay.opaque"
_IS_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class TooMuch(Exception):
    """It holds more than it may."""


@dataclass
class Room:
    """What may still be copied: bytes, and entries. `ours`: the folder it is copied into, which is none of it."""

    size: int
    entries: int
    ours: Path | None = None

    def is_ours(self, seen: os.stat_result) -> bool:
        """Whether this is that folder."""
        return self.ours is not None and os.path.samestat(seen, self.ours.stat())

    def take(self, size: int) -> None:
        """Raises TooMuch."""
        self.size -= size
        self.entries -= 1
        if self.size < 0 or self.entries < 0:
            raise TooMuch


def copy_tree(source: Path, to: Path, room: Room) -> None:
    """Copy a folder to one that is not there yet. Raises TooMuch, OSError."""
    descriptor = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _make_folder(to)
        _bring(descriptor, to, PurePosixPath(), room)
    finally:
        os.close(descriptor)


def add_written(written: int, to: Path, room: Room) -> None:
    """Add what was written above a folder (an overlay's upper layer, open) to it. Raises TooMuch, OSError."""
    _bring(written, to, PurePosixPath(), room)


def _bring(source: int, top: Path, at: PurePosixPath, room: Room) -> None:
    if len(at.parts) > _DEEPEST:
        raise TooMuch
    for name in sorted(os.listdir(source)):
        try:
            seen = os.stat(name, dir_fd=source, follow_symlinks=False)
        except OSError:
            continue
        if room.is_ours(seen):
            continue
        room.take(seen.st_size if stat.S_ISREG(seen.st_mode) else 0)
        _bring_one(source, name, seen, top, at / name, room)


def _bring_one(source: int, name: str, seen: os.stat_result, top: Path, at: PurePosixPath, room: Room) -> None:
    to, kind = top / at, stat.S_IFMT(seen.st_mode)
    if kind == stat.S_IFCHR and seen.st_rdev == 0:  # a whiteout: it was removed
        _remove(to)
    elif kind == stat.S_IFDIR:
        _bring_folder(source, name, top, at, room)
    elif kind == stat.S_IFREG:
        _remove(to)
        _copy_file(source, name, to, seen)
    elif kind == stat.S_IFLNK:
        led = os.readlink(name, dir_fd=source)
        _remove(to)
        if _stays(at, led):
            os.symlink(led, to)
            _give_away(to)


def _bring_folder(source: int, name: str, top: Path, at: PurePosixPath, room: Room) -> None:
    to = top / at
    try:
        inner = os.open(name, _IS_FOLDER, dir_fd=source)
    except PermissionError:
        return
    try:
        if to.is_symlink() or not to.is_dir() or _is_opaque(inner):
            _remove(to)
            _make_folder(to)
        _bring(inner, top, at, room)
    finally:
        os.close(inner)


def _copy_file(source: int, name: str, to: Path, seen: os.stat_result) -> None:
    try:
        read = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source)
    except PermissionError:
        return
    try:
        if not stat.S_ISREG(os.fstat(read).st_mode):
            return
        write = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            left = seen.st_size
            while left > 0 and (data := os.read(read, min(_CHUNK, left))):
                left -= len(data)
                while data:
                    data = data[os.write(write, data) :]
            os.fchmod(write, stat.S_IMODE(seen.st_mode) & 0o777 | 0o644)
            os.utime(write, ns=(seen.st_mtime_ns, seen.st_mtime_ns))  # make compares them
        finally:
            os.close(write)
    finally:
        os.close(read)
    _give_away(to)


def _make_folder(to: Path) -> None:
    to.mkdir(parents=True)
    to.chmod(0o755)
    _give_away(to)


def _give_away(path: Path) -> None:
    """To the user that a confined program is: root's is another one (namespaces.py)."""
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def _stays(at: PurePosixPath, led: str) -> bool:
    """Whether a link at this place of the folder leads to a place in it.

    Only in front may it go up: behind the name of another link nobody knows where that is.
    """
    parts = PurePosixPath(led).parts
    up = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    return not os.path.isabs(led) and up <= len(at.parent.parts) and ".." not in parts[up:]


def _is_opaque(folder: int) -> bool:
    try:
        return os.getxattr(folder, _OPAQUE) == b"y"
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return False
        raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
