"""What is blamed on how clients behave is tried with clients who do not: what shows there, too, has another cause.

A client may be left unserved because others were rude, because they were many, or because they were there at all. So
before a rule is broken for the first reason, as many polite clients come to a fresh server; and where the one who is
not served was there before all others, the same is played with nobody leaving.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from gatecrash.engine.session import Session
from gatecrash.engine.wear import Worn, worn_by
from gatecrash.errors import TargetError, TooSlow
from gatecrash.language import stated
from gatecrash.model.scenario import Close, Connect, HalfClose, Receive, Reset, Scenario
from gatecrash.model.verdicts import broken_here
from gatecrash.oracles.service import unserved


@dataclass(frozen=True)
class OtherCause:
    """Why a rule is not broken, in a sentence, and what else is, where that is known."""

    reason: str
    broken: Worn | None = None


def other_cause(session: Session, scenario: Scenario) -> OtherCause | None:
    """What shows, without any rudeness, that clients are left unserved as they are in a scenario; None: nothing."""
    worn = worn_by(session, len(scenario.clients))
    if worn is not None:
        return OtherCause(broken_here(worn[0].rule, worn[0]), worn)
    patient = without_leaving(scenario)
    if patient is None:
        return None
    with suppress(TargetError, TooSlow):
        transcript = session.play(patient, fresh=True, sure=True)
        missing = unserved(session.case(transcript), _first(scenario))
        if missing is not None and missing.proven:
            return OtherCause(stated("{got}, and likewise when nobody left", got=missing.got))
    return None


def without_leaving(scenario: Scenario) -> Scenario | None:
    """The scenario with all staying but its first client; None where somebody else asks, who may wait for these.

    An iterative server serves nobody before the one it has is gone: that says nothing of whoever left.
    """
    first = _first(scenario)
    asks = {step.client for step in scenario.steps if isinstance(step, Receive)}
    leaves = [step for step in scenario.steps if isinstance(step, Close | Reset | HalfClose) and step.client != first]
    if asks != {first} or not leaves:
        return None
    return Scenario(tuple(step for step in scenario.steps if step not in leaves))


def _first(scenario: Scenario) -> str:
    return next((step.client for step in scenario.steps if isinstance(step, Connect)), "")
