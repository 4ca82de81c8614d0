"""The file of known failures: TOML that people edit, read with every mistake named."""

from __future__ import annotations

import json
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from gatecrash.errors import UsageError
from gatecrash.language import say
from gatecrash.paths import why_not_writable
from gatecrash.results.baseline import Baseline, KnownFailure
from gatecrash.rulebook import load
from gatecrash.text import safe_text

_KEYS = ("rule", "fingerprint", "reason")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_ENTRY = re.compile(r"\s*\[\[\s*known\s*\]\]")
_KEY = re.compile(r"""\s*["']?([\w-]+)["']?\s*=""")
_HEAD = """\
# Known failures: they are reported, and do not fail the gate. Docs: docs/ci.md.
# rule         what is broken
# fingerprint  in which way; without it, in any way
# reason       yours to write
"""


def read_baseline(path: Path) -> Baseline:
    """The known failures of a file. Raises UsageError with file and line for every mistake in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else say("it is not UTF-8 text")
        raise UsageError(
            say(
                "the baseline {path} cannot be read: {reason}. `gatecrash check TARGET --write-baseline FILE` "
                "writes one.",
                path=path,
                reason=reason,
            )
        ) from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            say("{path} is not TOML: {error}. A line is: key = value, texts in quotes.", path=path, error=error)
        ) from None
    reading = _Reading(text)
    baseline = reading.baseline(table)
    if reading.mistakes:
        raise UsageError(
            "\n".join(
                say("{path}, line {line}: {said}", path=path, line=line, said=said)
                for line, said in sorted(reading.mistakes)
            )
        )
    return baseline


class _Reading:
    """One file's entries, and the mistakes in them."""

    def __init__(self, text: str) -> None:
        self.mistakes: list[tuple[int, str]] = []
        self._seen: dict[tuple[str, str | None], int] = {}
        self._lines = text.splitlines()
        self._starts = [number for number, line in enumerate(self._lines, 1) if _ENTRY.match(line)]

    def baseline(self, table: dict[str, Any]) -> Baseline:
        """The entries that are right."""
        for key in table:
            if key != "known":
                line = next((n for n, one in enumerate(self._lines, 1) if key in one), 1)
                self.mistakes.append(
                    (line, say("{shown} is not known. An entry begins with [[known]].", shown=_shown(key)))
                )
        rows = table.get("known", [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            self.mistakes.append((1, say("known must be entries: [[known]], then rule, fingerprint and reason.")))
            return Baseline()
        known = [one for number, row in enumerate(rows) if (one := self._entry(number, row)) is not None]
        return Baseline(tuple(sorted(known, key=lambda one: (one.rule, one.fingerprint or ""))))

    def _entry(self, number: int, row: dict[str, Any]) -> KnownFailure | None:
        before = len(self.mistakes)
        for key, value in row.items():
            wrong = _wrong(key, value)
            if wrong is not None:
                self.mistakes.append((self._line(number, key), wrong))
        if "rule" not in row:
            self.mistakes.append((self._line(number), say("the entry has no rule; write rule = and an id in quotes.")))
        if len(self.mistakes) > before:
            return None
        one = KnownFailure(row["rule"].upper(), row.get("fingerprint"), row.get("reason", ""))
        self._only_once(number, one)
        return one

    def _only_once(self, number: int, one: KnownFailure) -> None:
        same = (one.rule, one.fingerprint)
        first = self._seen.setdefault(same, number)
        if first != number:
            where = self._line(first)
            self.mistakes.append(
                (
                    self._line(number),
                    say("{rule} is already known from line {where}; keep one.", rule=one.rule, where=where),
                )
            )

    def _line(self, number: int, key: str | None = None) -> int:
        """The line of an entry, or of a key in it."""
        if number >= len(self._starts):  # written as one inline table
            return 1
        start = self._starts[number]
        end = self._starts[number + 1] - 1 if number + 1 < len(self._starts) else len(self._lines)
        for line in range(start, end):
            found = _KEY.match(self._lines[line])
            if found and found[1] == key:
                return line + 1
        return start


def _wrong(key: str, value: object) -> str | None:
    """What is wrong with one line of an entry."""
    if key not in _KEYS:
        near = get_close_matches(key, _KEYS, n=1, cutoff=0.5)
        hint = say(" Did you mean {near}?", near=near[0]) if near else ""
        return say(
            "{shown} is not known in [[known]].{hint} Known are {names}.",
            shown=_shown(key),
            hint=hint,
            names=", ".join(_KEYS),
        )
    if not isinstance(value, str):
        return say("{key} = {shown}; it must be a text in quotes.", key=key, shown=_shown(value))
    if key == "fingerprint" and not _FINGERPRINT.fullmatch(value):
        return say(
            "fingerprint = {shown}; it must be 16 hexadecimal digits, as --write-baseline writes them.",
            shown=_shown(value),
        )
    if key == "rule":
        try:
            load().get(value)
        except UsageError as error:
            return str(error)
    return None


def _shown(value: object) -> str:
    return safe_text(json.dumps(value, ensure_ascii=False, default=str))[:80]


def to_be_written(path: Path) -> Baseline:
    """What a baseline file holds that is to be written anew; empty when there is none yet.

    Raises UsageError when it could not be written, and for a file that is there and is no baseline.
    """
    reason = why_not_writable(path)
    if reason is not None:
        raise UsageError(say("--write-baseline {path}: it cannot be written: {reason}.", path=path, reason=reason))
    return read_baseline(path) if path.exists() else Baseline()


def written(baseline: Baseline) -> str:
    """The text of the file: an entry a failure, sorted, the rules' titles beside them."""
    return _HEAD + "".join(map(_entry_text, baseline.known))


def _entry_text(one: KnownFailure) -> str:
    lines = ["", "[[known]]", f"rule = {_quoted(one.rule)}  # {load().get(one.rule).title}"]
    lines += [f"fingerprint = {_quoted(one.fingerprint)}"] if one.fingerprint is not None else []
    return "\n".join([*lines, f"reason = {_quoted(one.reason)}", ""])


def _quoted(value: str) -> str:
    """The value as TOML has it; JSON's strings are TOML's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
