"""What an instructor's [grading] table says: the weights of rules, and what becomes of what was not judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any, Literal

from gatecrash.rulebook import Rule

Partial = Literal["by-rule", "by-area", "all-or-nothing"]
Unsure = Literal["exclude", "earn", "lose"]
Shown = Literal["published", "due", "never"]

_NOTHING: Mapping[str, Fraction] = {}


@dataclass(frozen=True)
class Scheme:
    """The [grading] table: what each rule weighs, and what becomes of what could not be judged.

    A rule's weight is that of its id, else of the longest pattern, else of its area, else of its level; else 1 for a
    MUST and for extra credit, 0 for the rest. In `by-area`, `areas` weighs whole areas (1 each) and not their rules.
    """

    total: Fraction = Fraction(100)
    scheme: Partial = "by-rule"
    rules: Mapping[str, Fraction] = field(default_factory=dict)
    areas: Mapping[str, Fraction] = field(default_factory=dict)
    levels: Mapping[str, Fraction] = field(default_factory=dict)
    extra_credit: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    visible: tuple[str, ...] = ()
    hidden_until: Shown = "published"
    not_applicable: Unsure = "exclude"
    not_observable: Unsure = "exclude"
    inconclusive: Unsure = "exclude"
    blocked: Unsure = "lose"
    #: The part of the weight that applies, in percent, that must have been judged for a score to mean something.
    least_judged: Fraction = Fraction(50)
    #: What platforms that want a name call the score.
    problem: str = "Gatecrash"

    def weight(self, rule: Rule) -> Fraction:
        """What a rule weighs beside the others."""
        if rule.id in self.rules:
            return self.rules[rule.id]
        patterns = [name for name in self.rules if fnmatchcase(rule.id, name)]
        if patterns:
            return self.rules[max(patterns, key=len)]
        areas = _NOTHING if self.scheme == "by-area" else self.areas
        for table, key in ((areas, rule.area), (self.levels, rule.level)):
            if key in table:
                return table[key]
        return Fraction(1 if rule.level == "MUST" or self.is_extra(rule) else 0)

    def is_extra(self, rule: Rule) -> bool:
        """Whether a rule earns points above the total instead of being part of it."""
        return named_by(rule, self.extra_credit)

    def is_hidden(self, rule: Rule) -> bool:
        """Whether a rule's name is kept from students."""
        return named_by(rule, self.hidden) or (bool(self.visible) and not named_by(rule, self.visible))

    def to_json(self) -> dict[str, Any]:
        """Plain values; exact numbers as texts."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Scheme:
        """What `to_json` wrote."""
        values = dict(row)
        for name in ("total", "least_judged"):
            values[name] = Fraction(values[name])
        for name in ("rules", "areas", "levels"):
            values[name] = {key: Fraction(weight) for key, weight in values[name].items()}
        for name in ("extra_credit", "hidden", "visible"):
            values[name] = tuple(values[name])
        return cls(**values)


def named_by(rule: Rule, names: Iterable[str]) -> bool:
    """Whether an id, a pattern (RESP-*), an area or a level names this rule."""
    return any(name in (rule.area, rule.level) or fnmatchcase(rule.id, name) for name in names)


def _plain(value: object) -> object:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, Mapping):
        return {key: str(weight) for key, weight in value.items()}
    return list(value) if isinstance(value, tuple) else value
