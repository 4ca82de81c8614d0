"""Folders of which an arena sees copies: a target may write, empty and remove there, and no file of its owner changes.

Each folder gets an overlay over itself, under the path it always had: its files below, what is written above, in
memory (Linux 5.11 allows that in a user namespace, the kernel's Documentation/filesystems/overlayfs.rst).
Imported by the broker, which runs without site-packages: standard library only.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from gatecrash.sandbox.namespaces import checked, libc

# mount(2), umount2(2)
MS_BIND, MS_REC, MNT_DETACH = 0x1000, 0x4000, 2
UNMAPPED = 65534  # the owner that a user namespace has no number for (user_namespaces(7))


class Overlays:
    """The folders of one arena. The mount namespace is the arena's own: it takes them with it when it ends."""

    def __init__(self) -> None:
        """None yet."""
        self.above: dict[str, int] = {}  # by folder: its upper layer, open; what is in there was written
        self.kept: list[str] = []

    def cover(self, folders: Iterable[str], kept: Iterable[str]) -> dict[str, str]:
        """Cover these, and of those within one another the outermost; whatever is refused is told, with the reason.

        Folders in `kept` stay what they are although a folder around them is covered.
        """
        self.kept = sorted(kept)
        refused: dict[str, str] = {}
        for folder in sorted(folders):
            if any(_is_in(folder, outer) for outer in self.above):
                continue
            try:
                refuse_unmapped(folder)
                self.mount(folder)
            except OSError as error:
                refused[folder] = error.strerror or str(error)
        return refused

    def renew(self) -> None:
        """Every folder as it is for its owner, whatever was written into it here. Nothing may run in there any more."""
        for folder, above in list(self.above.items()):
            if os.listdir(above):
                self.unmount(folder)
                self.mount(folder)

    def mount(self, folder: str) -> None:
        """The two layers are named by descriptors: a path may hold what mount options cannot, and is covered soon."""
        below = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        kept = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in self.kept if _is_in(path, folder)}
        opened = [below, *kept.values()]
        mounted = 0
        try:
            _mount("tmpfs", folder, "tmpfs", options="mode=700")
            mounted = 1
            for name in ("above", "work"):
                os.mkdir(os.path.join(folder, name))
                opened.append(os.open(os.path.join(folder, name), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            layers = f"lowerdir={_named(below)},upperdir={_named(opened[-2])},workdir={_named(opened[-1])},userxattr"
            os.fchmod(opened[-2], os.fstat(below).st_mode & 0o7777)  # the folder's own mode is that of its upper layer
            _mount("overlay", folder, "overlay", options=layers)
            mounted = 2
            for path, descriptor in kept.items():
                _mount(_named(descriptor), path, flags=MS_BIND | MS_REC)
            self.above[folder] = os.dup(opened[-2])
        except OSError:
            for _ in range(mounted):
                libc.umount2(os.fsencode(folder), MNT_DETACH)
            raise
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def unmount(self, folder: str) -> None:
        """Both mounts of a folder, with what is mounted within."""
        os.close(self.above.pop(folder))
        for _ in range(2):
            checked(libc.umount2(os.fsencode(folder), MNT_DETACH), "umount")


def refuse_unmapped(folder: str) -> None:
    """Raise OSError where a file of ours has a group of others: its copy could not have that, so no write would work.

    A file of somebody else cannot be written to anyway. The folder and what lies in it directly are looked at.
    """
    with os.scandir(folder) as entries:
        looked_at = [os.stat(folder), *(entry.stat(follow_symlinks=False) for entry in entries)]
    if any(one.st_gid == UNMAPPED and one.st_uid != UNMAPPED for one in looked_at):
        raise OSError(errno.EOVERFLOW, os.strerror(errno.EOVERFLOW), folder)


def _mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    words = (os.fsencode(source), os.fsencode(target), kind.encode() or None, flags, options.encode() or None)
    checked(libc.mount(*words), f"mount {target}")


def _named(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
