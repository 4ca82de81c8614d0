"""Records made by hand for everything that grades: no server runs for them."""

from __future__ import annotations

from collections.abc import Mapping

from gatecrash.config.scheme import Scheme
from gatecrash.model.contract import Contract
from gatecrash.model.prepared import Prepared
from gatecrash.model.scenario import Scenario
from gatecrash.model.verdicts import Finding, Outcome, Verdict, broken_here
from gatecrash.results.record import JudgedRule, RunRecord
from gatecrash.rulebook import load

#: What a hostile server may say: escapes of a terminal, HTML, the end of a script, bidi marks, NUL, half a surrogate.
HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07<img src=x onerror=alert(1)></script>\u202egnp.exe\u2066\x00\ud800"
    "]]>::error::%0A\"\\'`$(id)"
)


def verdict(rule: str, outcome: Outcome, reason: str = "", said: str = "nothing") -> Verdict:
    """A verdict; a failure has its finding."""
    if outcome != "fail":
        return Verdict(rule, outcome, reason)
    finding = Finding(rule, "an answer", said, (f"process 7 said {said}", "blocked in accept"))
    return Verdict(rule, "fail", reason, finding, Scenario(()), confirmed=(3, 3))


def record(
    outcomes: Mapping[str, Outcome],
    *,
    grading: Scheme | None = None,
    said: str = "nothing",
    error: str | None = None,
    fault: str | None = None,
    interrupted: bool = False,
    missing: Mapping[str, str] | None = None,
    behind: Mapping[str, str] | None = None,
) -> RunRecord:
    """A run with these verdicts, in the rulebook's order; `behind`: of rules not to be seen the one that hides them."""
    hidden = {rule: broken_here(cause, None) for rule, cause in (behind or {}).items()}
    judged = tuple(
        JudgedRule(rule, verdict(rule.id, outcomes[rule.id], hidden.get(rule.id, "for a reason"), said))
        for rule in load().rules
        if rule.id in outcomes
    )
    prepared = Prepared("server.c", Contract(protocol="http", concurrency="fork"), {}, error=error)
    return RunRecord(
        "server.c", prepared, missing or {}, judged, 2.5, "quick", fault, interrupted, "server.c", grading=grading
    )


def every(outcome: Outcome, **changed: Outcome) -> dict[str, Outcome]:
    """Every rule with one verdict, but for those named (ACC_01=...)."""
    return {rule.id: outcome for rule in load().rules} | {id.replace("_", "-"): one for id, one in changed.items()}
