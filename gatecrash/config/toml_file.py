"""TOML that people write: read with the line of every key, refused with every mistake; and how a value is written."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from gatecrash.errors import UsageError
from gatecrash.language import say

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"""^\s*([\w."'*-]+(?:\s*\.\s*[\w."'*-]+)*)\s*=""")

#: How a key is reached from the top, with the number of the table in an array of tables: ("known", "0", "rule").
Keys = tuple[str, ...]


class TomlFile:
    """A file's `table`, and where in it each key is."""

    def __init__(self, path: Path, unreadable: Callable[[str], str]) -> None:
        """`unreadable`: the sentence for a file that cannot be read, by the reason. Raises UsageError."""
        self._path = path
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(unreadable(_reason(error))) from None
        try:
            self.table: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(
                say("{path} is not TOML: {error}. A line is: key = value, texts in quotes.", path=path, error=error)
            ) from None
        self._lines = _lines(text)

    def line_of(self, *keys: str) -> int:
        """The line of a key, or of the nearest table around it."""
        return next((self._lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in self._lines), 1)

    def refuse(self, mistakes: Iterable[tuple[int, str]]) -> None:
        """Raises UsageError with all mistakes, each a line and a sentence, if there are any."""
        told = [
            say("{path}, line {line}: {said}", path=self._path, line=line, said=said)
            for line, said in sorted(set(mistakes))
        ]
        if told:
            raise UsageError("\n".join(told))


def quoted(value: str | float | bool) -> str:
    """The value as TOML has it; JSON's strings are TOML's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else say("it is not UTF-8 text")


def _lines(text: str) -> dict[Keys, int]:
    """The line of each key. tomllib keeps no positions; a scan for `[table]` and `key =` is enough."""
    found: dict[Keys, int] = {}
    table: Keys = ()
    tables: Counter[Keys] = Counter()
    inside = False  # a multi-line string
    for number, line in enumerate(text.splitlines(), 1):
        if not inside:
            if header := _HEADER.match(line):
                table = _parts(header[2])
                found.setdefault(table, number)
                tables[table] += header[1] == "[["
                table = _numbered(table, tables)
                found.setdefault(table, number)
            elif key := _KEY.match(line):
                path = table + _parts(key[1])
                for length in range(1, len(path) + 1):
                    found.setdefault(path[:length], number)
        inside ^= (line.count('"""') + line.count("'''")) % 2 == 1
    return found


def _numbered(header: Keys, tables: Mapping[Keys, int]) -> Keys:
    """The keys of a header, each array of tables on the way with the number of the last one."""
    path: Keys = ()
    for length, part in enumerate(header, 1):
        path = (*path, part, str(tables[header[:length]] - 1)) if tables[header[:length]] else (*path, part)
    return path


def _parts(dotted: str) -> Keys:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
