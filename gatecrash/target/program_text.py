"""What of a program's source the advice of the rulebook asks for: its own files, read once, never run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from gatecrash.rulebook import mentioned

if TYPE_CHECKING:
    from gatecrash.target.resolve import Target

_SUFFIXES = frozenset({".c", ".cc", ".cpp", ".cxx", ".h", ".hpp", ".py"})
_MOST_FILES, _MOST_CHARACTERS = 50, 400_000
#: What only a program says that minds being built with the sanitizers.
_OF_SANITIZERS = re.compile(
    r"__(?:asan|ubsan|lsan|sanitizer)_\w+|\b(?:A|UB|L)SAN_OPTIONS\b|\bno_sanitize\w*|__SANITIZE_ADDRESS__|\baddress_sanitizer\b"
)
#: A file beside this one that it takes in: #include "x.h", import x, from x import.
_TAKES_IN = re.compile(r'^[ \t]*(?:#[ \t]*include[ \t]*"([^"\n]+)"|(?:import|from)[ \t]+(\w+))', re.MULTILINE)


def mentions(target: Target, wanted: Iterable[str]) -> tuple[str, ...] | None:
    """Which of the names and pieces of code its program uses; None where its source cannot be told or read."""
    found: set[str] = set()
    files = _files(target)
    for path in files:
        text = _text(path)
        if text is None:
            return None
        found |= mentioned(text, "python" if path.suffix == ".py" else "c", wanted)
    return tuple(sorted(found)) if files else None


def sanitizers_named(target: Target) -> str | None:
    """The first word of its source that tells the sanitizers what to do or to say; None where there is none.

    Their reports would not be theirs alone (sanitizer/asan_interface.h, ASAN_OPTIONS).
    """
    found = (_OF_SANITIZERS.search(_text(path) or "") for path in _files(target))
    return next((one[0] for one in found if one is not None), None)


def _files(target: Target) -> tuple[Path, ...]:
    """The sources, with what they take in of their own folders; a folder's are all those in it."""
    if target.address is not None:
        return ()
    if target.source is not None:
        return _with_taken_in((target.source,))
    if target.folder is not None:
        return tuple(sorted(path for path in target.folder.iterdir() if path.suffix in _SUFFIXES))[:_MOST_FILES]
    return _with_taken_in(_named(target))


def _named(target: Target) -> tuple[Path, ...]:
    """The source that a command names, or the one beside a program that has its name: ./server and server.c."""
    words = [target.cwd / word for word in target.argv if "{" not in word]
    sources = [path for path in words if path.suffix in _SUFFIXES and path.is_file()]
    beside = [path.with_name(f"{path.name}.c") for path in words[:1]]
    return tuple(sources or [path for path in beside if path.is_file()])


def _with_taken_in(files: tuple[Path, ...]) -> tuple[Path, ...]:
    found = dict.fromkeys(files)
    for path in found.copy():
        for header, module in _TAKES_IN.findall(_text(path) or ""):
            other = path.parent / (header or f"{module}.py")
            if other.is_file():
                found.setdefault(other)
    return tuple(found)[:_MOST_FILES]


def _text(path: Path) -> str | None:
    try:
        if path.stat().st_size > 4 * _MOST_CHARACTERS:  # UTF-8 has no longer ones
            return None
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text if len(text) <= _MOST_CHARACTERS else None
