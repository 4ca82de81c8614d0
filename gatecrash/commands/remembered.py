"""The run that a command is about: the last of a target, or of this folder."""

from __future__ import annotations

import sys

from gatecrash.commands import absolute
from gatecrash.results import last_run
from gatecrash.results.last_run import LastRun
from gatecrash.text import safe_text


def remembered(target: str | None) -> LastRun:
    """The last run of a target; without one the last of this folder, and it is said which. Raises UsageError."""
    saved = last_run.load(absolute(target))
    if target is None:
        print(safe_text(saved.told()), file=sys.stderr)
    return saved
