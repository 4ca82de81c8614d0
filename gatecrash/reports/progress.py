"""How far a run is: which rules are being tried and for how long already, how many are left. No console, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.text import Text

from gatecrash.engine.events import RuleJudged, RuleStarted, RunEvent, TargetPrepared
from gatecrash.language import say
from gatecrash.model.verdicts import Verdict, merge
from gatecrash.rulebook import Rule, load

_WORTH_SAYING = 2.0  # seconds that a rule has taken: of less nobody asks


class Progress:
    """Hears a run, with the seconds since it began."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rule.id for rule in rules)
        self._areas = {area: {r.id for r in load().rules if r.area == area} for area in (a.name for a in load().areas)}
        self._builds: tuple[str, ...] = ("plain",)
        self._begun: dict[tuple[str, str], float] = {}
        self._done: set[tuple[str, str]] = set()
        self._told: set[str] = set()
        self._verdicts: list[Verdict] = []

    def hear(self, event: RunEvent, now: float) -> None:
        """Take one event in."""
        match event:
            case TargetPrepared():
                self._builds = tuple(event.prepared.launches) or self._builds
            case RuleStarted():
                self._begun[event.rule, event.build] = now
            case RuleJudged():
                self._begun.pop((event.rule, event.build), None)
                self._done.add((event.rule, event.build))
                self._verdicts += event.verdicts

    @property
    def begun(self) -> bool:
        """Whether a rule was judged."""
        return bool(self._done)

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """What is known by now."""
        return merge(self._verdicts)

    def far(self, now: float) -> Text:
        """How many rules are tried and left, and what is being tried."""
        build, tried = self._build()
        total = len(self._rules)
        told = say("{count} of {total} rules tried, {left} left", count=tried, total=total, left=total - tried)
        if build != self._builds[0]:
            told = say("{told} on the second build", told=told)
        line = Text(f"  {told}, {now:.0f} s", no_wrap=True, overflow="ellipsis")
        if self._begun:
            names = (_with_seconds(rule, now - since) for (rule, _), since in self._begun.items())
            line.append(f": {', '.join(names)}", "dim")
        return line

    def lines(self, now: float) -> Text:
        """How far it is; below it what is broken."""
        broken = self._broken(self._rules)
        below = ("\n  " + say("broken: {names}", names=" ".join(broken)), "bold red") if broken else ""
        return Text.assemble(self.far(now), below, no_wrap=True, overflow="ellipsis")

    def finished_areas(self, now: float) -> Iterator[str]:
        """A line for each area of which all rules are tried by now, and one for the second build; each once."""
        for area, members in self._areas.items():
            chosen = [rule for rule in self._rules if rule in members]
            if chosen and area not in self._told and self._all_tried(chosen, self._builds[0]):
                self._told.add(area)
                yield self._finished(area, chosen, now)
        for build in self._builds[1:]:
            if build not in self._told and self._all_tried(self._rules, build):
                self._told.add(build)
                yield self._finished(build, self._rules, now, build)

    def _finished(self, name: str, rules: Iterable[str], now: float, build: str = "") -> str:
        broken = self._broken(rules, build)
        told = say("broken: {names}", names=" ".join(broken)) if broken else say("nothing broken")
        if all(self.verdicts[rule].outcome == "not_applicable" for rule in rules if rule in self.verdicts):
            told = say("does not apply")
        return f"  {name:<11} {say('tried after {seconds:.0f} s, {told}', seconds=now, told=told)}"

    def _all_tried(self, rules: Iterable[str], build: str) -> bool:
        return all((rule, build) in self._done for rule in rules)

    def _build(self) -> tuple[str, int]:
        """The build that is being tried, and how many rules are done with on it."""
        for build in self._builds:
            tried = sum((rule, build) in self._done for rule in self._rules)
            if tried < len(self._rules):
                break
        return build, tried

    def _broken(self, rules: Iterable[str], build: str = "") -> list[str]:
        """Those of these rules that are broken; with a build, those that it is that shows it."""
        failed = {v.rule for v in self.verdicts.values() if v.outcome == "fail" and build in ("", v.build)}
        return [rule for rule in rules if rule in failed] if not build else sorted(failed)


def _with_seconds(rule: str, seconds: float) -> str:
    return say("{rule} ({seconds:.0f} s)", rule=rule, seconds=seconds) if seconds >= _WORTH_SAYING else rule
