"""What the last run of a target found, kept in the user's cache: one JSON file a target."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatecrash import __version__
from gatecrash.config.scheme import Scheme
from gatecrash.errors import UsageError
from gatecrash.language import say
from gatecrash.model.prepared import Prepared
from gatecrash.model.scenario import Scenario
from gatecrash.model.verdicts import Verdict
from gatecrash.results.baseline import Baseline
from gatecrash.results.record import JudgedRule, RunRecord
from gatecrash.rulebook import load as rulebook


@dataclass(frozen=True)
class LastRun:
    """A run, and the target and contract it was of (paths are absolute; None: the default)."""

    record: RunRecord
    target: str
    contract: str | None

    def broken(self, rule: str) -> tuple[Scenario, Verdict]:
        """The scenario that broke a rule, and the verdict. Raises UsageError when the rule was not broken."""
        for judgement in self.record.broken:
            if judgement.rule.id == rule and judgement.verdict.scenario is not None:
                return judgement.verdict.scenario, judgement.verdict
        known = ", ".join(j.rule.id for j in self.record.broken) or "none"
        raise UsageError(say("the last run did not break {rule}; it broke {known}.", rule=rule, known=known))


def save(record: RunRecord, target: str, contract: str | None) -> None:
    """Keep a run. A cache that cannot be written is no reason to fail."""
    row = {
        "gatecrash": __version__,
        "target": target,
        "contract": contract,
        "prepared": record.prepared.to_json(),
        "missing": dict(record.missing),
        "strict": record.strict,
        "baseline": None if record.baseline is None else record.baseline.to_json(),
        "grading": None if record.grading is None else record.grading.to_json(),
        "verdicts": [judgement.verdict.to_json() for judgement in record.judgements],
        **{name: getattr(record, name) for name in ("seconds", "profile", "fault", "interrupted", "named")},
    }
    try:
        _folder().mkdir(parents=True, exist_ok=True)
        for path in (_file(target), _folder() / "last.json"):
            scratch = path.with_suffix(f".{os.getpid()}")
            scratch.write_text(json.dumps(row))
            scratch.replace(path)
    except OSError:
        return


def load(target: str | None) -> LastRun:
    """What was saved for a target (None: the last one judged). Raises UsageError when there is nothing."""
    path = _file(target) if target is not None else _folder() / "last.json"
    try:
        row: dict[str, Any] = json.loads(path.read_text())
        if row["gatecrash"] != __version__:
            raise ValueError(row["gatecrash"])
        return LastRun(_record(row), row["target"], row["contract"])
    except (OSError, ValueError, KeyError, TypeError):
        what = target if target is not None else say("any target")
        raise UsageError(say("no run of {what} is remembered; run `gatecrash check` on it first.", what=what)) from None


def _record(row: dict[str, Any]) -> RunRecord:
    verdicts = [Verdict.from_json(one) for one in row["verdicts"]]
    return RunRecord(
        target=row["prepared"]["name"],
        prepared=Prepared.from_json(row["prepared"]),
        missing=row["missing"],
        judgements=tuple(JudgedRule(rulebook().get(one.rule), one) for one in verdicts),
        strict=row.get("strict", False),
        baseline=None if row.get("baseline") is None else Baseline.from_json(row["baseline"]),
        grading=None if row.get("grading") is None else Scheme.from_json(row["grading"]),
        **{name: row[name] for name in ("seconds", "profile", "fault", "interrupted", "named")},
    )


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "gatecrash"


def _file(target: str) -> Path:
    key = hashlib.sha256(os.fsencode(target)).hexdigest()[:16]
    return _folder() / f"{key}.json"
