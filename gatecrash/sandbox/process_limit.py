"""How many processes a broker lets a target have, and what the kernel says of it, read without walking /proc.

Imported by the broker, which runs without site-packages: standard library only.
"""

from __future__ import annotations

import os

#: Processes that nobody has to account for: workers, helpers, what a build tool leaves.
AT_LEAST = 1024
#: And those that each connection or datagram accounts for.
_FOR_EACH_CLIENT = 4
#: New process numbers after which the processes are counted again.
_COUNT_AFTER = 256
#: The part of all process numbers of a machine that one target may take, whatever its clients do.
_PART_OF_ALL = 4
_USUAL = 32768  # pid_max where it cannot be read (proc(5))


class ProcessLimit:
    """Tells when a target has far more processes than its clients account for.

    Such a target forks without end, and would leave the machine with no process number, for anybody. As root no limit
    of the kernel stops it: RLIMIT_NPROC binds other users only (getrlimit(2)).
    """

    def __init__(self) -> None:
        self._arrivals_before = arrivals()
        self._counted_at = last_pid()
        self._most = int(_read("/proc/sys/kernel/pid_max") or _USUAL) // _PART_OF_ALL

    def restart(self) -> None:
        """A target is started where none was left."""
        self._arrivals_before = arrivals()

    @property
    def to_count(self) -> bool:
        """Whether so many processes were made since the last count that they should be counted."""
        now = last_pid()
        if 0 <= now - self._counted_at < _COUNT_AFTER:
            return False
        self._counted_at = now
        return True

    @property
    def allowed(self) -> int:
        """How many processes, zombies included, the clients of a target account for."""
        return min(AT_LEAST + _FOR_EACH_CLIENT * (arrivals() - self._arrivals_before), self._most)


def last_pid() -> int:
    """The number of the newest task of this pid namespace: the last field of /proc/loadavg (proc(5))."""
    fields = _read("/proc/loadavg").split()
    return int(fields[-1]) if fields else 0


def arrivals() -> int:
    """Connections and datagrams that arrived in this network namespace (/proc/net/snmp, RFC 2012 and 2013)."""
    return _counter("Tcp", "PassiveOpens") + _counter("Udp", "InDatagrams")


def _counter(protocol: str, name: str) -> int:
    lines = [line.split() for line in _read("/proc/self/net/snmp").splitlines()]
    rows = [line[1:] for line in lines if line[0] == f"{protocol}:"]
    return int(dict(zip(*rows, strict=True)).get(name, 0)) if len(rows) == 2 else 0


def _read(path: str) -> str:
    """The file, or nothing where this machine hides it: then nobody is counted."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 1 << 16).decode("ascii")
    finally:
        os.close(descriptor)
