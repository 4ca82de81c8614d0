"""The file of known failures: TOML that people edit, read with every mistake named."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from gatecrash.config.toml_file import TomlFile, quoted
from gatecrash.errors import UsageError
from gatecrash.language import say
from gatecrash.paths import why_not_writable
from gatecrash.results.baseline import Baseline, KnownFailure
from gatecrash.rulebook import load
from gatecrash.text import safe_text

_KEYS = ("rule", "fingerprint", "reason")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_HEAD = """\
# Known failures: they are reported, and do not fail the gate. Docs: docs/ci.md.
# rule         what is broken
# fingerprint  in which way; without it, in any way
# reason       yours to write
"""


def read_baseline(path: Path) -> Baseline:
    """The known failures of a file. Raises UsageError with file and line for every mistake in it."""
    reading = _Reading(TomlFile(path, lambda reason: _unreadable(path, reason)))
    baseline = reading.baseline()
    reading.file.refuse(reading.mistakes)
    return baseline


def _unreadable(path: Path, reason: str) -> str:
    return say(
        "the baseline {path} cannot be read: {reason}. `gatecrash check TARGET --write-baseline FILE` writes one.",
        path=path,
        reason=reason,
    )


class _Reading:
    """One file's entries, and the mistakes in them."""

    def __init__(self, file: TomlFile) -> None:
        self.file = file
        self.mistakes: list[tuple[int, str]] = []
        self._seen: dict[tuple[str, str | None], int] = {}

    def baseline(self) -> Baseline:
        """The entries that are right."""
        for key in self.file.table:
            if key != "known":
                said = say("{shown} is not known. An entry begins with [[known]].", shown=_shown(key))
                self.mistakes.append((self.file.line_of(key), said))
        rows = self.file.table.get("known", [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            said = say("known must be entries: [[known]], then rule, fingerprint and reason.")
            self.mistakes.append((self.file.line_of("known"), said))
            return Baseline()
        known = [one for number, row in enumerate(rows) if (one := self._entry(number, row)) is not None]
        return Baseline(tuple(sorted(known, key=lambda one: (one.rule, one.fingerprint or ""))))

    def _entry(self, number: int, row: dict[str, Any]) -> KnownFailure | None:
        wrong = [(self._line(number, key), said) for key, value in row.items() if (said := _wrong(key, value))]
        if "rule" not in row:
            wrong.append((self._line(number), say("the entry has no rule; write rule = and an id in quotes.")))
        self.mistakes += wrong
        if wrong:
            return None
        one = KnownFailure(row["rule"].upper(), row.get("fingerprint"), row.get("reason", ""))
        first = self._seen.setdefault((one.rule, one.fingerprint), number)
        if first != number:
            said = say("{rule} is already known from line {where}; keep one.", rule=one.rule, where=self._line(first))
            self.mistakes.append((self._line(number), said))
        return one

    def _line(self, number: int, *key: str) -> int:
        """The line of an entry, or of a key in it."""
        return self.file.line_of("known", str(number), *key)


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
    lines = ["", "[[known]]", f"rule = {quoted(one.rule)}  # {load().get(one.rule).title}"]
    lines += [f"fingerprint = {quoted(one.fingerprint)}"] if one.fingerprint is not None else []
    return "\n".join([*lines, f"reason = {quoted(one.reason)}", ""])
