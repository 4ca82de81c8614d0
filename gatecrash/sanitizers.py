"""Reports of AddressSanitizer and UndefinedBehaviorSanitizer: asked for by environment, read from files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gatecrash.text import safe_text
from gatecrash.transcript import SanitizerReport

_PREFIX = "report"
_LONGEST = 6000


def sanitizer_environment(folder: Path) -> dict[str, str]:
    """The environment that makes a sanitized build write its reports into `folder`, and go on as a plain one would.

    Leaks are not reported: what a program still holds when it ends is no mistake, and LeakSanitizer stops the world.
    """
    log = folder / _PREFIX
    return {
        "ASAN_OPTIONS": f"log_path={log}:detect_leaks=0:allocator_may_return_null=1:handle_abort=0",
        "UBSAN_OPTIONS": f"log_path={log}:print_stacktrace=1",
        "GATECRASH_REPORTS": str(folder),
    }


def new_reports(environment: Mapping[str, str], step: int) -> list[SanitizerReport]:
    """The reports written since the last call.

    Each is read once and the file emptied, not removed: its process keeps it open and writes the next one behind
    what was there, which leaves a hole of zero bytes in front.
    """
    folder = environment.get("GATECRASH_REPORTS")
    if folder is None:
        return []
    reports = []
    for path in sorted(Path(folder).glob(f"{_PREFIX}.*")):
        try:
            written = path.read_bytes()
            if written:
                os.truncate(path, 0)
        except OSError:
            continue
        text = safe_text(written.lstrip(b"\0").decode("utf-8", "replace"))[:_LONGEST]
        if text.strip():
            reports.append(SanitizerReport(step, "address" if "AddressSanitizer" in text else "undefined", text))
    return reports
