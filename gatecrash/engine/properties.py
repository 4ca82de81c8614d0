"""The suites' properties as a list: each a function of a trial, marked with its rule and with its first example."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from gatecrash.errors import EngineFault
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Scenario
from gatecrash.paths import tree_root
from gatecrash.rulebook import load

#: Makes the one scenario that shows whether a rule holds which others build on.
Probe = Callable[[Contract], Scenario]


@dataclass(frozen=True)
class Property:
    """One test of a suite and the rule it tries. `probe` makes its first example, where other rules build on it.

    `place`: its suite and file, as in "fork/test_reaping".
    """

    rule: str
    place: str
    name: str
    run: Callable[[Any], None]  # of a Trial
    probe: Probe | None = None


@cache
def properties() -> tuple[Property, ...]:
    """Every property of every suite, one for each rule, those of basic rules before what builds on them.

    Raises EngineFault for one without a rule, with one that the rulebook does not have, or that another one tries.
    """
    root = tree_root()
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    found = [one for path in sorted((root / "suites").rglob("test_*.py")) for one in _properties_of(path)]
    place = {rule.id: number for number, rule in enumerate(load().in_order())}
    return tuple(sorted(found, key=lambda one: place[one.rule]))


def property_of(rule: str) -> Property | None:
    """The property that tries this rule; None when the suites have none."""
    return _by_rule().get(rule)


@cache
def _by_rule() -> dict[str, Property]:
    found: dict[str, Property] = {}
    for one in properties():
        if one.rule in found:
            raise EngineFault(f"{found[one.rule].name} and {one.name} both try {one.rule}; a rule has one property")
        found[one.rule] = one
    return found


def _load(path: Path) -> ModuleType:
    name = f"_suites_{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise EngineFault(f"the suite {path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _properties_of(path: Path) -> list[Property]:
    module, place = _load(path), f"{path.parent.name}/{path.stem}"
    return [_property(module, place, name, value) for name, value in vars(module).items() if name.startswith("test_")]


def _property(module: ModuleType, place: str, name: str, value: Any) -> Property:
    marks = [mark for mark in getattr(value, "pytestmark", []) if mark.name == "rule"]
    if len(marks) != 1:
        raise EngineFault(f"{module.__name__}.{name} needs exactly one @pytest.mark.rule(...)")
    rule = marks[0].args[0]
    if rule not in {one.id for one in load().rules}:
        raise EngineFault(f"{module.__name__}.{name} tries {rule}, and gatecrash/rulebook/ has no such rule")
    return Property(rule, place, name, value, marks[0].kwargs.get("probe"))
