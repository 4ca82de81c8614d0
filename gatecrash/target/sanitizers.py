"""Reports of AddressSanitizer and UndefinedBehaviorSanitizer: asked for by environment, read from files."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from gatecrash.model.launch import Launch
from gatecrash.model.transcript import SanitizerReport, Tool
from gatecrash.paths import open_regular
from gatecrash.sandbox.arena import Arena
from gatecrash.text import decoded

_LONGEST = 6000
_FATAL_ERROR = re.compile(r"==\d+==ERROR: \w+Sanitizer: (?P<kind>[\w-]+)")
_SIGNALS = frozenset({"SEGV", "BUS", "FPE", "ILL", "ABRT", "stack-overflow"})
#: Runtime errors that tell of the very access a process then dies of.
_SAME_FAULT = re.compile("null pointer|insufficient space|out of bounds")
_PREFIX = "report"
_FOLDER = "GATECRASH_REPORTS"
#: Of what is written there is read, at one time: files, and bytes of one. Reports are some thousand bytes long.
_MOST_FILES, _MOST_BYTES, _MOST_READ = 64, 1 << 18, 1 << 20


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


def without_places(launch: Launch) -> Launch:
    """The launch with reports that name addresses and no places: looking one up takes most of the life of a child."""
    options = launch.env.get("ASAN_OPTIONS")
    if options is None:
        return launch
    return replace(launch, env={**launch.env, "ASAN_OPTIONS": f"{options}:symbolize=0"})


def with_readable_reports(launch: Launch, arena: Arena) -> Launch:
    """The launch as it is in this arena: a confined program writes its reports where only its arena has them."""
    folder = launch.env.get(_FOLDER)
    if folder is None or arena.confined is None or arena.kind == "loopback":
        return launch
    return replace(launch, env={**launch.env, _FOLDER: str(arena.shared(Path(folder)))})


def reports_folder(environment: Mapping[str, str]) -> Path | None:
    """Where reports are written, as we see it; None of a build without sanitizers."""
    folder = environment.get(_FOLDER)
    return None if folder is None else Path(folder)


def new_reports(environment: Mapping[str, str], step: int) -> list[SanitizerReport]:
    """The reports written since the last call. There is one file for each process that had something to report."""
    folder = environment.get(_FOLDER)
    if folder is None:
        return []
    reports = []
    for path in _written(Path(folder))[:_MOST_FILES]:
        reports += [SanitizerReport(step, tool, part[:_LONGEST]) for tool, part in told_apart(_taken(path))]
    return reports


def _written(folder: Path) -> list[Path]:
    """The files that have something in them: those that were read are empty, and there may be hundreds of them."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(one.name for one in entries if one.name.startswith(f"{_PREFIX}.") and _has_more(one))
    except OSError:
        return []
    return [folder / name for name in names]


def _has_more(file: os.DirEntry[str]) -> bool:
    try:
        return file.stat(follow_symlinks=False).st_size > 0
    except OSError:  # gone meanwhile
        return False


def _taken(path: Path) -> str:
    """What is in a file of reports, which is emptied, not removed.

    Its process keeps it open and writes its next report behind what was there: zero bytes stand in front of that. The
    file is the program's: whatever it has made of it, only a file is read, and no more than reports may have.
    """
    try:
        file = open_regular(path, os.O_RDWR)
    except OSError:
        return ""
    with file:
        text = decoded(_all_of(file).lstrip(b"\0")[:_MOST_BYTES])
        if told_apart(text):  # else it is a warning, or what was written so far of a report
            file.truncate(0)
    return text


def _all_of(file: BinaryIO) -> bytes:
    """What was written: from behind the zero bytes on, which are a hole (lseek(2))."""
    with contextlib.suppress(OSError):  # a file system that knows no holes
        file.seek(0, os.SEEK_DATA)
    return file.read(_MOST_READ)


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
