"""A rule tried although another one that it builds on is broken: what is seen to be right all the same is kept.

A pass is a claim: this happened in front of us, and was right. That something else is wrong takes nothing from it. So a
rule holds where examples came to the point and every one of them held. A failure claims a cause besides, which may be
the other rule's: nobody is blamed, and what looks broken, is not proven, or never came to the point, stays hidden
behind the other. The first example that looks so ends the trial: where there is nothing to be had, it costs little.

Behind the basic rules nothing is tried: whom nobody serves or answers sees nothing that is right.
"""

from __future__ import annotations

from gatecrash.engine.judge import Example, judge
from gatecrash.engine.profiles import Profile
from gatecrash.engine.properties import Probe
from gatecrash.engine.rule_broken import RuleBroken
from gatecrash.engine.session import Session
from gatecrash.engine.trial import Trial
from gatecrash.engine.wear import MANY
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Scenario
from gatecrash.model.verdicts import Held, NotExercised, Verdict, hidden_by
from gatecrash.protocols import protocol_of
from gatecrash.rulebook import Rule, load


def may_be_seen(hidden: Verdict, contract: Contract) -> bool:
    """Whether a rule that is hidden, as this verdict says, is worth a trial all the same."""
    behind = hidden_by(hidden)
    nothing = {load().overrun, load().limits, *protocol_of(contract).basic_rules}
    return behind is not None and behind not in nothing and hidden.build == "plain"


class MaskedTrial(Trial):
    """Tries one rule behind a broken one: it passes, or stays as hidden as `hidden` says."""

    def __init__(
        self, rule: Rule, session: Session, profile: Profile, hidden: Verdict, *, probe: Probe | None = None
    ) -> None:
        super().__init__(rule, session, profile, probe=probe)
        self.hidden = hidden
        self._doubted = False  # an example looked broken, proved nothing, or showed that something else is broken

    def _probed(self, probe: Scenario) -> RuleBroken | None:
        """Play the first example; what builds on a rule that looks broken is hidden behind the same one as it.

        What builds on a basic rule is so in any case: that the second client was just in time proves it for no other.
        """
        self._example(probe)
        basic = self.rule.id in protocol_of(self.contract).basic_rules
        self.hides = self.hidden.reason if self._doubted or basic else ""
        return None

    def _out_of_time(self) -> bool:
        return self._doubted or super()._out_of_time()

    def _seen(self, scenario: Scenario) -> RuleBroken | None:
        self.seen.examples += 1
        example = self._judge(scenario, fresh=self._fresh)
        if example.finding is not None:  # of a server that others had met, perhaps, or too early
            example = self._judge(scenario, fresh=True, sure=True)
        outlived, self.session.outlived = self.session.outlived, 0
        match example.ruling:
            case Held():
                self.seen.exercised += 1
            case NotExercised() as unseen:
                self.seen.unexercised.append(unseen)
                self._doubted = unseen.unproven
            case _:
                self._doubted = True
        self._doubted = self._doubted or bool(example.others) or outlived > MANY
        return None

    def _judge(self, scenario: Scenario, *, fresh: bool, sure: bool = False) -> Example:
        return judge(self.session, self.rule, scenario, build=self.build, fresh=fresh, sure=sure)

    def _unbroken(self) -> Verdict:
        stopped = self._doubted or self.seen.unstarted or self.seen.broken_off
        if self.seen.exercised and not stopped:
            return self._verdict("pass")
        return self._verdict("not_observable", reason=self.hidden.reason)
