"""The rulebook: every requirement a server is held to, as data. One TOML file per area, no code per rule."""

from __future__ import annotations

import graphlib
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files

from gatecrash.errors import EngineFault, UsageError
from gatecrash.language import did_you_mean, say
from gatecrash.model.contract import Contract
from gatecrash.rulebook.applies import NEEDS, Applies, applicable
from gatecrash.rulebook.entry import Area, Level, Mistake, Rule, in_language, prose, read_area
from gatecrash.rulebook.evidence import Condition, Seen, asked_of_source, mentioned

__all__ = [
    "AREAS",
    "NEEDS",
    "Applies",
    "Area",
    "Condition",
    "Level",
    "Mistake",
    "Rule",
    "Rulebook",
    "Seen",
    "applicable",
    "in_language",
    "load",
    "mentioned",
    "prose",
]

AREAS = ("accept", "fork", "response", "stream", "datagram", "lifecycle", "time", "memory")


class Rulebook:
    """All rules, in the order they are read: area by area, by number."""

    def __init__(self, areas: Iterable[Area]) -> None:
        """Join the areas. Raises EngineFault when two rules share an id or `after` names none or a circle."""
        self.areas = tuple(areas)
        self.rules: tuple[Rule, ...] = tuple(rule for area in self.areas for rule in area.rules)
        self._by_id = {rule.id: rule for rule in self.rules}
        self._overrun = next((rule.id for rule in self.rules if rule.overrun), "")
        self._limits = next((rule.id for rule in self.rules if rule.limits), "")
        self._endurance = next((rule.id for rule in self.rules if rule.endurance), "")
        if len(self._by_id) != len(self.rules):
            twice = sorted({rule.id for rule in self.rules if sum(r.id == rule.id for r in self.rules) > 1})
            raise EngineFault(f"The rulebook has more than one rule {', '.join(twice)}; rename one of them.")
        for rule in self.rules:
            for prerequisite in rule.after:
                if prerequisite not in self._by_id:
                    raise EngineFault(f"{rule.id}: `after` names {prerequisite}, a rule the rulebook does not have.")
        try:
            self._order = tuple(graphlib.TopologicalSorter({r.id: r.after for r in self.rules}).static_order())
        except graphlib.CycleError as error:
            raise EngineFault(f"The rulebook's `after` runs in a circle: {' -> '.join(error.args[1])}.") from None

    def get(self, id: str) -> Rule:
        """The rule of this id, in upper or lower case. Raises UsageError with the nearest ids when there is none."""
        rule = self._by_id.get(id.upper())
        if rule is None:
            known = say("`gatecrash rules` lists them all.")
            raise UsageError(f"{say('There is no rule {id!r}.', id=id)}{self._nearest(id)} {known}")
        return rule

    def select(self, only: Iterable[str] = (), skip: Iterable[str] = ()) -> tuple[Rule, ...]:
        """The rules named by `only` (all when empty) without those named by `skip`.

        A name is an id (`ACC-03`), an area (`accept`), a prefix (`RES`) or a pattern (`FORK-*`); commas separate
        several, and an empty place between or behind them is nothing. Raises UsageError for a name that no rule
        answers to, and for a text that holds no name.
        """
        only = tuple(only)
        chosen = self._named(only) if only else set(self._by_id)
        chosen -= self._named(skip)
        return tuple(rule for rule in self.rules if rule.id in chosen)

    @property
    def asked_of_source(self) -> frozenset[str]:
        """What the conditions of the mistakes look for in a program's source."""
        return asked_of_source(condition for rule in self.rules for one in rule.mistakes for condition in one.when)

    @property
    def overrun(self) -> str:
        """The rule whose breaker is ended in the middle of whatever it does: nothing else can be seen of it."""
        return self._overrun

    @property
    def limits(self) -> str:
        """The rule whose breaker was ended for having more than it was given."""
        return self._limits

    @property
    def endurance(self) -> str:
        """The rule that a server breaks which serves nobody any more when it has met many clients."""
        return self._endurance

    def prerequisites(self, rule: Rule, contract: Contract) -> tuple[Rule, ...]:
        """The rules that must hold before `rule` can be judged for this contract; those that do not apply fall out."""
        return tuple(p for p in map(self.get, rule.after) if applicable(p, contract) is None)

    def in_order(self) -> tuple[Rule, ...]:
        """All rules, each behind those it comes after."""
        return tuple(self._by_id[id] for id in self._order)

    def _named(self, names: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for text in names:
            named = [name for part in text.split(",") if (name := part.strip())]
            if not named:
                raise UsageError(f"{say('{text!r} names no rule.', text=text)} {self._nameable()}")
            found.update(*map(self._matching, named))
        return found

    def _nameable(self) -> str:
        areas = ", ".join(area.name for area in self.areas)
        return say(
            "Give rules, areas or patterns, as in {example},fork,RES-*; the areas are {areas}.",
            example=self.rules[0].id,
            areas=areas,
        )

    def _matching(self, name: str) -> set[str]:
        wanted = name.upper()
        matching = {
            rule.id
            for rule in self.rules
            if fnmatchcase(rule.id, wanted) or wanted in (rule.area.upper(), rule.id.split("-")[0])
        }
        if not matching:
            areas = ", ".join(area.name for area in self.areas)
            known = say("The areas are {areas}.", areas=areas)
            raise UsageError(f"{say('No rule answers to {name!r}.', name=name)}{self._nearest(name)} {known}")
        return matching

    def _nearest(self, name: str) -> str:
        known = [*self._by_id, *(area.name.upper() for area in self.areas)]
        near = get_close_matches(name.upper(), known, n=3, cutoff=0.7)
        words = [one if one in self._by_id else one.lower() for one in near]
        return f" {did_you_mean(words)}" if words else ""


@cache
def load() -> Rulebook:
    """The rulebook that comes with Gatecrash. Raises EngineFault, naming file, rule and field, if it is damaged."""
    folder = files(__name__)
    areas = []
    for name in AREAS:
        text = (folder / f"{name}.toml").read_text(encoding="utf-8")
        try:
            areas.append(read_area(tomllib.loads(text), f"rulebook/{name}.toml"))
        except tomllib.TOMLDecodeError as error:
            raise EngineFault(f"rulebook/{name}.toml is not TOML: {error}.") from None
    return Rulebook(areas)
