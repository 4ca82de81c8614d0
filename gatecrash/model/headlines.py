"""The one line that a sanitizer's report is told by: what happened, and where in the source. Pure.

A report begins with addresses, and its first frames are the library's own: what a reader needs stands below them.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from gatecrash.language import stated

_KIND = re.compile(r"ERROR: (?:Address|UndefinedBehavior)Sanitizer: ([\w-]+)")
_ACCESS = re.compile(r"^\s*((?:READ|WRITE) of size \d+)", re.MULTILINE)
_FRAME = re.compile(r"^\s*#\d+ 0x[0-9a-f]+ in (\S+) ([^\s:]+):(\d+)(?::\d+)?\s*$", re.MULTILINE)
_OF_THE_SYSTEM = ("/usr/", "/build/", "../")
_SIGNALS = {"SEGV": "SIGSEGV", "stack-overflow": "SIGSEGV", "BUS": "SIGBUS", "FPE": "SIGFPE", "ILL": "SIGILL"}
_UNDEFINED = re.compile(r"^(\S+?):(\d+):\d+: (runtime error: .*)$", re.MULTILINE)


def signal_of(text: str) -> str | None:
    """The signal that a sanitizer has caught, as in SIGSEGV; None for another error. A stack overflow is a SIGSEGV."""
    kind = _KIND.search(text)
    return None if kind is None else _SIGNALS.get(kind[1])


def headline(text: str) -> str | None:
    """`stack-buffer-overflow (WRITE of size 403) in serve, server.c:23`; None for a report of another form."""
    undefined = _UNDEFINED.search(text)
    if undefined is not None:
        file, line, what = undefined.groups()
        return f"{PurePosixPath(file).name}:{line}: {what}"
    kind = _KIND.search(text)
    if kind is None:
        return None
    access = _ACCESS.search(text)
    what = kind[1] if access is None else f"{kind[1]} ({access[1]})"
    own = (frame.groups() for frame in _FRAME.finditer(text))
    frame = next((frame for frame in own if not frame[1].startswith(_OF_THE_SYSTEM)), None)
    if frame is None:
        return what
    function, file, line = frame
    return stated(
        "{what} in {function}, {place}", what=what, function=function, place=f"{PurePosixPath(file).name}:{line}"
    )
