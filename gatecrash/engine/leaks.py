"""A suspicion of the watch looked into: the last scenario is played many times over on a fresh server.

What one scenario leaves behind each time, after 4 times and after 8, is broken whatever rule was being tried.
"""

from __future__ import annotations

from collections.abc import Iterator

from gatecrash.engine.judge import judge
from gatecrash.engine.prerequisites import Prerequisites, verdict_without_trying
from gatecrash.engine.session import Session
from gatecrash.engine.shrinking import alone
from gatecrash.model import labels
from gatecrash.model.scenario import (
    Close,
    LetTimePass,
    LimitDescriptors,
    Reset,
    Restart,
    Scenario,
    Settle,
    Signal,
    StartOnTakenPort,
    StartOnTerminal,
    StartSecond,
    played_by,
    scenario,
)
from gatecrash.model.transcript import Transcript
from gatecrash.model.verdicts import Case, Finding
from gatecrash.oracles.service import askers, first_unserved
from gatecrash.protocols import protocol_of
from gatecrash.rulebook import Rule, load

_ROUNDS = 4
#: After these the server is another one, or may well hold what it could not finish; what its own time limits leave
#: behind is another rule's affair.
_DISTURBING = (LetTimePass, LimitDescriptors, Restart, Signal, StartOnTakenPort, StartOnTerminal, StartSecond)

Leak = tuple[Finding, Scenario, Transcript]


def leaks_of(session: Session, transcript: Transcript) -> Iterator[Leak]:
    """What the scenario just played leaves behind each time, each rule that it breaks only once a session."""
    if not session.leak_watch.suspects(session.running):
        return
    try:
        yield from _looked_into(session, transcript)
    finally:
        session.drop()  # what has piled up would slow every later look


def _looked_into(session: Session, transcript: Transcript) -> Iterator[Leak]:
    played = transcript.scenario
    if played.traps or any(isinstance(step, _DISTURBING) for step in played.steps) or not session.leak_watch.patience:
        return
    session.leak_watch.patience -= 1
    clients = "polite" if _polite(session.case(transcript)) else "rude"
    muted = session.leak_watch.muted
    rules = [rule for rule in load().rules if clients in rule.leaks_after and rule.id not in muted]
    for rule in rules:
        if verdict_without_trying(rule, session, Prerequisites(session)) is None:
            yield from _leaked(session, rule, played, polite=clients == "polite")


def _leaked(session: Session, rule: Rule, played: Scenario, *, polite: bool) -> Iterator[Leak]:
    """What shows that the rule is broken: what one of the clients leaves behind alone, else what all of them do."""
    for asked in (*_one_of(played), played):
        leak = _confirmed(session, many_times(asked), rule)
        if leak is not None and (asked is played or _polite(session.case(leak[2])) == polite):
            session.leak_watch.muted.add(rule.id)
            yield leak
            return


def _one_of(played: Scenario) -> Iterator[Scenario]:
    if len(played.clients) > 1:
        yield alone(played, played.clients[0])


def _polite(case: Case) -> bool:
    """Whether every client asked for what it was given, waited for its answer, got it, and left in an orderly way."""
    transcript, protocol = case.transcript, protocol_of(case.contract)
    played = transcript.scenario
    if any(isinstance(step, Reset) for step in played.steps) or set(askers(case)) != set(played.clients):
        return False
    if any(protocol.refuses(transcript.sent.get(name, b""), transcript.received(name)) for name in played.clients):
        return False
    return first_unserved(case, played.clients) is None


def many_times(played: Scenario) -> Scenario:
    """The scenario `_ROUNDS` times, a look, as often again, and a look; each round has clients of its own."""
    gone = {step.client for step in played.steps if isinstance(step, Close | Reset)}
    steps = (*played.steps, *(Close(name) for name in played.clients if name not in gone))
    rounds = [
        tuple(played_by(f"{getattr(step, 'client', '')}{number}", step) for step in steps)
        for number in range(1, 2 * _ROUNDS + 1)
    ]
    once, twice = (Settle(labels.FIRST_CROWD), Settle(labels.ONCE)), (Settle(labels.SECOND_CROWD), Settle(labels.TWICE))
    return scenario(*rounds[:_ROUNDS], once, *rounds[_ROUNDS:], twice)


def _confirmed(session: Session, scenario: Scenario, rule: Rule) -> Leak | None:
    """What this rule finds broken when the scenario is played on a fresh server."""
    example = judge(session, rule, scenario, fresh=True)
    if example.finding is not None and session.has_limits:  # of its own: it may see to that in a while
        example = judge(session, rule, scenario, fresh=True, sure=True)
    if example.finding is None or not example.finding.conclusive:
        return None
    return example.finding, scenario, example.transcript
