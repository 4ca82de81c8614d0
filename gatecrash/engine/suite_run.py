"""The suites' properties tried on one open target, in this process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from gatecrash.engine.masked import MaskedTrial, may_be_seen
from gatecrash.engine.preparation import OpenTarget
from gatecrash.engine.prerequisites import hidden_behind, verdict_without_trying
from gatecrash.engine.profiles import Profile
from gatecrash.engine.properties import Probe, Property, properties
from gatecrash.engine.rule_broken import RuleBroken
from gatecrash.engine.trial import Trial
from gatecrash.model.verdicts import Verdict
from gatecrash.rulebook import Rule, load


def try_property(
    one: Property, opened: OpenTarget, build: str, profile: Profile, *, own_server: bool = True
) -> tuple[Verdict, ...]:
    """Every verdict that comes of one property on one build of a target.

    Without `own_server` it goes on with the server that the rule before has left, if that still serves.
    """
    opened.session.scenario_seconds = profile.scenario_seconds
    trial = trial_of(load().get(one.rule), opened, build, profile, one.probe)
    if isinstance(trial, Verdict):
        return (trial,)
    if own_server:
        opened.session.begin()
    # A crowd whose every client meets the same fault took minutes: what is told already is not looked up again.
    opened.session.brief = build != "plain" and trial.rule.area != "memory" and bool(opened.session.told)
    with suppress(RuleBroken):
        one.run(trial)
    verdicts = (*trial.others.values(), *(() if trial.verdict is None else (trial.verdict,)))
    if build != "plain":
        opened.session.told |= {verdict.rule for verdict in verdicts if verdict.outcome == "fail"}
    return verdicts


def trial_of(
    rule: Rule, opened: OpenTarget, build: str, profile: Profile, probe: Probe | None = None
) -> Trial | Verdict:
    """The trial of a rule, or the verdict of one that need not or cannot be tried."""
    given = verdict_without_trying(rule, opened.session, opened.prerequisites, build)
    if given is None:
        return Trial(rule, opened.session, profile, build=build, probe=probe)
    if may_be_seen(given, opened.session.contract):
        return MaskedTrial(rule, opened.session, profile, given, probe=probe)
    return given


def try_all(
    opened: OpenTarget,
    build: str,
    profile_of: Callable[[Rule], Profile | None],
    own_server: Callable[[Rule], bool] = lambda rule: True,
) -> list[Verdict]:
    """Every verdict on one build; rules whose profile is None are left out. `own_server`: see `try_property`."""
    verdicts: list[Verdict] = []
    for one in properties():
        rule = load().get(one.rule)
        profile = profile_of(rule)
        if profile is not None:
            new = try_property(one, opened, build, profile, own_server=own_server(rule))
            opened.prerequisites.learn(hidden_behind(new))
            verdicts += new
    return verdicts
