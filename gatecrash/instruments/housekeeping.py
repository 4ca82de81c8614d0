"""Threads that a runtime has for itself: none of its program's requests ever waits for one of their time limits.

HotSpot, the virtual machine of Java, ticks twenty times a second, and looks round each quarter of a second, each five
and sixty seconds: for statistics, for memory to give back, for compilers that are idle. While one of these runs
nobody is at rest, as ever; but what it sleeps in is no limit of the program's. The thread named "VM Thread" is none of
them: at the machine's end it waits, with a limit, for those who are in the kernel yet.
"""

from __future__ import annotations

from gatecrash.instruments import procfs

_LIBRARY = b"/libjvm.so"
#: As the kernel has their names, which are cut to 15 characters (comm, proc(5)). From HotSpot's sources, 11 to 21:
#: share/runtime/nonJavaThread.cpp, sweeper.cpp, monitorDeflationThread.cpp, compiler/compileBroker.cpp,
#: gc/g1/g1ServiceThread.cpp, and java.base's jdk/internal/ref/CleanerFactory.java.
_NAMES = frozenset(
    {
        *(b"VM Periodic Tas", b"Sweeper thread", b"Monitor Deflati", b"G1 Service"),
        *(b"C1 CompilerThre", b"C2 CompilerThre", b"JVMCI Compiler", b"Common-Cleaner"),
    }
)


class Housekeepers:
    """Knows the threads of runtimes in the processes of one target."""

    def __init__(self) -> None:
        self._virtual_machines: dict[int, bool] = {}

    def has(self, pid: int, status: bytes) -> bool:
        """Whether a thread of `pid` is one, by what its /proc/PID/task/TID/status says."""
        if procfs.field(status, b"Name:\t") not in _NAMES:
            return False
        if pid not in self._virtual_machines:
            self._virtual_machines[pid] = _LIBRARY in procfs.read_all(f"/proc/{pid}/maps")
        return self._virtual_machines[pid]
