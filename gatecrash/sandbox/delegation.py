"""This process, in a group that is delegated to it, settles so that groups which it makes there may be limited.

A group that limits those below it holds no process itself (cgroups(7), "no internal processes" rule): the process moves
to a leaf of it first, before it starts any other. Where others are in the group it moves back: we move nobody else.
"""

from __future__ import annotations

import contextlib
import os
import subprocess

from gatecrash.sandbox.cgroups import CONTROLLERS, LEAF, SYSTEMD, NotDelegated, find, own_folder, read, write

_SECONDS_TO_ASK = 5.0


def settle(proc: str = "/proc/self", systemd: str = SYSTEMD) -> None:
    """Have groups limited where that can be; all stays as it is where not.

    The leaf goes with the group, whose only process this is. The root of all groups is nobody's to change.
    """
    try:
        folder, own = _delegated(proc, systemd), own_folder(proc)
    except NotDelegated:
        return
    enabled = read(f"{folder}/cgroup.subtree_control").split()
    there = read(f"{folder}/cgroup.controllers").split()
    wanted = [name for name in CONTROLLERS if name in there and name not in enabled]
    if not wanted or not os.path.exists(f"{folder}/cgroup.type"):  # only the root has none
        return
    with contextlib.suppress(OSError):
        if folder != own:
            _enable(folder, wanted)
            return
        leaf = f"{folder}/{LEAF}{os.getpid()}"
        os.mkdir(leaf)
        try:
            write(f"{leaf}/cgroup.procs", "0")
            _enable(folder, wanted)
        except OSError:
            write(f"{folder}/cgroup.procs", "0")
            os.rmdir(leaf)


def _enable(folder: str, controllers: list[str]) -> None:
    write(f"{folder}/cgroup.subtree_control", " ".join(f"+{name}" for name in controllers))


def _delegated(proc: str, systemd: str) -> str:
    """The folder where we may make groups. Raises NotDelegated.

    A user's systemd marks nothing, and is asked. Whoever looks later knows by the leaf.
    """
    try:
        return find(proc, systemd).folder
    except NotDelegated as refused:
        own = own_folder(proc)
        if refused.why == "managed" and "/user@" in own and _says_the_users_systemd(os.path.basename(own)):
            return own
        raise


def _says_the_users_systemd(unit: str) -> bool:
    command = ["systemctl", "--user", "show", "--property=Delegate", "--value", "--", unit]
    try:
        told = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS_TO_ASK,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return told.stdout.strip() == b"yes"
