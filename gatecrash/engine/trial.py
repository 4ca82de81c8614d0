"""One rule tried on one target: Hypothesis makes the scenarios, the player plays them, the oracle judges.

A failure seen on a server that has served before is replayed on a fresh one at once, and only counts when it shows
there too: what others did before is never blamed on this scenario. Shrinking has a budget of seconds of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from zlib import crc32

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from gatecrash.engine.chance import draw_from_no_source
from gatecrash.engine.confirming import replayed, shows_in_real_time
from gatecrash.engine.control import other_cause
from gatecrash.engine.judge import Example, judge
from gatecrash.engine.leaks import leaks_of
from gatecrash.engine.profiles import Profile
from gatecrash.engine.properties import Probe
from gatecrash.engine.rule_broken import RuleBroken, size_of, weight
from gatecrash.engine.seen import Seen, unbroken
from gatecrash.engine.session import Session
from gatecrash.engine.shrinking import fewer_segments, smaller
from gatecrash.engine.wear import MANY, stopped_serving, worn_by_clients
from gatecrash.errors import TargetError, TooSlow
from gatecrash.language import stated
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Scenario
from gatecrash.model.transcript import Transcript
from gatecrash.model.verdicts import Finding, Held, NotExercised, Outcome, Verdict, broken_here, unproven_here
from gatecrash.protocols import plain_request, protocol_of
from gatecrash.rulebook import Rule, load
from gatecrash.text import duration

_FRESH_TRIES = 3
#: Examples that are played though time is up; but not of a server so slow that they take many times what there is.
_FEW_EXAMPLES, _FAR_TOO_LONG = 3, 5

#: Bytes of what clients got, in all the failures that are remembered.
_MOST_KEPT = 32 << 20
#: Seconds of the server's own time: what rests on more of them being skipped is not played in real time.
_SKIPPED_AT_MOST = 15.0


class Trial:
    """Tries one rule. `verify` is the one verb a property ends with; `verdicts` is what came of it."""

    def __init__(
        self, rule: Rule, session: Session, profile: Profile, *, build: str = "plain", probe: Probe | None = None
    ) -> None:
        """`probe` makes the first example: where it is broken, what builds on the rule cannot be seen."""
        self.rule = rule
        self.session = session
        self.profile = profile
        self.build = build
        self.probe = probe
        self.hides: str | None = None  # see Verdict
        self.seen = Seen()
        self.others: dict[str, Verdict] = {}
        self._broken: dict[Scenario, RuleBroken] = {}
        self._shrink_until: float | None = None
        self._started = time.monotonic()
        self._own_before = session.own.seconds
        self._fresh = False
        self.verdict: Verdict | None = None

    @property
    def contract(self) -> Contract:
        """What the target promises."""
        return self.session.contract

    @property
    def request(self) -> bytes:
        """A plain request of this target's protocol."""
        return plain_request(self.contract)

    def verify(
        self,
        scenarios: SearchStrategy[Scenario],
        *,
        examples: int | None = None,
        fresh: bool = False,
        surely: Sequence[Scenario] = (),
    ) -> None:
        """Play up to `examples` scenarios (at most the profile's number), the rule's probe before all, and judge each.

        Raises RuleBroken with the smallest scenario found. `fresh`: each gets a newly started server. `surely`: small
        ones that are not left to chance, where there is room for others beside them, and the probe has not told all:
        what is odd in them is no reason where nothing odd is needed.
        """
        self._fresh = fresh
        most = self.profile.examples_on(self.build, self.rule.area)
        limit = min(most, examples or most)
        probe = None if self.probe is None else self._fitted(self.probe(self.contract))
        by_probe = None if probe is None else self._probed(probe)
        sure = surely if len(surely) < limit and by_probe is None else ()
        first = [one for one in map(self._fitted, sure) if one != probe]
        played = {probe, *first}

        def example(scenario: Scenario) -> None:
            if scenario not in played:
                self._example(scenario)

        left = limit - (probe is not None) - len(first)
        try:
            for scenario in first:
                self._example(scenario)
            if left > 0:
                self._sown(self._settings(left)(given(scenarios.map(self._fitted))(example)))()
        except RuleBroken as broken:
            self._conclude(min((self._narrowed(broken), *((by_probe,) if by_probe else ())), key=size_of))
        except Flaky:  # what depends on luck held once, and was broken when Hypothesis played it again
            if not self._broken:
                raise
            self._conclude(min(self._broken.values(), key=size_of))
        else:
            if by_probe is not None:
                self._conclude(self._narrowed(by_probe))
            self.verdict = self.verdict or self._unbroken()

    def _fitted(self, scenario: Scenario) -> Scenario:
        """As this contract allows it; no input whatever excuses a memory error."""
        return scenario if self.rule.area == "memory" else protocol_of(self.contract).fitted(scenario)

    def _probed(self, probe: Scenario) -> RuleBroken | None:
        """Play the first example, and note what it means for the rules that build on this one."""
        try:
            self._example(probe)
        except RuleBroken as broken:
            self.hides = broken_here(self.rule.id, broken.finding)
            return broken
        self.hides = self.seen.overrun or self.seen.unstarted or self.seen.broken_off
        if self.seen.unproved:
            self.hides = unproven_here(self.rule.id, self.seen.unproved[0])
        return None

    def _narrowed(self, broken: RuleBroken) -> RuleBroken:
        """The smallest that is found in the time for shrinking, on fresh servers: see `narrowing`."""
        until = time.monotonic() + self.profile.shrink_seconds
        narrower = smaller if self.rule.area == "memory" else fewer_segments
        untried = narrower(broken.scenario)
        while time.monotonic() < until and (candidate := next(untried, None)) is not None:
            with suppress(TargetError):
                if (found := self._seen(candidate)) is None:
                    continue
                broken, untried = self._broken.setdefault(candidate, found), narrower(candidate)
        return broken

    def _conclude(self, broken: RuleBroken) -> None:
        self.verdict = self._failed(broken)
        if self.verdict.outcome == "fail":
            raise self._broken[broken.scenario] from None

    def _sown(self, test: Callable[[], None]) -> Callable[[], None]:
        """Each rule draws scenarios of its own, and always the same, whatever the lines of this function are."""
        return seed(crc32(self.rule.id.encode()))(test) if self.profile.derandomize else test

    def _settings(self, limit: int) -> Callable[[Any], Any]:
        draw_from_no_source()
        return settings(
            max_examples=limit,
            derandomize=self.profile.derandomize,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
            verbosity=Verbosity.quiet,
        )

    # -- one example --------------------------------------------------------------------------------------------

    def _example(self, scenario: Scenario) -> None:
        if scenario in self._broken:
            raise self._broken[scenario]
        if self.seen.overrun or self._out_of_time():
            return
        try:
            broken = self._seen(scenario)
        except TooSlow as error:
            self.seen.broken_off = self.seen.broken_off or str(error)
            return
        except TargetError as error:  # it started before: that it does not now is no finding about this rule
            self.seen.unstarted = self.seen.unstarted or str(error)
            return
        if broken is None:
            return
        if self._shrink_until is None:
            self._shrink_until = time.monotonic() + self.profile.shrink_seconds
        self._remember(scenario, broken)
        self._remember(broken.scenario, broken)  # another one where a server wears out
        raise broken

    def _remember(self, scenario: Scenario, broken: RuleBroken) -> None:
        """Keep it, and the smallest; of the others only as many as there is room for: they can be played again."""
        self._broken[scenario] = broken
        while len(self._broken) > 2 and sum(map(weight, self._broken.values())) > _MOST_KEPT:
            smallest = min(self._broken.values(), key=size_of)
            others = [key for key, one in self._broken.items() if one not in (broken, smallest)]
            del self._broken[max(others, key=lambda key: weight(self._broken[key]))]

    def _out_of_time(self) -> bool:
        if self._shrink_until is not None:
            return time.monotonic() > self._shrink_until
        spent = (self.session.own.seconds - self._own_before) / self.profile.seconds
        return spent > 1 and (self.seen.examples >= _FEW_EXAMPLES or spent > _FAR_TOO_LONG)

    def _seen(self, scenario: Scenario) -> RuleBroken | None:
        self.seen.examples += 1
        example = self._judge(scenario, fresh=self._fresh)
        outlived, self.session.outlived = self.session.outlived, 0
        if outlived > MANY and (worn := self._noted_wear(outlived)) is not None:
            return worn
        suspected = example.finding
        if suspected is not None:
            met, stopped = self.session.met, self._stopped(example)
            example = self._blamed_afresh(scenario)
            if stopped and example.finding is None:
                worn = self._noted_wear(met)
                if worn is not None:
                    return worn
                self.seen.unrepeated = self.seen.unrepeated or (suspected if self.session.worn is None else None)
        return self._noted(example, scenario)

    def _stopped(self, suspected: Example) -> bool:
        """Whether the server that is suspected had met others, and has for certain stopped serving altogether."""
        finding, transcript = suspected.finding, suspected.transcript
        used = self.build == "plain" and self.session.met > len(transcript.scenario.clients)
        return used and finding is not None and finding.conclusive and stopped_serving(self.session, transcript)

    def _noted_wear(self, met: int) -> RuleBroken | None:
        """A server that had met others has stopped serving, or ended: what so many clients do to a fresh one."""
        worn = worn_by_clients(self.session, met)
        if worn is None:
            return None
        finding, crowd, transcript = worn
        if finding.rule == self.rule.id:
            self.seen.exercised += 1
            return RuleBroken(finding, crowd, transcript)
        self._note_other(finding, crowd, transcript)
        return None

    def _noted(self, example: Example, scenario: Scenario) -> RuleBroken | None:
        """Write down what became of one example; returns what is broken for certain."""
        match example.ruling:
            case Held():
                self.seen.exercised += 1
                return None
            case NotExercised() as unseen:
                self.seen.unexercised.append(unseen)
                return None
            case finding:
                return self._noted_finding(finding, example.transcript, scenario)

    def _noted_finding(self, finding: Finding, transcript: Transcript, scenario: Scenario) -> RuleBroken | None:
        if not finding.conclusive:
            flood = transcript.flooded
            self.seen.flooded = self.seen.flooded or (flood.line() if flood is not None else "")
            self.seen.unproved.append(finding)
            return None
        if finding.rule != self.rule.id:
            self._note_other(finding, scenario, transcript)
            return None
        self.seen.exercised += 1
        return RuleBroken(finding, scenario, transcript)

    def _blamed_afresh(self, scenario: Scenario) -> Example:
        """What a fresh server shows, watched long enough to blame it; a used one may have to be met by chance."""
        example = self._judge(scenario, fresh=True, sure=True)
        for _ in range(0 if self._fresh else _FRESH_TRIES - 1):
            if example.finding is not None:
                break
            example = self._judge(scenario, fresh=True, sure=True)
        return example

    def _judge(self, scenario: Scenario, *, fresh: bool, sure: bool = False) -> Example:
        example = judge(self.session, self.rule, scenario, build=self.build, fresh=fresh, sure=sure)
        if self.session.brief and any(map(self._is_news, example.others)):
            self.session.brief = False
            placed = judge(self.session, self.rule, scenario, build=self.build, fresh=True, sure=sure)
            example = placed if placed.others else example
        for other in example.others:
            if not self.session.brief or self._is_news(other):
                self._note_other(other, scenario, example.transcript)
        if self.build == "plain":
            for leak in leaks_of(self.session, example.transcript):
                self._note_other(*leak)
        self.seen.compared_less = self.seen.compared_less or (example.finding is None and example.changed)
        return example

    def _is_news(self, other: Finding) -> bool:
        """Whether this was not told yet, with the place where it is."""
        return other.rule not in self.session.told

    def _note_other(self, finding: Finding, scenario: Scenario, transcript: Transcript) -> None:
        """An invariant broke under another rule's scenario: reported once under its own rule, then muted."""
        if finding.rule != self.rule.id and finding.rule in (load().overrun, load().limits):
            self.seen.overrun = broken_here(finding.rule, finding)
        if finding.rule != self.rule.id and finding.rule not in self.others:
            self.others[finding.rule] = Verdict(
                finding.rule,
                "fail",
                finding=finding,
                scenario=scenario,
                transcript=transcript.trimmed(),
                examples=1,
                exercised=1,
                build=self.build,
            )

    # -- what came of it ----------------------------------------------------------------------------------------

    def _failed(self, broken: RuleBroken) -> Verdict:
        if (not_theirs := self._of_another_cause(broken.scenario)) is not None:
            return not_theirs
        skipped = broken.transcript.skipped
        in_real_time = self.profile.replays > 1 and 0 < skipped <= _SKIPPED_AT_MOST
        shown = self.replay(broken.scenario, self.profile.replays - in_real_time)
        if in_real_time and shown:
            real = shows_in_real_time(self.session, self.rule, broken.scenario, self.build, skipped)
            if real is False:
                return self._only_skipped(broken)
            in_real_time = bool(real)
            shown += real or self.replay(broken.scenario, 1)
        never = shown == 0
        if never and self.hides:  # nobody is to be hidden behind what comes and goes before it was seen once more
            self.hides = None
        return self._verdict(
            "inconclusive" if never else "fail",
            reason=stated(
                "{got}: seen twice, but in none of {replays} replays",
                got=broken.finding.got,
                replays=self.profile.replays,
            )
            if never
            else "",
            finding=broken.finding,
            scenario=broken.scenario,
            transcript=broken.transcript.trimmed(),
            confirmed=(shown, self.profile.replays),
            in_real_time=in_real_time,
        )

    def _only_skipped(self, broken: RuleBroken) -> Verdict:
        """What shows only where time is skipped may be the skipping's fault: nobody is blamed for it, or hidden."""
        self.hides = None
        return self._verdict(
            "inconclusive",
            reason=stated(
                "{got}: seen while {time} of its own time were skipped, and not when they passed in real time",
                got=broken.finding.got,
                time=duration(broken.transcript.skipped),
            ),
            finding=broken.finding,
            scenario=broken.scenario,
            transcript=broken.transcript.trimmed(),
        )

    def replay(self, scenario: Scenario, times: int) -> int:
        """Play a scenario on `times` fresh servers; how often the rule was broken."""
        return replayed(lambda: self._judge(scenario, fresh=True, sure=True), self.rule.id, times)

    def _of_another_cause(self, scenario: Scenario) -> Verdict | None:
        """What shows with polite clients, too, is not this rule's, which is about others."""
        found = other_cause(self.session, scenario) if self.rule.control else None
        if found is None:
            return None
        if found.broken is not None:
            self._note_other(*found.broken)
        self.hides = found.reason
        return self._verdict("not_observable", reason=found.reason)

    def _unbroken(self) -> Verdict:
        if "c_source" in self.rule.applies.needs:  # it holds as far as the sanitizers could speak
            self.session.drop()  # nothing is on its way any more
            self.seen.unheard = self.session.unheard
        came = unbroken(self.seen)
        return self._verdict(came.outcome, reason=came.reason, finding=came.finding, late=came.late)

    def _verdict(self, outcome: Outcome, **values: Any) -> Verdict:
        seconds = time.monotonic() - self._started
        values |= {"examples": self.seen.examples, "exercised": self.seen.exercised, "seconds": seconds}
        return Verdict(self.rule.id, outcome, build=self.build, hides=self.hides, **values)
