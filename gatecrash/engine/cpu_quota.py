"""How many workers a run gets: what the machine allows this process, not what the machine has."""

from __future__ import annotations

import math
import os
from pathlib import Path

#: Workers a processor: a worker waits for the kernel and for the target about as long as it computes.
_WORKERS_A_PROCESSOR = 1.5
_CGROUP = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


def default_workers() -> int:
    """Workers for the processors this process may use, by its affinity and its control group's quota."""
    return workers_for(len(os.sched_getaffinity(0)), quota())


def workers_for(processors: int, quota: float | None) -> int:
    """Workers for so many processors, of which a quota (in processors; None: no quota) lets us use a part."""
    usable = processors if quota is None else min(float(processors), quota)
    return max(1, math.ceil(usable * _WORKERS_A_PROCESSOR))


def quota(root: Path = _CGROUP, own: Path = _OWN_GROUPS) -> float | None:
    """The smallest processor quota of our control group and those above it (cgroups(7)), in processors."""
    quotas = [found for group in _groups(root, own) if (found := _quota_of(group)) is not None]
    return min(quotas, default=None)


def _groups(root: Path, own: Path) -> list[Path]:
    """Our group's folder and all above it, for version 2 and for version 1's `cpu`. In a container: its root."""
    folders = {root, root / "cpu"}
    for line in _read(own).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = root / "cpu" if controllers else root
        below = base / path.lstrip("/")
        folders |= {below, *(parent for parent in below.parents if parent.is_relative_to(base))}
    return sorted(folders)


def _quota_of(group: Path) -> float | None:
    limit, _, period = _read(group / "cpu.max").partition(" ")
    if not limit:
        limit, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
    try:
        allowed, of = int(limit), int(period)
    except ValueError:  # "max", or no such file
        return None
    return allowed / of if allowed > 0 and of > 0 else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
