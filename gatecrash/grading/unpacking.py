"""A submission's files put into a folder of their own: nothing beside it, no links, no more than is allowed.

What a stranger packed is read as a list of entries, and each is written by us: an archive never writes. Sizes are
counted as they are read, whatever a header says, so that a bomb is given up where the bound is.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, NoReturn

from gatecrash.config.contract_file import FILE_NAME
from gatecrash.errors import GatecrashError, TargetError
from gatecrash.grading.platforms import file_name
from gatecrash.grading.submission import ZIP_SUFFIXES, archive_suffix
from gatecrash.language import say
from gatecrash.paths import lacks_room
from gatecrash.text import safe_text

_PIECE = 1 << 18  # bytes read at a time
_LEFT_OUT = ("__MACOSX", ".git", ".DS_Store", "__pycache__")
_MOST_NOTES = 8
#: What a file system says of names that somebody made up. Anything else (a full disk, a folder that is not to be read)
#: is no student's fault.
_OF_THE_ARCHIVE = frozenset(
    (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.EINVAL, errno.EILSEQ)
)


class Refused(TargetError):
    """What was handed in is not unpacked; the sentence is for its student."""


class NotTaken(GatecrashError):
    """What was handed in could not be read: no student's fault."""


@dataclass(frozen=True)
class Bounds:
    """How large what is unpacked may be: bytes, and entries."""

    most_bytes: int = 64 << 20
    most_entries: int = 2000


@dataclass(frozen=True)
class _Entry:
    """One file or folder to be written. `opened`: the bytes; None for a folder."""

    path: str
    executable: bool = False
    opened: Callable[[], IO[bytes]] | None = None


def unpack(sources: tuple[Path, ...], folder: Path, bounds: Bounds) -> tuple[str, ...]:
    """Put the files of a submission into `folder`, which is new; returns what was left out, in sentences.

    Raises Refused where it holds more than the bounds, a path out of the folder, or what is no archive; NotTaken
    where it cannot be read; OSError where there is no room for it.
    """
    folder.mkdir(mode=0o755)
    writer = _Writer(folder, bounds)
    for source in sources:
        writer.take(_entries(source))
    inner = _only_archive(folder)
    if inner is not None:  # a platform's folder with the archive that its student made
        entries = _entries(inner)
        writer.take(one for one in entries if one.path != inner.name)
        inner.unlink()
    return writer.notes()


def _only_archive(folder: Path) -> Path | None:
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_file() and archive_suffix(inside[0]) else None


class _Writer:
    """Writes entries below a folder, and counts."""

    def __init__(self, folder: Path, bounds: Bounds) -> None:
        self._folder = folder
        self._bounds = bounds
        self._bytes = 0
        self._entries = 0
        self._links: list[str] = []
        self._contract = False
        self._passed_over: dict[str, None] = {}  # names that no submission is made of
        self._written = False

    def take(self, entries: Iterator[_Entry]) -> None:
        """Write them all. Raises Refused."""
        with _told():
            for entry in entries:
                self._take(entry)

    def notes(self) -> tuple[str, ...]:
        """What was left out."""
        said = [say("{path} is a link, and was left out.", path=safe_text(path)) for path in self._links[:_MOST_NOTES]]
        if self._contract:
            said.append(say("Its own {file_name} was left out: the course's counts.", file_name=FILE_NAME))
        if not self._written:
            said += [say("{path} was left out.", path=name) for name in self._passed_over]
        return tuple(said)

    def _take(self, entry: _Entry) -> None:
        parts = self._parts(entry.path)
        passed_over = [part for part in parts if part in _LEFT_OUT]
        if not parts or passed_over:
            self._passed_over |= dict.fromkeys(passed_over)
            return
        self._entries += 1
        if self._entries > self._bounds.most_entries:
            raise Refused(
                say("It holds more than {count} files and folders, which is the most.", count=self._bounds.most_entries)
            )
        if entry.opened is _LINK:
            self._links.append(entry.path)
        elif parts[-1] == FILE_NAME:
            self._contract = True
        else:
            self._write(self._folder.joinpath(*parts), entry)

    def _parts(self, path: str) -> tuple[str, ...]:
        parts = PurePosixPath(path.replace("\\", "/")).parts
        if path.startswith(("/", "\\")) or ".." in parts or "\0" in path:
            raise Refused(
                say("It holds the path {path!r}, which leads out of its folder. Pack it anew, without it.", path=path)
            )
        return parts

    def _write(self, path: Path, entry: _Entry) -> None:
        if entry.opened is None:
            path.mkdir(parents=True, exist_ok=True)
            return
        self._written = True
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with entry.opened() as given, open(os.open(path, flags, 0o600), "wb") as file:
            while piece := given.read(_PIECE):
                self._bytes += len(piece)
                if self._bytes > self._bounds.most_bytes:
                    raise Refused(
                        say("It is larger than {size} MiB, which is the most.", size=self._bounds.most_bytes >> 20)
                    )
                file.write(piece)
            os.fchmod(file.fileno(), 0o755 if entry.executable else 0o644)


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong with a stranger's archive is told as such."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        EOFError,
        ValueError,
        KeyError,
        NotImplementedError,
        MemoryError,
    ) as error:
        raise Refused(
            say("It cannot be unpacked: {reason}.", reason=safe_text(str(error)) or type(error).__name__)
        ) from None
    except (zipfile.LargeZipFile, RuntimeError) as error:  # zipfile: an encrypted one
        encrypted = "encrypted" in str(error) or "password" in str(error)
        reason = say("it is encrypted") if encrypted else safe_text(str(error))
        raise Refused(say("It cannot be unpacked: {reason}.", reason=reason)) from None
    except OSError as error:
        if lacks_room(error):
            raise
        if error.strerror is None:  # a decompressor's word (gzip, bz2, lzma)
            raise Refused(say("It cannot be unpacked: {reason}.", reason=safe_text(str(error)))) from None
        told = say(
            "It cannot be unpacked: {name}: {reason}.", name=safe_text(str(error.filename)), reason=error.strerror
        )
        raise Refused(told) if error.errno in _OF_THE_ARCHIVE else NotTaken(told) from None


def _no_bytes() -> IO[bytes]:
    raise AssertionError("a link is never opened")


#: Stands for what is not a file and not a folder: a link, a device, a pipe.
_LINK = _no_bytes


def _entries(source: Path) -> Iterator[_Entry]:
    """What a source holds, in its order."""
    if source.is_dir():
        yield from _of_folder(source)
    elif not archive_suffix(source):
        yield _of_file(source, file_name(source))
    elif archive_suffix(source) in ZIP_SUFFIXES:
        yield from _of_zip(source)
    else:
        yield from _of_tar(source)


def _of_folder(folder: Path) -> Iterator[_Entry]:
    for top, folders, files in os.walk(folder, onerror=_raised):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
        for name in sorted((*folders, *files)):
            path = Path(top, name)
            inside = str(path.relative_to(folder))
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                yield _Entry(inside)
            else:
                yield _of_file(path, inside)


def _raised(error: OSError) -> NoReturn:
    """os.walk passes over what it cannot read, and a submission would be taken for an empty one."""
    raise error


def _of_file(path: Path, name: str) -> _Entry:
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        return _Entry(name, opened=_LINK)
    return _Entry(
        name, bool(mode & 0o100), lambda: open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    )


def _of_zip(path: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            if info.is_dir():
                yield _Entry(info.filename)
            elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                yield _Entry(info.filename, opened=_LINK)
            else:
                yield _Entry(info.filename, bool(mode & 0o100), lambda info=info: archive.open(info))  # type: ignore[misc]


def _of_tar(path: Path) -> Iterator[_Entry]:
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            if member.isdir():
                yield _Entry(member.name)
            elif not member.isreg():
                yield _Entry(member.name, opened=_LINK)
            else:
                yield _Entry(member.name, bool(member.mode & 0o100), lambda member=member: _content(archive, member))  # type: ignore[misc]


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    opened = archive.extractfile(member)
    assert opened is not None  # it is a regular file
    return opened
