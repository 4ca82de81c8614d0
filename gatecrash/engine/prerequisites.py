"""From a rule and a session to a verdict: does the rule apply, can it be seen here, does what it builds on hold?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from gatecrash.engine.judge import judge
from gatecrash.engine.properties import property_of
from gatecrash.engine.session import Session
from gatecrash.errors import TargetError, Unavailable
from gatecrash.instruments import borrowing, clock, gates
from gatecrash.language import stated
from gatecrash.model.scenario import Scenario
from gatecrash.model.verdicts import Finding, Verdict, broken_here, only_files_stay, unproven_here
from gatecrash.protocols import protocol_of
from gatecrash.rulebook import Rule, applicable, load
from gatecrash.target.wire_only import UNSEEN

#: Instruments that only prove a silence: without them a rule is still judged by what comes over the wire. A rule that
#: asks for queues alone judges what the kernel says of them.
_DISPENSABLE = frozenset({"queues", "quiescence"})


@cache
def missing_here() -> dict[str, str]:
    """The instruments this machine refuses although it shows sockets and processes, each with the reason."""
    reasons = {"gates": gates.available(), "borrowed sockets": borrowing.refused(), "clock": clock.available()}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def missing_instruments(unseen: str | None) -> dict[str, str]:
    """The instruments that cannot be used, with the reason. `unseen`: why only the wire is seen (`Session.unseen`)."""
    return missing_here() if unseen is None else dict.fromkeys(UNSEEN, unseen)


def hidden_behind(verdicts: Iterable[Verdict]) -> dict[str, str]:
    """Of each rule whose trial has played its probe, why what builds on it cannot be seen; "" where it can.

    A rule that is broken in another example than its probe hides nothing.
    """
    return {one.rule: one.hides for one in verdicts if one.hides is not None and one.build == "plain"}


class Prerequisites:
    """Remembers for one session which basic rules stand in the way: as their trials said, or each by its probe once."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._broken: dict[str, str | None] = {}

    def learn(self, hidden: Mapping[str, str]) -> None:
        """What trials said (`hidden_behind`): the probes of these rules need not be played again."""
        self._broken.update({rule: reason or None for rule, reason in hidden.items()})

    def broken(self, rule: Rule) -> str | None:
        """Why `rule` cannot be seen: the first prerequisite that does not hold; None when all do."""
        for prerequisite in load().prerequisites(rule, self.session.contract):
            reason = self._probe(prerequisite.id)
            if reason is not None and not (rule.past_files and only_files_stay(reason)):
                return reason
        return None

    def _probe(self, rule: str) -> str | None:
        if rule not in self._broken:
            self._broken[rule] = self._try(rule)
        return self._broken[rule]

    def _try(self, rule: str) -> str | None:
        tried = property_of(rule)
        if tried is None or tried.probe is None:
            return None
        played = protocol_of(self.session.contract).fitted(tried.probe(self.session.contract))
        try:
            finding = self._probed(rule, played)
            if finding is not None and finding.conclusive:  # once is no proof: a trial's failures are seen again, too
                finding = self._probed(rule, played, sure=True)
        except (TargetError, Unavailable) as error:
            return str(error)
        if finding is None:
            return None
        deeper = self.broken(load().get(rule))
        if deeper is not None:  # what the prerequisite builds on is broken, and it is not judged itself
            return deeper
        if finding.conclusive:
            return broken_here(rule, finding)
        return unproven_here(rule, finding)

    def _probed(self, rule: str, scenario: Scenario, *, sure: bool = False) -> Finding | None:
        """What is found broken when the rule's probe is played on a fresh server."""
        return judge(self.session, load().get(rule), scenario, fresh=True, sure=sure).finding


def verdict_without_trying(
    rule: Rule, session: Session, prerequisites: Prerequisites, build: str = "plain"
) -> Verdict | None:
    """The verdict of a rule that need not or cannot be tried; None when it has to be tried."""
    reason = applicable(rule, session.contract)
    if reason is not None:
        return Verdict(rule.id, "not_applicable", reason, build=build)
    missing = missing_instruments(session.unseen)
    dispensable = _DISPENSABLE if session.remote and "quiescence" in rule.instruments else frozenset()
    for instrument in rule.instruments:
        if instrument in missing and instrument not in dispensable:
            lack = missing[instrument]
            if instrument in ("gates", "borrowed sockets", "queues"):
                said = stated("{instrument} are not available here: {lack}", instrument=instrument, lack=lack)
            else:
                said = stated("{instrument} is not available here: {lack}", instrument=instrument, lack=lack)
            return Verdict(rule.id, "not_observable", said, build=build)
    if build == "plain" and "c_source" in rule.applies.needs:
        return Verdict(rule.id, "not_observable", stated("only a build with the sanitizers shows it"), build=build)
    blocked = prerequisites.broken(rule)
    if blocked is not None:
        return Verdict(rule.id, "not_observable", blocked, build=build)
    return None
