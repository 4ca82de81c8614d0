"""The [grading] table of a gatecrash.toml: read completely, every mistake with its key and the nearest right name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict

from gatecrash.config.scheme import Partial, Scheme, Shown, Unsure
from gatecrash.language import say
from gatecrash.rulebook import load

_MOST = 1_000_000
_LEVELS = ("MUST", "SHOULD", "MAY")


class GradingTable(BaseModel):
    """The keys that [grading] may have. Their values are looked at by `parse`, which knows the rulebook."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    total: Any = None
    scheme: Any = None
    rules: Any = None
    areas: Any = None
    levels: Any = None
    extra_credit: Any = None
    hidden: Any = None
    visible: Any = None
    hidden_until: Any = None
    not_applicable: Any = None
    not_observable: Any = None
    inconclusive: Any = None
    blocked: Any = None
    least_judged: Any = None
    problem: Any = None


@dataclass(frozen=True)
class SchemeMistake:
    """A sentence, and the keys that lead to what it is about: ("grading", "rules", "ACC-99")."""

    keys: tuple[str, ...]
    text: str


@dataclass
class _SchemeReader:
    table: Mapping[str, Any]
    mistakes: list[SchemeMistake] = field(default_factory=list)

    def wrong(self, text: str, *keys: str) -> None:
        self.mistakes.append(SchemeMistake(("grading", *keys), text))

    def number(self, key: str, low: int, high: int, *, above: bool) -> Fraction | None:
        """The number under `key`; None when there is none, or none that will do."""
        value = self.table.get(key)
        if value is None:
            return None
        exact = _exact(value)
        if exact is None or not low <= exact <= high or (above and exact == low):
            lowest = (
                say("above {low} and at most {high}", low=low, high=high)
                if above
                else say("from {low} to {high}", low=low, high=high)
            )
            self.wrong(
                say("{key} = {shown}; allowed is a number {lowest}.", key=key, shown=_shown(value), lowest=lowest), key
            )
            return None
        return exact

    def word(self, key: str, words: Iterable[str]) -> str | None:
        """The word under `key`, one of `words`."""
        value, allowed = self.table.get(key), tuple(words)
        if value is None or (isinstance(value, str) and value in allowed):
            return value
        near = get_close_matches(value.lower(), allowed, n=1, cutoff=0.5) if isinstance(value, str) else []
        listed = ", ".join(f'"{word}"' for word in allowed)
        self.wrong(
            say(
                "{key} = {shown}; allowed are {listed}.{hint}",
                key=key,
                shown=_shown(value),
                listed=listed,
                hint=_hint(near),
            ),
            key,
        )
        return None

    def weights(self, key: str, known: Callable[[str], str | None]) -> dict[str, Fraction]:
        """The weights under `key` by name; `known` says what is wrong with a name."""
        table = self.table.get(key)
        if table is None:
            return {}
        if not isinstance(table, dict):
            self.wrong(say("{key} = {shown}; it must be a table: [grading.{key}].", key=key, shown=_shown(table)), key)
            return {}
        found: dict[str, Fraction] = {}
        for name, value in table.items():
            exact, proper = _exact(value), _proper(key, name)
            if (wrong := known(proper)) is not None:
                self.wrong(f"{key}.{name} = {_shown(value)}; {wrong}", key, name)
            elif exact is None or not 0 <= exact <= _MOST:
                allowed = say("allowed is a number from 0 to {most}", most=_MOST)
                self.wrong(f"{key}.{name} = {_shown(value)}; {allowed}.", key, name)
            elif proper in found:
                self.wrong(
                    say("{key}.{name}: {proper} has a weight already.", key=key, name=name, proper=proper), key, name
                )
            else:
                found[proper] = exact
        return found

    def names(self, key: str) -> tuple[str, ...]:
        """The list of ids, patterns, areas and levels under `key`."""
        value = self.table.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            example = f'{key} = ["RESP-*", "memory", "SHOULD"]'
            self.wrong(
                say(
                    "{key} = {shown}; it must be a list of rules, areas or levels: {example}.",
                    key=key,
                    shown=_shown(value),
                    example=example,
                ),
                key,
            )
            return ()
        names = []
        for name in value:
            proper = _proper_any(name)
            if proper is None:
                self.wrong(
                    say(
                        "{key} names {shown}, which is no rule, area or level.{nearest}",
                        key=key,
                        shown=_shown(name),
                        nearest=_nearest(name),
                    ),
                    key,
                )
            else:
                names.append(proper)
        return tuple(names)


def parse(table: Mapping[str, Any]) -> tuple[Scheme | None, list[SchemeMistake]]:
    """The scheme of a [grading] table whose keys are known; None and what is wrong when something is."""
    reader = _SchemeReader(table)
    values: dict[str, Any] = {
        "total": reader.number("total", 0, _MOST, above=True),
        "least_judged": reader.number("least_judged", 0, 100, above=False),
        "scheme": reader.word("scheme", get_args(Partial)),
        "hidden_until": reader.word("hidden_until", get_args(Shown)),
        **{key: reader.word(key, get_args(Unsure)) for key in _FATES},
        "problem": _problem(reader),
        "rules": reader.weights("rules", _no_rule),
        "areas": reader.weights("areas", _no_area),
        "levels": reader.weights("levels", _no_level),
        **{key: reader.names(key) for key in ("extra_credit", "hidden", "visible")},
    }
    scheme = Scheme(**{key: value for key, value in values.items() if value is not None})
    if not reader.mistakes:
        _contradictions(reader, scheme)
    return (None if reader.mistakes else scheme), reader.mistakes


_FATES = ("not_applicable", "not_observable", "inconclusive", "blocked")


def _contradictions(reader: _SchemeReader, scheme: Scheme) -> None:
    rules = load().rules
    shown = Scheme(hidden=scheme.visible)
    both = [rule.id for rule in rules if Scheme(hidden=scheme.hidden).is_hidden(rule) and shown.is_hidden(rule)]
    if both:
        more = say(" and {number} more", number=len(both) - 1) if len(both) > 1 else ""
        reader.wrong(
            say("hidden and visible both name {both}{more}; a rule is one or the other.", both=both[0], more=more),
            "visible",
        )
    if not any(scheme.weight(rule) for rule in rules if not scheme.is_extra(rule)):
        reader.wrong(say("no rule that counts has a weight above 0, so nobody could earn a point."))
    elif scheme.scheme == "by-area" and not any(
        scheme.weight(rule) and scheme.areas.get(rule.area, 1) for rule in rules if not scheme.is_extra(rule)
    ):
        reader.wrong(say("no area that counts has a weight above 0, so nobody could earn a point."), "areas")


def _problem(reader: _SchemeReader) -> str | None:
    value = reader.table.get("problem")
    if value is None or (isinstance(value, str) and 0 < len(value.strip()) <= 100 and value.isprintable()):
        return value
    reader.wrong(
        say("problem = {shown}; allowed is a name in quotes, of at most 100 characters.", shown=_shown(value)),
        "problem",
    )
    return None


def _exact(value: object) -> Fraction | None:
    """A TOML number as it was written: 0.1 is a tenth."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return Fraction(str(value))


# -- names ----------------------------------------------------------------------------------------------------------


def _ids() -> list[str]:
    return [rule.id for rule in load().rules]


def _areas() -> list[str]:
    return [area.name for area in load().areas]


def _proper(key: str, name: str) -> str:
    return name.lower() if key == "areas" else name.upper()


def _proper_any(name: str) -> str | None:
    if name.lower() in _areas():
        return name.lower()
    upper = name.upper()
    return upper if upper in _LEVELS or any(fnmatchcase(id, upper) for id in _ids()) else None


def _elsewhere(name: str) -> str | None:
    if name.lower() in _areas():
        return say("{lower} is an area and belongs under [grading.areas].", lower=name.lower())
    if name.upper() in _LEVELS:
        return say("{upper} is a level and belongs under [grading.levels].", upper=name.upper())
    if name.upper() in _ids():
        return say("{upper} is a rule and belongs under [grading.rules].", upper=name.upper())
    return None


def _no_rule(name: str) -> str | None:
    if any(fnmatchcase(id, name) for id in _ids()):
        return None
    near = get_close_matches(name, _ids(), n=1, cutoff=0.6)
    return _elsewhere(name) or say("there is no such rule.{hint} `gatecrash rules` lists them all.", hint=_hint(near))


def _no_area(name: str) -> str | None:
    if name in _areas():
        return None
    near = get_close_matches(name, _areas(), n=1, cutoff=0.5)
    return _elsewhere(name) or say(
        "there is no such area.{hint} The areas are {names}.", hint=_hint(near), names=", ".join(_areas())
    )


def _no_level(name: str) -> str | None:
    if name in _LEVELS:
        return None
    near = get_close_matches(name, _LEVELS, n=1, cutoff=0.5)
    return _elsewhere(name) or say(
        "there is no such level.{hint} The levels are {names}.", hint=_hint(near), names=", ".join(_LEVELS)
    )


def _nearest(name: str) -> str:
    known = {word.upper(): word for word in (*_ids(), *_areas(), *_LEVELS)}
    return _hint([known[near] for near in get_close_matches(name.upper(), known, n=1, cutoff=0.6)])


def _hint(near: list[str]) -> str:
    return say(' Did you mean "{near}"?', near=near[0]) if near else ""


def _shown(value: object) -> str:
    if isinstance(value, (str, bool, int, float)):
        return json.dumps(value)
    return say("a table") if isinstance(value, dict) else say("a list") if isinstance(value, list) else str(value)
