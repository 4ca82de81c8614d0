"""A control group for each confined arena, where this process may make one (cgroups(7), version 2).

What the kernel holds there it holds at every moment, and what it counts is exact: the broker's own count (`usage.py`)
looks every few milliseconds. The limits of memory and of tasks lie above what is counted, so that the count decides
wherever it is fast enough, with or without such a group. Of its processor time a group tells without any controller.

Imported by the broker, which runs without site-packages: standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import re
import select
import signal
import struct
from collections.abc import Mapping
from typing import Literal, NamedTuple

#: Of a group for an arena, and of the one that the tester moves to.
_NAME, LEAF = "gatecrash-arena-", "gatecrash-tester-"
CONTROLLERS = ("memory", "pids")
#: Where it runs nobody else makes groups, but in folders that it marks (systemd.resource-control(5), Delegate=).
SYSTEMD = "/run/systemd/system"
_UNITS = (".scope", ".service", ".slice")  # what it makes itself
_MARKS = ("user.delegate", "trusted.delegate")
#: Tasks, threads included, that each process that is allowed may have on the average.
TASKS = 4
#: What the kernel keeps for processes, tables and stacks, is charged to a group, and not counted: MiB, and a part.
_FOR_THE_KERNEL, _PART_FOR_THE_KERNEL = 64, 4
_TRIES = 16
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

_PAIR = re.compile(r"^(\w+) (\d+)$", re.MULTILINE)

# clone(2)
_SYS_CLONE3 = 435
_CLONE_INTO_CGROUP = 0x200000000
_CHILD_MS = 5000  # milliseconds in which a child that has only to end has ended, on a loaded machine even

#: The interpreter's lock stays ours across a call: the child has it, too.
_libc = ctypes.PyDLL(None, use_errno=True)

Why = Literal["none", "elsewhere", "managed", "refused"]


class NotDelegated(Exception):
    """No group can be made. `why`: no version 2, mounted elsewhere, it is systemd's, or we may not write."""

    def __init__(self, why: Why) -> None:
        """One word of it."""
        super().__init__(why)
        self.why = why


class Ground(NamedTuple):
    """Where groups may be made: a folder, and the controllers that groups in there have, of those we would use."""

    folder: str
    held: frozenset[str]


def find(proc: str = "/proc/self", systemd: str = SYSTEMD) -> Ground:
    """Where this process may make groups. Raises NotDelegated."""
    own = own_folder(proc)
    folder = own
    if os.path.basename(own).startswith(LEAF):
        folder = os.path.dirname(own)
    elif os.path.isdir(systemd) and not _is_marked(own):
        folder = os.path.dirname(own)  # of a service that starts in a group of its own (DelegateSubgroup=)
        if own.endswith(_UNITS) or not _is_marked(folder):
            raise NotDelegated("managed")
    if not (os.access(folder, os.W_OK | os.X_OK) and os.access(f"{folder}/cgroup.procs", os.W_OK)):
        raise NotDelegated("refused")
    enabled = read(f"{folder}/cgroup.subtree_control").split()
    return Ground(folder, frozenset(enabled) & frozenset(CONTROLLERS))


class Group:
    """Of one arena. `kept` are the descriptors that whoever removes it needs."""

    def __init__(self, ground: Ground) -> None:
        """Make it. Raises OSError."""
        self.held = ground.held
        self._base = os.open(ground.folder, _FOLDER)
        try:
            self._remove_forgotten()
            self._name, self._folder = self._made()
        except OSError:
            os.close(self._base)
            raise
        self.kept = (self._base, self._folder)
        self._given: Mapping[str, int] = {}
        self._before: Mapping[str, int] = {}
        self._used_before = 0.0
        self._takes_children: bool | None = None
        self.restart()

    def _made(self) -> tuple[str, int]:
        """A folder of a new name, with a lock that ends with the last process that has it open."""
        for _ in range(_TRIES):
            name = f"{_NAME}{os.urandom(6).hex()}"
            os.mkdir(name, 0o755, dir_fd=self._base)
            folder = -1
            try:
                folder = os.open(name, _FOLDER, dir_fd=self._base)
                fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
                os.stat(name, dir_fd=self._base)
                return name, folder
            except (FileNotFoundError, BlockingIOError):  # another took it for a forgotten one before we had the lock
                if folder >= 0:
                    os.close(folder)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), _NAME)

    def _remove_forgotten(self) -> None:
        """Those whose owners were killed: nobody has a lock on them, and nothing is in there."""
        for name in os.listdir(self._base):
            if not name.startswith(_NAME):
                continue
            with contextlib.suppress(OSError):
                folder = os.open(name, _FOLDER, dir_fd=self._base)
                try:
                    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.rmdir(name, dir_fd=self._base)
                finally:
                    os.close(folder)

    def limit(self, limits: Mapping[str, int]) -> None:
        """Have the kernel hold what it holds here, for all processes together. Raises OSError."""
        self._given = limits
        if "memory" in self.held:
            most = limits["memory"] + limits["memory"] // _PART_FOR_THE_KERNEL + _FOR_THE_KERNEL
            self._set("memory.max", str(most << 20))
            for name, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
                with contextlib.suppress(FileNotFoundError):  # no swap, or before Linux 4.19
                    self._set(name, value)
        if "pids" in self.held:
            self._set("pids.max", str(limits["processes"] * TASKS))

    def restart(self) -> None:
        """From now on, what happens is counted anew."""
        self._before = self._counts()
        self._used_before = self._used()

    def hit(self) -> tuple[str, int, int] | None:
        """The limit that the kernel has held against it since, what was given and what was had."""
        if not self._given:
            return None
        since = {name: number - self._before.get(name, 0) for name, number in self._counts().items()}
        # Killed because of a limit above ours, or of the machine, it has oom_kill without oom.
        if since.get("memory oom") and since.get("memory oom_kill"):
            had = max(self._number("memory.peak") >> 20, self._given["memory"])
            return "memory", self._given["memory"], had
        most = self._given["processes"] * TASKS
        # Before Linux 6.11 it counts what any limit above refused, too.
        if since.get("pids max") and max(self._number("pids.peak"), self._number("pids.current")) >= most:
            return "tasks", most, most
        return None

    def seconds(self) -> float:
        """Processor time since, of all processes, dead ones included."""
        return self._used() - self._used_before

    def fork(self) -> int:
        """As fork(2), with the child in here. Raises OSError: then there is no child."""
        if self._takes_children is None:
            self._takes_children = self._try_child()
        if self._takes_children:
            # Those in here may have all tasks that there are: whoever comes from outside is not counted against that.
            with contextlib.suppress(BlockingIOError):
                return self._fork_inside()
        return self._fork_and_join()

    def _try_child(self) -> bool:
        """Whether a child that is made in here lives.

        It does not before Linux 5.7, and not where clone3(2) is hidden from us. Since it notes who was ended with a
        group (seen with 6.18) the kernel may compare our own group's notes with those of this one, and ends the child.
        """
        try:
            pid = self._fork_inside()
        except OSError:
            return False
        if pid == 0:
            os._exit(0)
        _end_unless_ended(pid)
        return os.waitpid(pid, 0)[1] == 0

    def _fork_inside(self) -> int:
        flags, exits, folder = _CLONE_INTO_CGROUP, signal.SIGCHLD, self._folder
        arguments = struct.pack("11Q", flags, 0, 0, 0, exits, 0, 0, 0, 0, 0, folder)
        buffer = ctypes.create_string_buffer(arguments, len(arguments))
        pid = int(_libc.syscall(_SYS_CLONE3, buffer, ctypes.c_size_t(len(arguments))))
        if pid < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), "clone3")
        return pid

    def _fork_and_join(self) -> int:
        """In two steps; the second may have to wait for all processors (a grace period of RCU)."""
        heard, told = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            try:
                self._set("cgroup.procs", "0")
                os.write(told, b"!")
            except OSError:
                os._exit(127)
            return 0
        os.close(told)
        try:
            if os.read(heard, 1):
                return pid
        finally:
            os.close(heard)
        os.waitpid(pid, 0)
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), "cgroup.procs")

    def kill(self) -> None:
        """End all that is in here, at once (Linux 5.14; before, nothing happens)."""
        with contextlib.suppress(OSError):
            self._set("cgroup.kill", "1")
            self._takes_children = False  # see _try_child

    def remove(self) -> None:
        """When all has ended."""
        with contextlib.suppress(OSError):
            os.rmdir(self._name, dir_fd=self._base)

    def _counts(self) -> dict[str, int]:
        return {
            f"{kind} {name}": int(number)
            for kind in self.held
            for name, number in _PAIR.findall(self._text(f"{kind}.events"))
        }

    def _used(self) -> float:
        return int(dict(_PAIR.findall(self._text("cpu.stat"))).get("usage_usec", 0)) / 1e6

    def _number(self, name: str) -> int:
        text = self._text(name).strip()
        return int(text) if text.isdigit() else 0

    def _text(self, name: str) -> str:
        return read(name, self._folder)

    def _set(self, name: str, value: str) -> None:
        write(name, value, self._folder)


def group_here() -> Group | None:
    """One for an arena; None where none can be made."""
    try:
        return Group(find())
    except (NotDelegated, OSError):
        return None


def own_folder(proc: str) -> str:
    """Our group's. Raises NotDelegated where version 2 is not mounted, or not that part of it."""
    own = next((line[3:] for line in read(f"{proc}/cgroup").splitlines() if line.startswith("0::")), None)
    if own is None:
        raise NotDelegated("none")
    for line in read(f"{proc}/mountinfo").splitlines():
        of_mount, _, of_system = line.partition(" - ")
        if not of_system.startswith("cgroup2 "):
            continue
        root, place = map(_unescaped, of_mount.split()[3:5])
        if ".." in f"{own}/{root}".split("/"):  # outside of our cgroup namespace
            continue
        below = os.path.relpath(own, root)
        if below.split("/")[0] != ".." and os.path.isdir(folder := os.path.normpath(f"{place}/{below}")):
            return folder
    raise NotDelegated("elsewhere")


def _unescaped(word: str) -> str:
    """A path of mountinfo (proc(5)): blanks and backslashes are octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), word)


def _is_marked(folder: str) -> bool:
    for mark in _MARKS:
        with contextlib.suppress(OSError):
            if os.getxattr(folder, mark) == b"1":
                return True
    return False


def read(path: str, folder: int | None = None) -> str:
    """The file, or nothing where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return ""
    try:
        data = b""
        while piece := os.read(descriptor, 1 << 16):
            data += piece
        return os.fsdecode(data)
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def write(path: str, text: str, folder: int | None = None) -> None:
    """One write(2). Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _end_unless_ended(pid: int) -> None:
    """Give a child a moment: the copy of a process that has threads may wait for one of them for ever (fork(2))."""
    ending = os.pidfd_open(pid)
    try:
        waits = select.poll()
        waits.register(ending, select.POLLIN)
        if not waits.poll(_CHILD_MS):
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(ending)
