"""Where suites, strategies and servers are: the checkout, or the copy that a wheel carries."""

from __future__ import annotations

from pathlib import Path


def tree_root() -> Path:
    """The folder that holds suites/, strategies/ and servers/."""
    here = Path(__file__).resolve().parent
    bundled = here / "_bundle"
    return bundled if bundled.is_dir() else here.parent
