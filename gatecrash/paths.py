"""Folders and files: where suites, strategies and servers are, and what can be written."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from gatecrash.errors import Unwritable
from gatecrash.language import say

#: What a file system says that takes nothing more, whoever asks.
_NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS))


def tree_root() -> Path:
    """The folder that holds suites/, strategies/ and servers/."""
    here = Path(__file__).resolve().parent
    bundled = here / "_bundle"
    return bundled if bundled.is_dir() else here.parent


def why_not_writable(path: Path) -> str | None:
    """Why a file cannot be written; None when it can."""
    if path.is_dir():
        return say("it is a folder; name a file in it")
    if not path.parent.is_dir():
        return say("there is no folder {parent}", parent=path.parent)
    if path.exists() and not os.access(path, os.W_OK):
        return say("its permissions forbid it")
    if not path.exists() and not os.access(path.parent, os.W_OK):
        return say("the permissions of the folder {parent} forbid it", parent=path.parent)
    return None


def lacks_room(error: OSError) -> bool:
    """Whether a folder of ours takes nothing more: no fault of what was to be written there."""
    return error.errno in _NO_ROOM


#: Bytes: less than a small file and its journal take.
_ROOM = 64 << 10


def has_room(folder: Path) -> bool:
    """Whether a folder has space, and a place for one more file (statvfs(3)); yes where that is not told."""
    try:
        told = os.statvfs(folder)
    except OSError:
        return True
    space = told.f_blocks == 0 or told.f_bavail * told.f_frsize >= _ROOM
    return space and (told.f_files == 0 or told.f_favail > 0)


def speaks_of_room(text: str) -> bool:
    """Whether a traceback says so."""
    return any(os.strerror(number) in text for number in _NO_ROOM)


def no_room(folder: Path | str, reason: str | None) -> Unwritable:
    """What is said where a folder for what is only needed meanwhile cannot be written."""
    return Unwritable(
        say(
            "{folder} cannot be written: {reason}. Make room there, or name another folder with TMPDIR. What was "
            "judged so far is kept, and the same command goes on.",
            folder=folder,
            reason=reason or say("there is no room"),
        )
    )


def open_regular(path: Path, flags: int = os.O_RDONLY) -> BinaryIO:
    """Open a file of a stranger, where it is one: no link is followed, and nothing else can make us wait.

    Raises OSError.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path))
    return os.fdopen(descriptor, "r+b" if flags & os.O_RDWR else "rb")
