"""From a rule and a session to a verdict: does the rule apply, can it be seen here, does what it builds on hold?"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from gatecrash.engine.judge import judge
from gatecrash.engine.probes import probe_of
from gatecrash.engine.session import Session
from gatecrash.errors import TargetError, Unavailable
from gatecrash.instruments import borrowing, gates
from gatecrash.language import stated
from gatecrash.model.scenario import Scenario
from gatecrash.model.verdicts import Finding, Verdict
from gatecrash.protocols import protocol_of
from gatecrash.rulebook import Rule, applicable, load
from gatecrash.target.wire_only import UNSEEN

#: Instruments that only prove a silence: without them a rule is still judged by what comes over the wire. A rule that
#: asks for queues alone judges what the kernel says of them.
_DISPENSABLE = frozenset({"queues", "quiescence"})


@cache
def missing_here() -> dict[str, str]:
    """The instruments this machine refuses although it shows sockets and processes, each with the reason."""
    reasons = {"gates": gates.available(), "borrowed sockets": borrowing.refused()}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def missing_instruments(unseen: str | None) -> dict[str, str]:
    """The instruments that cannot be used, with the reason. `unseen`: why only the wire is seen (`Session.unseen`)."""
    return missing_here() if unseen is None else dict.fromkeys(UNSEEN, unseen)


def holding(verdicts: Iterable[Verdict], rule: str) -> bool:
    """Whether `rule` was tried on the plain build, and holds: what builds on it can be seen.

    One that was found broken may be so in a way that hides nothing: its probe says whether it stands in the way.
    """
    own = [verdict.outcome for verdict in verdicts if verdict.rule == rule and verdict.build == "plain"]
    return bool(own) and set(own) == {"pass"}


class Prerequisites:
    """Remembers for one session which basic rules hold, each tried once by its probe."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._broken: dict[str, str | None] = {}

    def hold(self, rules: Iterable[str]) -> None:
        """These rules were tried and hold: no probe is needed."""
        self._broken.update(dict.fromkeys(rules))

    def broken(self, rule: Rule) -> str | None:
        """Why `rule` cannot be seen: the first prerequisite that does not hold; None when all do."""
        for prerequisite in load().prerequisites(rule, self.session.contract):
            reason = self._probe(prerequisite.id)
            if reason is not None:
                return reason
        return None

    def _probe(self, rule: str) -> str | None:
        if rule not in self._broken:
            self._broken[rule] = self._try(rule)
        return self._broken[rule]

    def _try(self, rule: str) -> str | None:
        build = probe_of(rule)
        if build is None:
            return None
        played = protocol_of(self.session.contract).fitted(build(self.session.contract))
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
            return stated("{rule} is broken ({got}), so this cannot be seen", rule=rule, got=finding.got)
        return stated("{rule} could not be proven here ({got}), so this cannot be seen", rule=rule, got=finding.got)

    def _probed(self, rule: str, played: Scenario, *, sure: bool = False) -> Finding | None:
        """What is found broken when the rule's probe is played on a fresh server."""
        return judge(self.session, load().get(rule), played, fresh=True, sure=sure).finding


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
