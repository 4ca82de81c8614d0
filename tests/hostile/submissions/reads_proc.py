"""Reads what /proc says of the first process, and of everybody. Expect: serves"""

import os

from hostile import attempt, read, serve

for pid in (1, os.getppid()):
    for name in ("environ", "mem", "maps", "cmdline", "auxv", "stack", "syscall", "fd"):
        attempt(f"/proc/{pid}/{name}", read, f"/proc/{pid}/{name}")
    for name in ("root", "cwd", "exe"):
        attempt(f"/proc/{pid}/{name}", os.readlink, f"/proc/{pid}/{name}")
for path in ("/proc/kcore", "/proc/kmsg", "/proc/sysrq-trigger"):
    attempt(path, os.open, path, os.O_RDWR)
serve()
