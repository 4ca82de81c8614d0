"""What the last run of a target found, kept so that it can be replayed: one JSON file a target in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from gatecrash.errors import UsageError
from gatecrash.record import RunRecord
from gatecrash.scenario import Scenario


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "gatecrash"


def _file(target: str | None) -> Path:
    key = hashlib.sha256(os.fsencode(str(target))).hexdigest()[:16]
    return _folder() / f"{key}.json"


def save(record: RunRecord, target: str | None, contract: str | None) -> None:
    """Keep the broken rules' scenarios. A cache that cannot be written is no reason to fail."""
    broken = {
        j.rule.id: {"scenario": j.verdict.scenario.to_json(), "build": j.verdict.build}
        for j in record.broken
        if j.verdict.scenario is not None
    }
    row = {"target": target, "contract": contract, "broken": broken}
    try:
        _folder().mkdir(parents=True, exist_ok=True)
        for path in (_file(target), _folder() / "last.json"):
            scratch = path.with_suffix(f".{os.getpid()}")
            scratch.write_text(json.dumps(row))
            scratch.replace(path)
    except OSError:
        return


def load(target: str | None) -> dict[str, object]:
    """What was saved for a target (None: the last one judged). Raises UsageError when there is nothing."""
    path = _file(target) if target is not None else _folder() / "last.json"
    try:
        row: dict[str, object] = json.loads(path.read_text())
    except (OSError, ValueError):
        what = target if target is not None else "any target"
        raise UsageError(f"no run of {what} is remembered; run `gatecrash check` on it first.") from None
    return row


def scenario_of(row: dict[str, object], rule: str) -> tuple[Scenario, str]:
    """The scenario that broke a rule and the build it was played on. Raises UsageError when the rule held."""
    broken = row["broken"]
    assert isinstance(broken, dict)
    if rule not in broken:
        known = ", ".join(broken) or "none"
        raise UsageError(f"the last run did not break {rule}; it broke {known}.")
    return Scenario.from_json(broken[rule]["scenario"]), str(broken[rule]["build"])
