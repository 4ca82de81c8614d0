"""Folders and files: where suites, strategies and servers are, and what can be written."""

from __future__ import annotations

import os
from pathlib import Path

from gatecrash.language import say


def tree_root() -> Path:
    """The folder that holds suites/, strategies/ and servers/."""
    here = Path(__file__).resolve().parent
    bundled = here / "_bundle"
    return bundled if bundled.is_dir() else here.parent


def why_not_writable(path: Path) -> str | None:
    """Why a file cannot be written; None when it can."""
    if path.is_dir():
        return say("it is a folder; name a file in it")
    if not path.parent.is_dir():
        return say("there is no folder {parent}", parent=path.parent)
    if path.exists() and not os.access(path, os.W_OK):
        return say("its permissions forbid it")
    if not path.exists() and not os.access(path.parent, os.W_OK):
        return say("the permissions of the folder {parent} forbid it", parent=path.parent)
    return None
