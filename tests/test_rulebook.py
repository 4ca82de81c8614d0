"""The rulebook: every entry is complete, and each damage to it is refused by name."""

from __future__ import annotations

import re
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatecrash.engine.properties import properties, property_of
from gatecrash.errors import EngineFault, UsageError
from gatecrash.model.contract import Contract
from gatecrash.rulebook import Mistake, Rule, Rulebook, applicable, load
from gatecrash.rulebook.entry import read_area

RULES = load().rules
NEEDS_NO_ANSWER = {
    *("ACC-10", "ACC-04", "ACC-11", "ACC-12", "ACC-13", "ACC-17", "LIFE-01", "LIFE-02", "LIFE-03", "LIFE-07", "RES-06"),
    "RES-07",
}
FAULTY = Path(__file__).parents[1] / "servers" / "faulty"


def by_id(rule: Rule) -> str:
    return rule.id


def entry(**changes: Any) -> dict[str, Any]:
    row = {
        "id": "ACC-01",
        "title": "t",
        "level": "MUST",
        "source": "accept(2)",
        "statement": "s",
        "why": "w",
        "how": "h",
        "instruments": [],
        "after": [],
        "faulty": [],
        "applies": {"protocols": ["http"]},
    }
    return {"area": "accept", "rule": [{**row, **changes}]}


@pytest.mark.parametrize("rule", RULES, ids=by_id)
def test_a_rule_explains_itself(rule: Rule) -> None:
    for text in (rule.statement, rule.why, rule.how):
        assert len(text) > 40, text
        assert text.rstrip().endswith((".", ".)")), text
    assert re.search(r"RFC \d+|\w\(\d\)|POSIX|C11|UNP|CERT|CWE", rule.source), rule.source
    assert not rule.title.endswith(".")
    assert rule.mistakes, "a rule names the usual mistake behind it"


@pytest.mark.parametrize("rule", RULES, ids=by_id)
def test_a_rule_has_a_planted_violator(rule: Rule) -> None:
    assert rule.faulty
    assert all(re.fullmatch(r"[a-z0-9_]+\.(c|py)", name) for name in rule.faulty)


@pytest.mark.parametrize("rule", RULES, ids=by_id)
def test_a_rule_that_needs_an_answer_comes_after_the_basic_rules(rule: Rule) -> None:
    basic = {"http": "RESP-01", "echo": "STREAM-01", "udp": "DGRAM-01"}
    if rule.id in NEEDS_NO_ANSWER or rule.id in basic.values() or rule.area == "memory":
        return
    for protocol, first in basic.items():
        if protocol in rule.applies.protocols:
            assert first in rule.after or "ACC-01" in rule.after or rule.id == "ACC-01"


@pytest.mark.parametrize("rule", RULES, ids=by_id)
def test_python_in_a_mistake_compiles(rule: Rule) -> None:
    for mistake in rule.mistakes:
        if mistake.python:
            in_a_loop = "async def f():\n  while True:\n" + textwrap.indent(mistake.python, "    ")
            compile(in_a_loop, f"{rule.id} python", "exec")


@pytest.mark.parametrize("rule", RULES, ids=by_id)
def test_no_line_of_code_is_too_wide_for_a_terminal(rule: Rule) -> None:
    for mistake in rule.mistakes:
        for line in f"{mistake.c or ''}\n{mistake.python or ''}".splitlines():
            assert len(line) <= 88, line


@pytest.mark.parametrize("rule", RULES, ids=by_id)
def test_c_in_a_mistake_is_balanced(rule: Rule) -> None:
    assert all(balanced(mistake) for mistake in rule.mistakes)


def balanced(mistake: Mistake) -> bool:
    code = re.sub(r"'(\\.|[^'])'|\"(\\.|[^\"])*\"|/\*.*?\*/", "", mistake.c or "", flags=re.DOTALL)
    return all(code.count(a) == code.count(b) for a, b in ("()", "{}", "[]"))


def test_every_server_that_says_it_breaks_a_rule_names_one() -> None:
    for server in sorted(FAULTY.glob("*.*")) if FAULTY.is_dir() else ():
        for line in re.findall(r"Breaks:\s*([A-Z0-9, -]+)", server.read_text(encoding="utf-8", errors="replace")):
            for id in filter(None, (part.strip() for part in line.split(","))):
                assert load().get(id).id == id, server.name


def test_every_server_that_a_rule_calls_faulty_says_so_itself() -> None:
    silent = [
        f"{rule.id} {name}"
        for rule in RULES
        for name in rule.faulty
        if (server := FAULTY / name).is_file() and not re.search(rf"Breaks:.*{rule.id}", server.read_text())
    ]
    assert silent == []


def test_the_order_puts_every_rule_behind_those_it_comes_after() -> None:
    place = {rule.id: number for number, rule in enumerate(load().in_order())}
    assert all(place[first] < place[rule.id] for rule in RULES for first in rule.after)


def test_a_rule_that_others_come_after_has_a_probe() -> None:
    built_upon = {load().get(first) for rule in RULES for first in rule.after}
    assert (
        sorted(rule.id for rule in built_upon if (tried := property_of(rule.id)) is None or tried.probe is None) == []
    )


def test_a_rule_that_no_other_comes_after_has_none() -> None:
    built_upon = {first for rule in RULES for first in rule.after}
    assert sorted(one.rule for one in properties() if one.probe is not None and one.rule not in built_upon) == []


def test_prerequisites_that_do_not_apply_fall_out() -> None:
    rule = load().get("ACC-07")
    echo = Contract(protocol="echo", concurrency="fork")
    prerequisites = {p.id for p in load().prerequisites(rule, echo)}
    assert "RESP-01" in rule.after
    assert "RESP-01" not in prerequisites
    assert {"ACC-01", "STREAM-01"} <= prerequisites


def test_an_id_is_found_in_lower_case_and_a_wrong_one_gets_a_near_miss() -> None:
    assert load().get("resp-11").id == "RESP-11"
    with pytest.raises(UsageError, match=r"There is no rule 'ACC-99'\. Did you mean ACC-\d\d"):
        load().get("ACC-99")


@pytest.mark.parametrize(
    ("only", "skip", "expected"),
    [
        (["ACC-03"], [], {"ACC-03"}),
        (["acc-03,acc-04"], [], {"ACC-03", "ACC-04"}),
        (["memory"], [], {"MEM-01", "MEM-02", "MEM-03"}),
        (["RES"], ["RES-0[1-4]"], {"RES-05", "RES-06", "RES-07"}),
        (["MEM-*"], ["MEM-02"], {"MEM-01", "MEM-03"}),
    ],
)
def test_rules_are_selected_by_id_area_prefix_and_pattern(only: list[str], skip: list[str], expected: set[str]) -> None:
    assert {rule.id for rule in load().select(only, skip)} == expected


def test_selecting_nothing_selects_everything() -> None:
    assert load().select() == RULES


@pytest.mark.parametrize("text", ["", " ", ",", " , ,"])
@pytest.mark.parametrize("option", ["only", "skip"])
def test_a_text_that_names_no_rule_is_refused_with_what_is_allowed(option: str, text: str) -> None:
    with pytest.raises(UsageError, match=r"names no rule\. Give rules, areas or patterns, as in .*; the areas are acc"):
        load().select(**{option: [text]})


def test_spaces_and_commas_round_a_name_are_nothing() -> None:
    assert [rule.id for rule in load().select([" MEM-01 , MEM-02,, "], ["MEM-02,"])] == ["MEM-01"]


def test_a_name_no_rule_answers_to_is_refused_with_the_areas() -> None:
    with pytest.raises(UsageError, match=r"'acept'\. Did you mean accept\? The areas are accept, fork,"):
        load().select(["acept"])


@pytest.mark.parametrize(
    ("id", "contract", "reason"),
    [
        ("RESP-01", Contract(protocol="http"), None),
        ("RESP-01", Contract(protocol="echo"), "it is a rule for HTTP, and this server speaks TCP echo"),
        (
            "FORK-07",
            Contract(protocol="http", concurrency="event_loop"),
            "it is a rule for fork per connection servers, and this one is event loop",
        ),
        (
            "FORK-07",
            Contract(protocol="http"),
            (
                "it is a rule for fork per connection servers, and this one's model is unknown; "
                "write concurrency in gatecrash.toml"
            ),
        ),
        (
            "FORK-02",
            Contract(protocol="http", concurrency="event_loop"),
            "it was not seen to start a process for a client",
        ),
        ("FORK-02", Contract(protocol="http", concurrency="event_loop", starts_children=True), None),
        ("FORK-02", Contract(protocol="http", concurrency="fork"), None),
        ("RESP-16", Contract(protocol="http"), "it closes the connection after an answer, which HTTP allows"),
        ("RESP-16", Contract.of(protocol="http", persistent=True), None),
        ("ACC-16", Contract(protocol="http", concurrency="prefork", workers=2), None),
        (
            "ACC-16",
            Contract(protocol="http", concurrency="prefork", workers=1),
            "it has one worker, or an unknown number; write workers in gatecrash.toml",
        ),
        ("LIFE-11", Contract(protocol="echo", concurrency="thread"), None),
        (
            "ACC-01",
            Contract(protocol="http", one_shot=True),
            "the contract says that it serves one client and leaves (one_shot)",
        ),
        (
            "MEM-01",
            Contract(protocol="http", source="python"),
            "only source in C or C++, given as a file or with a Makefile, can be built with the sanitizers",
        ),
    ],
)
def test_a_rule_that_does_not_apply_says_why(id: str, contract: Contract, reason: str | None) -> None:
    assert applicable(load().get(id), contract) == reason


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"level": "MIGHT"}, "rule ACC-01: level 'MIGHT' is none of MUST, SHOULD, MAY"),
        ({"colour": "red"}, "rule ACC-01: unknown field colour; known are after, applies,"),
        ({"why": " "}, "rule ACC-01: why is ' '; it must be text"),
        ({"id": "FORK-01"}, "rule FORK-01: an id here is ACC, a hyphen and two digits"),
        ({"instruments": ["ears"]}, "instruments holds ears; allowed are gates, queues"),
        ({"after": "ACC-02"}, "after is 'ACC-02'; it must be a list of words"),
        ({"applies": {"protocols": ["ftp"]}}, "applies: protocols holds ftp; allowed are http"),
        ({"applies": {"protocols": ["http"], "needs": ["luck"]}}, "needs holds luck; allowed are echoes, serves_many"),
        ({"mistakes": [{"text": "x", "rust": "y"}]}, "mistakes: unknown field rust"),
        ({"mistakes": [{"text": "x"}]}, "mistakes: when is missing; it lists conditions"),
        ({"mistakes": [{"text": "x", "when": ["luck"]}]}, "mistakes: a condition of when begins with no known kind"),
        ({"script": "luck"}, "script 'luck' is none of answers, last, pauses, form,"),
        ({"measure": {"whose": "all"}}, "measure: whose is 'all'; allowed are first, last, each, some"),
        ({"measure": {"whose": "each", "size": 1}}, "measure: unknown field size; known are answer, whose"),
        ({"leaks_after": ["kind"]}, "leaks_after holds kind; allowed are polite, rude"),
        ({"careful": "yes"}, "careful is 'yes'; it must be true or false"),
        ({"mistakes": [{"c": "y"}]}, "mistakes: text is None"),
    ],
)
def test_a_damaged_entry_is_refused_by_name(damage: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineFault, match=re.escape(message)):
        read_area(entry(**damage), "accept.toml")


def test_a_missing_field_is_named() -> None:
    table = entry()
    del table["rule"][0]["how"]
    with pytest.raises(EngineFault, match=r"accept.toml, rule ACC-01: lacks how\."):
        read_area(table, "accept.toml")


def test_a_file_of_no_known_area_is_refused() -> None:
    with pytest.raises(EngineFault, match=r"x.toml: expected `area` \(one of accept, fork"):
        read_area({"area": "weather", "rule": []}, "x.toml")


def test_rules_with_one_id_an_unknown_prerequisite_or_a_circle_are_refused() -> None:
    area = read_area(entry(), "accept.toml")
    (rule,) = area.rules
    with pytest.raises(EngineFault, match="more than one rule ACC-01"):
        Rulebook([area, area])
    with pytest.raises(EngineFault, match="ACC-01: `after` names ACC-77"):
        Rulebook([replace(area, rules=(replace(rule, after=("ACC-77",)),))])
    with pytest.raises(EngineFault, match="in a circle: ACC-01 -> ACC-01"):
        Rulebook([replace(area, rules=(replace(rule, after=("ACC-01",)),))])


def test_the_rulebook_is_read_once() -> None:
    assert load() is load()


def test_every_area_file_is_read() -> None:
    folder = Path(__file__).parents[1] / "gatecrash" / "rulebook"
    assert {path.stem for path in folder.glob("*.toml")} == {area.name for area in load().areas}
