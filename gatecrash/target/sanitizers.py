"""Reports of AddressSanitizer and UndefinedBehaviorSanitizer: asked for by environment, read from files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from gatecrash.model.transcript import SanitizerReport, Tool
from gatecrash.text import decoded

_LONGEST = 6000
_FATAL_ERROR = re.compile(r"==\d+==ERROR: \w+Sanitizer: (?P<kind>[\w-]+)")
_SIGNALS = frozenset({"SEGV", "BUS", "FPE", "ILL", "ABRT", "stack-overflow"})
#: Runtime errors that tell of the very access a process then dies of.
_SAME_FAULT = re.compile("null pointer|insufficient space|out of bounds")
_PREFIX = "report"


def sanitizer_environment(folder: Path) -> dict[str, str]:
    """The environment that makes a sanitized build write its reports into `folder`, and go on as a plain one would.

    Leaks are not reported: what a program still holds when it ends is no mistake, and LeakSanitizer stops the world.
    Runtime errors come without a stack: their first line names the place, and a stack takes 0.2 s in each child.
    """
    log = folder / _PREFIX
    return {
        "ASAN_OPTIONS": f"log_path={log}:detect_leaks=0:allocator_may_return_null=1:handle_abort=0",
        "UBSAN_OPTIONS": f"log_path={log}:print_stacktrace=0",
        "GATECRASH_REPORTS": str(folder),
    }


def new_reports(environment: Mapping[str, str], step: int) -> list[SanitizerReport]:
    """The reports written since the last call. There is one file for each process that had something to report."""
    folder = environment.get("GATECRASH_REPORTS")
    if folder is None:
        return []
    reports = []
    for path in sorted(Path(folder).glob(f"{_PREFIX}.*")):
        reports += [SanitizerReport(step, tool, part[:_LONGEST]) for tool, part in told_apart(_taken(path))]
    return reports


def _taken(path: Path) -> str:
    """What is in a file of reports, which is emptied, not removed.

    Its process keeps it open and writes its next report behind what was there: zero bytes stand in front of that.
    """
    try:
        written = path.read_bytes()
        if written:
            os.truncate(path, 0)
    except OSError:
        return ""
    return decoded(written.lstrip(b"\0"))


def told_apart(text: str) -> list[tuple[Tool, str]]:
    """What one process wrote: runtime errors, which let it go on, then one fatal error.

    A signal that was caught is the fault a plain build would have died of. A runtime error that told of the same
    access just before the end is not counted as another fault.
    """
    fatal = _FATAL_ERROR.search(text)
    errors = [line for line in text[: fatal.start() if fatal else None].splitlines() if "runtime error:" in line]
    if fatal and errors and _SAME_FAULT.search(errors[-1]):
        errors.pop()
    parts: list[tuple[Tool, str]] = [("undefined", "\n".join(errors))] if errors else []
    if fatal:
        parts.append(("signal" if fatal["kind"] in _SIGNALS else "address", text[fatal.start() :]))
    return parts
