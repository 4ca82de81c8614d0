"""Known failures: what a gate lets pass because it is written down, and what of it holds again. Pure decisions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gatecrash.model.verdicts import Verdict

#: What differs from run to run in a sentence: numbers, quoted bytes, a client's letter.
_CHANGING = re.compile(r'"(?:[^"\\]|\\.)*"|\b(?:0x)?[0-9]+\w*|\b[A-Z]{1,2}(?=\b|\'s\b)')
_DIGITS = 16
_MOST = 1000  # characters that count


def fingerprint(verdict: Verdict) -> str:
    """Sixteen hexadecimal digits for the way in which a rule is broken.

    They are of the rule and of what was expected, without numbers, bytes and clients' names: the same whenever the
    same demand of the rule is not met, wherever its source has moved to and whichever client showed it.
    """
    expected = "" if verdict.finding is None else _CHANGING.sub("_", verdict.finding.expected[:_MOST])
    said = f"{verdict.rule}\0{' '.join(expected.split())}"
    return hashlib.sha256(said.encode("utf-8", "backslashreplace")).hexdigest()[:_DIGITS]


@dataclass(frozen=True, order=True)
class KnownFailure:
    """One known failure. Without a fingerprint it stands for every way in which the rule can be broken."""

    rule: str
    fingerprint: str | None = None
    reason: str = ""

    def covers(self, verdict: Verdict) -> bool:
        """Whether this failure is the known one."""
        same_rule = verdict.outcome == "fail" and verdict.rule == self.rule
        return same_rule and self.fingerprint in (None, fingerprint(verdict))

    def to_json(self) -> dict[str, str | None]:
        """Plain values."""
        return {"rule": self.rule, "fingerprint": self.fingerprint, "reason": self.reason}


@dataclass(frozen=True)
class Baseline:
    """The known failures of a target."""

    known: tuple[KnownFailure, ...] = ()

    def to_json(self) -> list[dict[str, str | None]]:
        """Plain values."""
        return [one.to_json() for one in self.known]

    @classmethod
    def from_json(cls, rows: Iterable[Mapping[str, Any]]) -> Baseline:
        """What `to_json` wrote."""
        return cls(tuple(KnownFailure(**row) for row in rows))

    def excuse(self, verdict: Verdict) -> KnownFailure | None:
        """The entry that makes this failure a known one; None when it is new, or no failure."""
        return next((one for one in self.known if one.covers(verdict)), None)

    def fixed(self, verdicts: Iterable[Verdict]) -> tuple[KnownFailure, ...]:
        """The entries whose rule was seen to hold: they must be removed. What was not judged is not fixed."""
        held = {verdict.rule for verdict in verdicts if verdict.outcome == "pass"}
        return tuple(one for one in self.known if one.rule in held)

    def renewed(self, verdicts: Iterable[Verdict]) -> Baseline:
        """The baseline after these verdicts: their failures, the reasons kept, and what was not judged as it was."""
        judged = {verdict.rule: verdict for verdict in verdicts}
        kept = [one for one in self.known if _still_unknown(judged.get(one.rule))]
        broken = [verdict for verdict in judged.values() if verdict.outcome == "fail"]
        return Baseline(tuple(sorted({*kept, *(self.excuse(one) or _entry(one) for one in broken)}, key=_place)))


def _entry(verdict: Verdict) -> KnownFailure:
    return KnownFailure(verdict.rule, fingerprint(verdict))


def _still_unknown(verdict: Verdict | None) -> bool:
    return verdict is None or verdict.outcome in ("not_observable", "inconclusive")


def _place(one: KnownFailure) -> tuple[str, str]:
    return one.rule, one.fingerprint or ""


def by_rule(baseline: Baseline, verdicts: Iterable[Verdict]) -> Mapping[str, KnownFailure]:
    """The excused failures: each rule's entry."""
    return {verdict.rule: one for verdict in verdicts if (one := baseline.excuse(verdict)) is not None}
