"""What the last run of a target, and of a folder, found, kept in the user's cache: one JSON file each."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatecrash import __version__
from gatecrash.errors import UsageError
from gatecrash.language import say
from gatecrash.model.scenario import Scenario
from gatecrash.model.verdicts import Verdict
from gatecrash.results.record import RunRecord
from gatecrash.results.saved_record import from_row, to_row

_ADDRESS = re.compile(r"[^\s/]+:\d+")


@dataclass(frozen=True)
class LastRun:
    """A run, and the target and contract it was of (paths are absolute; None: the default)."""

    record: RunRecord
    target: str
    contract: str | None
    folder: str = ""  # where it was judged
    when: float = 0.0  # seconds since 1970

    @property
    def name(self) -> str:
        """The target as its user named it."""
        return self.record.named or self.record.target

    def told(self) -> str:
        """Which run this is, for those who did not say which one they want."""
        return say("The run of {name}, {when}:", name=self.name, when=time.strftime("%H:%M", time.localtime(self.when)))

    def broken(self, rule: str) -> tuple[Scenario, Verdict]:
        """The scenario that broke a rule, and the verdict. Raises UsageError when the rule was not broken."""
        for judgement in self.record.broken:
            if judgement.rule.id == rule and judgement.verdict.scenario is not None:
                return judgement.verdict.scenario, judgement.verdict
        known = ", ".join(j.rule.id for j in self.record.broken) or "none"
        raise UsageError(say("the last run did not break {rule}; it broke {known}.", rule=rule, known=known))


def save(record: RunRecord, target: str, contract: str | None) -> None:
    """Keep a run, for its target and as its folder's last. A cache that cannot be written is no reason to fail."""
    folder = os.getcwd()
    row = {
        "folder": folder,
        "when": time.time(),
        "gatecrash": __version__,
        "target": target,
        "contract": contract,
        **to_row(record),
    }
    try:
        _folder().mkdir(parents=True, exist_ok=True)
        for path in (_file(target), _last_of(folder), _folder() / "last.json"):
            scratch = path.with_suffix(f".{os.getpid()}")
            scratch.write_text(json.dumps(row))
            scratch.replace(path)
    except OSError:
        return


def load(target: str | None) -> LastRun:
    """What was saved for a target (None: the last one judged in this folder). Raises UsageError where nothing was."""
    found = _read(_file(target) if target is not None else _last_of(os.getcwd()))
    if found is not None:
        return found
    if target is not None:
        raise UsageError(say("no run of {what} is remembered; run `gatecrash check` on it first.", what=target))
    elsewhere = _read(_folder() / "last.json")
    if elsewhere is None:
        raise UsageError(say("no run of any target is remembered; run `gatecrash check` on one first."))
    raise UsageError(
        say(
            "no run in this folder is remembered. The last one was of {name}, in {folder}: go there, or name a target.",
            name=elsewhere.name,
            folder=elsewhere.folder,
        )
    )


def _read(path: Path) -> LastRun | None:
    """What is in a file of ours; None where there is none that this version has written."""
    try:
        row: dict[str, Any] = json.loads(path.read_text())
        if row["gatecrash"] != __version__:
            return None
        return LastRun(from_row(row), row["target"], row["contract"], row["folder"], row["when"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "gatecrash"


def _file(target: str) -> Path:
    """A command means another server in each folder; a path that was made absolute, and an address, do not."""
    everywhere = os.path.isabs(target) or _ADDRESS.fullmatch(target)
    return _folder() / f"{_key(target if everywhere else f'{os.getcwd()}:{target}')}.json"


def _last_of(folder: str) -> Path:
    return _folder() / f"in-{_key(folder)}.json"


def _key(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:16]
