"""The root of a confined arena: the system read-only, the places it was given, and little room of its own to write.

Nothing else of the machine has a name in there. Imported by the broker, which runs without site-packages: standard
library only. Needs Linux 5.12 (mount_setattr(2)).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Mapping
from typing import Any

from gatecrash.sandbox.namespaces import (
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    NOBODY,
    checked,
    libc,
    private_network,
    write_file,
)

# mount(2), umount2(2), mount_setattr(2)
MS_BIND, MS_REC, MNT_DETACH = 0x1000, 0x4000, 2
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4
SYS_MOUNT_SETATTR = 442
IPC_RMID = 0  # shmctl(2)
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

#: Where the new root is put together, before it is one.
_STAGES = ("/tmp", "/mnt", "/var", "/usr")
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
#: What every program may write, in one file system with its folder.
_SCRATCH = ("/tmp", "/var/tmp", "/dev/shm")
#: Where the places are kept.
_STORE = "/.places"
_READ_ONLY = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV
#: Sanitizers' reports of one run: MiB and files.
_SHARED = "size=16m,nr_inodes=4096"


class OwnRoot:
    """Of one arena. The mount namespace is the arena's own: it takes everything with it when it ends."""

    def __init__(self, wanted: Mapping[str, Any]) -> None:
        """`system`: paths to see read-only; `places`: pairs of a path and a kind; `disk` (bytes) and `inodes`."""
        self.system: list[str] = wanted["system"]
        self.places: list[tuple[str, str]] = sorted(map(tuple, wanted["places"]))
        self.room_options = f"mode=755,size={wanted['disk']},nr_inodes={wanted['inodes']}"
        self.above: dict[str, int] = {}  # by place: what was written there, open
        self.covered: list[str] = []  # what is mounted anew when something was written, in the order of mounting
        self.room = -1  # the file system that is written to, open
        self.clean = (0, 0)  # its free blocks and inodes at first
        self.segments = wanted["disk"] // 4096  # pages of System V's shared memory
        self.segments_limited = False  # whether the kernel holds that (Linux 5.19)

    def enter(self) -> None:
        """Make the root and move there. Raises OSError that names what was refused."""
        stage = next(path for path in _STAGES if os.path.isdir(path))
        there = [path for path in self.system if os.path.isdir(path) and not os.path.islink(path)]
        links = {path: os.readlink(path) for path in self.system if os.path.islink(path)}
        wanted = [*there, *(f"/dev/{name}" for name in _DEVICES)]
        wanted += [path for path, kind in self.places if kind != "shared"]
        opened = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in wanted if os.path.exists(path)}
        os.umask(0o022)
        _mount("tmpfs", stage, "tmpfs", MS_NOSUID, "mode=755,size=1m,nr_inodes=4096")
        for path in there:
            _bind(opened[path], stage + path)
            _set(stage + path, _READ_ONLY)
        for path, to in links.items():
            os.symlink(to, stage + path)
        self.make_devices(stage, opened)
        os.mkdir(f"{stage}/proc")
        _mount("proc", f"{stage}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2")
        for path in (*_SCRATCH, "/mnt", _STORE):
            os.makedirs(stage + path, exist_ok=True)
        os.chmod(stage + _STORE, 0o700)
        self.store(stage, opened)
        for descriptor in opened.values():
            os.close(descriptor)
        os.chdir(stage)
        checked(libc.syscall(SYS_PIVOT_ROOT[os.uname().machine], b".", b"."), "pivot_root")
        checked(libc.umount2(b".", MNT_DETACH), "umount the old root")
        os.chdir("/")
        self.make_queues()
        _set("/", MOUNT_ATTR_RDONLY, recursive=False)
        self.furnish()
        private_network()
        write_file(
            "/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"
        )  # it has no privileges, and its ports are its own
        with contextlib.suppress(OSError):
            write_file("/proc/sys/kernel/shmall", str(self.segments))
            self.segments_limited = True
        write_file("/proc/sys/user/max_user_namespaces", "0")  # or it would have all of them again, in one of its own

    def store(self, stage: str, opened: Mapping[str, int]) -> None:
        """Have each place under a name of ours: its own may lie in a scratch folder, which is mounted anew."""
        for number, (path, kind) in enumerate(self.places):
            if not any(path.startswith(f"{scratch}/") for scratch in _SCRATCH):
                os.makedirs(stage + path, exist_ok=True)
            here = f"{stage}{_STORE}/{number}"
            os.mkdir(here)
            if kind == "shared":
                _mount("tmpfs", here, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=755,{_SHARED}")
                os.chown(here, NOBODY, NOBODY)
            else:
                _bind(opened[path], here)
                _set(here, _READ_ONLY)

    def make_queues(self) -> None:
        """Where POSIX message queues have names (mq_overview(7)), for us to remove them."""
        os.mkdir(f"{_STORE}/queues", 0o700)
        with contextlib.suppress(OSError):  # a kernel without them
            _mount("mqueue", f"{_STORE}/queues", "mqueue")

    def make_devices(self, stage: str, opened: Mapping[str, int]) -> None:
        """/dev as a container has it, with terminals of its own."""
        for folder in ("dev", "dev/pts"):
            os.mkdir(f"{stage}/{folder}")
        for name in _DEVICES:
            if f"/dev/{name}" in opened:
                os.close(os.open(f"{stage}/dev/{name}", os.O_CREAT | os.O_WRONLY))
                _bind(opened[f"/dev/{name}"], f"{stage}/dev/{name}", folder=False)
        for name, to in _LINKS.items():
            os.symlink(to, f"{stage}/dev/{name}")
        with contextlib.suppress(OSError):  # then a terminal is not available
            _mount("devpts", f"{stage}/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")

    def furnish(self) -> None:
        """The room to write, empty: layers above the folders that are copied, and scratch folders."""
        _mount("tmpfs", "/mnt", "tmpfs", MS_NOSUID | MS_NODEV, self.room_options)
        self.room = os.open("/mnt", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        for number, path in enumerate(_SCRATCH):
            os.mkdir(f"/mnt/scratch{number}")
            os.chmod(f"/mnt/scratch{number}", 0o1777)
            self.cover(f"/mnt/scratch{number}", path)
        for number, (path, kind) in enumerate(self.places):
            os.makedirs(path, exist_ok=True)
            if kind == "copied":
                self.copy(number, path)
            else:
                self.cover(f"{_STORE}/{number}", path)
        checked(libc.umount2(b"/mnt", MNT_DETACH), "umount")  # what is in there has its names elsewhere
        self.clean = self.free()

    def copy(self, number: int, path: str) -> None:
        """Show a place with a layer of the room above it."""
        above, work = f"/mnt/above{number}", f"/mnt/work{number}"
        os.mkdir(above)
        os.mkdir(work)
        os.chown(above, NOBODY, NOBODY)
        self.above[path] = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        layers = f"lowerdir={_STORE}/{number},upperdir={above},workdir={work},userxattr"
        _mount("overlay", path, "overlay", MS_NOSUID | MS_NODEV, layers)
        self.covered.append(path)

    def shared(self, path: str) -> int:
        """A place that the tester reads, opened."""
        number = self.places.index((path, "shared"))
        return os.open(f"{_STORE}/{number}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def remove_shared(self) -> None:
        """Shared memory, semaphores and queues that outlive who made them (sysvipc(7), mq_overview(7))."""
        for kind, control in (("shm", libc.shmctl), ("sem", libc.semctl), ("msg", libc.msgctl)):
            for id in _ids(f"/proc/sysvipc/{kind}"):
                control(id, *((0, IPC_RMID) if kind == "sem" else (IPC_RMID,)), None)
        for name in os.listdir(f"{_STORE}/queues"):
            os.unlink(f"{_STORE}/queues/{name}")

    def cover(self, source: str, path: str) -> None:
        """Show a folder under another path."""
        _mount(source, path, "", MS_BIND | MS_REC)
        self.covered.append(path)

    def free(self) -> tuple[int, int]:
        """Blocks and inodes that are left to write."""
        seen = os.fstatvfs(self.room)
        return seen.f_bfree, seen.f_ffree

    def is_full(self) -> bool:
        """Whether nothing more can be written."""
        return 0 in self.free()

    def used(self) -> int:
        """Bytes that were written and are there."""
        seen = os.fstatvfs(self.room)
        return (seen.f_blocks - seen.f_bfree) * seen.f_frsize

    def renew(self) -> None:
        """All as it was, whatever was written. Nothing may run any more."""
        self.remove_shared()
        if self.free() == self.clean:
            return
        while self.covered:
            checked(libc.umount2(os.fsencode(self.covered.pop()), MNT_DETACH), "umount")
        for descriptor in (self.room, *self.above.values()):
            os.close(descriptor)
        self.above.clear()
        self.furnish()


def _ids(path: str) -> list[int]:
    """Those of a file of /proc/sysvipc (proc(5)): the second field of each line but the first."""
    try:
        with open(path, encoding="ascii") as listing:
            return [int(line.split()[1]) for line in listing.readlines()[1:]]
    except OSError:  # a kernel without them
        return []


def _bind(descriptor: int, path: str, *, folder: bool = True) -> None:
    """With all that is mounted within: where that is refused, what it covers would show (mount_namespaces(7))."""
    if folder:
        os.makedirs(path, exist_ok=True)
    _mount(f"/proc/self/fd/{descriptor}", path, "", MS_BIND | MS_REC)


def _set(path: str, attributes: int, *, recursive: bool = True) -> None:
    """mount_setattr(2): struct mount_attr has four numbers of 64 bits, and the first are those to set."""
    wanted = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    size = ctypes.c_size_t(ctypes.sizeof(wanted))
    checked(libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, os.fsencode(path), flags, wanted, size), f"mount_setattr {path}")


def _mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    words = (os.fsencode(source), os.fsencode(target), kind.encode() or None, flags, options.encode() or None)
    checked(libc.mount(*words), f"mount {kind or source} on {target}")
