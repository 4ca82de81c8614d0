"""A rule is four things in four places; what is missing of one is named, with the file where it belongs."""

from __future__ import annotations

from functools import cache

import pytest

from gatecrash.engine.properties import property_of
from gatecrash.errors import EngineFault
from gatecrash.oracles import oracle_of
from gatecrash.rulebook import load
from gatecrash.rulebook.entry import PREFIXES
from tests.faulty import faulty_servers


@cache
def violators() -> dict[str, frozenset[str]]:
    """The faulty servers by the rule that their header says they break."""
    breaks = [(rule, planted.path.name) for planted in faulty_servers() for rule in planted.breaks]
    return {rule: frozenset(name for known, name in breaks if known == rule) for rule, _ in breaks}


def known_rules() -> list[str]:
    """Every id that the rulebook or a faulty server names; properties() refuses one that the rulebook does not have."""
    return sorted({rule.id for rule in load().rules} | set(violators()))


def missing_of(id: str) -> list[str]:
    """What is missing of this rule, a sentence each."""
    area = next((name for name, prefixes in PREFIXES.items() if id.split("-")[0] in prefixes), "AREA")
    rule = next((one for one in load().rules if one.id == id), None)
    said: list[str] = []
    if rule is None:
        said.append(f"{id} is not in the rulebook: its entry, a [[rule]], belongs into gatecrash/rulebook/{area}.toml")
    if property_of(id) is None:
        mark = f'@pytest.mark.rule("{id}")'
        said.append(f"{id} has no property: a test marked {mark} belongs into suites/{area}/")
    if not _has_oracle(id):
        said.append(f'{id} has no oracle: a function marked @oracle("{id}") belongs into gatecrash/oracles/')
    if id not in violators():
        said.append(f'{id} has no violator: a server with "Breaks: {id}" in its header belongs into servers/faulty/')
    return said


def _has_oracle(id: str) -> bool:
    try:
        oracle_of(id)
    except EngineFault:
        return False
    return True


@pytest.mark.parametrize("id", known_rules())
def test_a_rule_has_its_entry_its_property_its_oracle_and_its_violator(id: str) -> None:
    assert missing_of(id) == []


def test_each_part_that_is_missing_is_named_with_its_place() -> None:
    entry, tried, judged, broken = missing_of("FORK-99")
    assert entry.endswith("gatecrash/rulebook/fork.toml")
    assert tried == 'FORK-99 has no property: a test marked @pytest.mark.rule("FORK-99") belongs into suites/fork/'
    assert judged.endswith("gatecrash/oracles/")
    assert broken.endswith("servers/faulty/")
