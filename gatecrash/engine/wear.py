"""A suspicion that a server wears out: one that has met many clients serves nobody more, and a fresh one does.

What others did before is never blamed on one scenario. But that a server stopped in front of us is not forgotten
either: a fresh one is visited by a larger crowd of polite clients than the worn one has met, and where that shows it,
the rule about many clients is broken. Where it does not, the rule that was being tried cannot be said to hold.
"""

from __future__ import annotations

from gatecrash.engine.judge import judge
from gatecrash.engine.prerequisites import Prerequisites, verdict_without_trying
from gatecrash.engine.session import Session
from gatecrash.errors import TargetError
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Scenario, scenario
from gatecrash.model.transcript import Transcript
from gatecrash.model.verdicts import Finding
from gatecrash.oracles.service import unserved
from gatecrash.protocols import visit
from gatecrash.rulebook import load

#: Clients: of fewer the rule's own property tells.
MANY = 100
_MOST = 500  # in a crowd: each takes its time
_ONE_MORE = "Z"

Worn = tuple[Finding, Scenario, Transcript]


def stopped_serving(session: Session, transcript: Transcript) -> bool:
    """Whether the server that this was played on has ended, or leaves a polite client without its answer for certain.

    A server that still serves was only met at a bad moment: what others left behind in it has not harmed it.
    """
    if transcript.server_ended is not None or (session.running is not None and not session.running.serving()):
        return True
    visited = session.play_on_running(scenario(visit(_ONE_MORE, session.contract)))
    if visited is None:
        return False
    session.plain.learn_short(visited)
    missing = unserved(session.case(visited), _ONE_MORE)
    return missing is not None and missing.proven


def worn_by_clients(session: Session, met: int) -> Worn | None:
    """What a fresh server shows when twice as many clients come as a worn one has `met`; asked for twice a session.

    None: every one of them was served, or the rule about many clients does not apply or cannot be seen.
    """
    if session.worn is None and session.wear_patience:
        session.wear_patience -= 1
        session.worn = worn_by(session, min(max(2 * met, MANY), _MOST))
    return session.worn


def worn_by(session: Session, count: int) -> Worn | None:
    """As `worn_by_clients`, of so many clients exactly."""
    rule = load().get(load().endurance)
    if verdict_without_trying(rule, session, Prerequisites(session)) is not None:
        return None
    crowd = _crowd(session.contract, count)
    try:
        example = judge(session, rule, crowd, fresh=True, sure=True)
    except TargetError:  # it was too slow for so many, or did not start
        return None
    finding = example.finding
    return (finding, crowd, example.transcript) if finding is not None and finding.conclusive else None


def _crowd(contract: Contract, count: int) -> Scenario:
    return scenario(*(visit(f"C{number}", contract) for number in range(1, count + 1)))
