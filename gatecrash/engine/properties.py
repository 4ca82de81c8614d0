"""The suites' properties as a list: each a function of a trial, marked with its rule."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from gatecrash.engine.preparation import OpenTarget
from gatecrash.engine.prerequisites import holding, verdict_without_trying
from gatecrash.engine.profiles import Profile
from gatecrash.engine.trial import RuleBroken, Trial
from gatecrash.errors import EngineFault
from gatecrash.model.verdicts import Verdict
from gatecrash.paths import tree_root
from gatecrash.rulebook import Rule, load


@dataclass(frozen=True)
class Property:
    """One test of a suite and the rule it tries."""

    rule: str
    name: str
    run: Callable[[Trial], None]


@cache
def properties() -> tuple[Property, ...]:
    """Every property of every suite, those of basic rules before what builds on them: a rule that was tried needs
    no probe. Raises EngineFault for one without a rule.
    """
    root = tree_root()
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    found = [one for path in sorted((root / "suites").rglob("test_*.py")) for one in _properties_of(_load(path))]
    place = {rule.id: number for number, rule in enumerate(load().in_order())}
    return tuple(sorted(found, key=lambda one: place[one.rule]))


def _load(path: Path) -> ModuleType:
    name = f"_suites_{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise EngineFault(f"the suite {path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _properties_of(module: ModuleType) -> list[Property]:
    found = []
    for name, value in vars(module).items():
        if name.startswith("test_"):
            rules = [mark.args[0] for mark in getattr(value, "pytestmark", []) if mark.name == "rule"]
            if len(rules) != 1:
                raise EngineFault(f"{module.__name__}.{name} needs exactly one @pytest.mark.rule(...)")
            found.append(Property(rules[0], name, value))
    return found


def try_property(one: Property, opened: OpenTarget, build: str, tried: Profile) -> tuple[Verdict, ...]:
    """Every verdict that comes of one property on one build of a target."""
    rule = load().get(one.rule)
    opened.session.scenario_seconds = tried.scenario_seconds
    given = verdict_without_trying(rule, opened.session, opened.prerequisites, build)
    if given is not None:
        return (given,)
    opened.session.drop()  # what an earlier rule did to a server is none of this one's affair
    trial = Trial(rule, opened.session, tried, build=build)
    with suppress(RuleBroken):
        one.run(trial)
    own = () if trial.verdict is None else (trial.verdict,)
    return (*trial.others.values(), *own)


def judge(opened: OpenTarget, build: str, profile_of: Callable[[Rule], Profile | None]) -> list[Verdict]:
    """Every verdict on one build, in this process; rules whose profile is None are left out."""
    verdicts: list[Verdict] = []
    for one in properties():
        tried = profile_of(load().get(one.rule))
        if tried is not None:
            new = try_property(one, opened, build, tried)
            if holding(new, one.rule):
                opened.prerequisites.hold([one.rule])
            verdicts += new
    return verdicts
