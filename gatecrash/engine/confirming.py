"""A failure is seen again before anybody is blamed: on fresh servers, and in real time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from gatecrash.engine.judge import Example, judge
from gatecrash.engine.session import Session
from gatecrash.errors import TargetError, TooSlow
from gatecrash.model.scenario import Scenario
from gatecrash.model.verdicts import Finding, Held
from gatecrash.rulebook import Rule

_REAL_TRIES = 2  # what depends on luck, too, has a second chance to show


def replayed(play: Callable[[], Example], rule: str, times: int) -> int:
    """How often the rule was broken in `times` plays on fresh servers. What proves nothing is played once more."""
    shown = told = tried = 0
    while told < times and (tried := tried + 1) <= 2 * times:
        with suppress(TargetError, TooSlow):
            ruling = play().ruling
            proof = ruling if isinstance(ruling, Finding) and ruling.conclusive else None
            told += proof is not None or isinstance(ruling, Held)
            shown += proof is not None and proof.rule == rule
    return shown


def shows_in_real_time(session: Session, rule: Rule, scenario: Scenario, build: str, skipped: float) -> bool | None:
    """Whether the rule is broken, as far as patience can tell, when nothing of the server's time is skipped.

    None: nobody knows. It took too long, or did not come to the point: who was to be seen there had gone by then.
    """
    held = False
    for _ in range(_REAL_TRIES):
        with suppress(TargetError, TooSlow):
            played = judge(session, rule, scenario, build=build, fresh=True, sure=True, real=skipped)
            if played.finding is not None and played.finding.rule == rule.id:
                return True
            held = held or isinstance(played.ruling, Held)
    return False if held else None
