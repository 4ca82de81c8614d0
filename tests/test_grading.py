"""Points: the [grading] table is refused with every mistake named, and a score is exact and never ours to lose."""

from __future__ import annotations

import io
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from gatecrash.config.contract_file import read_contract, read_grading
from gatecrash.config.grading_file import GradingTable
from gatecrash.config.scheme import Scheme
from gatecrash.errors import UsageError
from gatecrash.model.verdicts import Outcome
from gatecrash.reports import terminal
from gatecrash.reports.marking import folded, rows
from gatecrash.results.grading import Score, number, score, shown, whole_points
from gatecrash.rulebook import applicable, load
from tests.grading_records import every, record

MUSTS = [rule for rule in load().rules if rule.level == "MUST"]

FULL = """
[grading]
total = 40
scheme = "by-area"
extra_credit = ["SHOULD"]
hidden = ["memory", "RESP-2*"]
hidden_until = "due"
not_applicable = "exclude"
not_observable = "earn"
inconclusive = "lose"
blocked = "exclude"
least_judged = 25
problem = "Server"

[grading.rules]
acc-01 = 3
"RESP-*" = 0.1

[grading.areas]
accept = 2

[grading.levels]
SHOULD = 1
"""


def read(folder: Path, text: str) -> Scheme | None:
    path = folder / "gatecrash.toml"
    path.write_text(text)
    return read_grading(path)


def test_every_key_is_read(tmp_path: Path) -> None:
    scheme = read(tmp_path, FULL)
    assert scheme == Scheme(
        total=Fraction(40),
        scheme="by-area",
        rules={"ACC-01": Fraction(3), "RESP-*": Fraction(1, 10)},
        areas={"accept": Fraction(2)},
        levels={"SHOULD": Fraction(1)},
        extra_credit=("SHOULD",),
        hidden=("memory", "RESP-2*"),
        hidden_until="due",
        not_observable="earn",
        inconclusive="lose",
        blocked="exclude",
        least_judged=Fraction(25),
        problem="Server",
    )
    assert scheme is not None
    assert Scheme.from_json(scheme.to_json()) == scheme


def test_the_documentation_has_every_key_and_its_example_is_right(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "contract.md").read_text()
    example = next(block for block in page.split("```") if block.startswith("toml\n[grading]"))
    scheme = read(tmp_path, example.removeprefix("toml"))
    assert scheme is not None
    assert scheme.rules == {"FORK-02": 5, "RESP-1*": Fraction("1.5")}
    table = page.split("## Points: [grading]")[1]
    assert [key for key in GradingTable.model_fields if not re.search(rf"\| .*\b{key}\b.* \|", table)] == []


def test_a_file_without_the_table_has_no_scheme(tmp_path: Path) -> None:
    assert read(tmp_path, "[contract]\nprotocol = 'http'\n") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("total = 0", "line 2: total = 0; allowed is a number above 0 and at most 1000000."),
        ("total = -5", "line 2: total = -5; allowed is a number above 0 and at most 1000000."),
        ("total = '100'", 'line 2: total = "100"; allowed is a number above 0 and at most 1000000.'),
        ("total = inf", "line 2: total = Infinity; allowed is a number above 0 and at most 1000000."),
        ("total = true", "line 2: total = true; allowed is a number above 0 and at most 1000000."),
        (
            "scheme = 'by-ruel'",
            'line 2: scheme = "by-ruel"; allowed are "by-rule", "by-area", "all-or-nothing". Did you mean "by-rule"?',
        ),
        ("inconclusive = 0", 'line 2: inconclusive = 0; allowed are "exclude", "earn", "lose".'),
        ("least_judged = 101", "line 2: least_judged = 101; allowed is a number from 0 to 100."),
        ("problem = ''", 'line 2: problem = ""; allowed is a name in quotes, of at most 100 characters.'),
        (
            "\n[grading.rules]\nACC-99 = 3",
            'line 4: rules.ACC-99 = 3; there is no such rule. Did you mean "ACC-09"? `gatecrash rules` lists them all.',
        ),
        ('[grading.rules]\n"RESP-*" = -1', "line 3: rules.RESP-* = -1; allowed is a number from 0 to 1000000."),
        ("rules = { ACC-01 = 'x' }", 'line 2: rules.ACC-01 = "x"; allowed is a number from 0 to 1000000.'),
        ("[grading.rules]\nacc-01 = 1\nACC-01 = 2", "line 4: rules.ACC-01: ACC-01 has a weight already."),
        (
            "[grading.rules]\naccept = 2",
            "line 3: rules.accept = 2; accept is an area and belongs under [grading.areas].",
        ),
        (
            "[grading.areas]\nSHOULD = 2",
            "line 3: areas.SHOULD = 2; SHOULD is a level and belongs under [grading.levels].",
        ),
        (
            "[grading.areas]\nacept = 2",
            'line 3: areas.acept = 2; there is no such area. Did you mean "accept"? The areas are accept, fork, '
            "response, stream, datagram, lifecycle, time, memory.",
        ),
        (
            "[grading.levels]\nMUTS = 2",
            'line 3: levels.MUTS = 2; there is no such level. Did you mean "MUST"? The levels are MUST, SHOULD, MAY.',
        ),
        ("areas = 3", "line 2: areas = 3; it must be a table: [grading.areas]."),
        (
            "hidden = 'memory'",
            'line 2: hidden = "memory"; it must be a list of rules, areas or levels: '
            'hidden = ["RESP-*", "memory", "SHOULD"].',
        ),
        (
            "hidden = ['memroy']",
            'line 2: hidden names "memroy", which is no rule, area or level. Did you mean "memory"?',
        ),
        (
            "extra_credit = ['FORK-02', 'XYZ-*']",
            'line 2: extra_credit names "XYZ-*", which is no rule, area or level.',
        ),
        (
            "hidden = ['memory']\nvisible = ['MEM-01', 'fork']",
            "line 3: hidden and visible both name MEM-01; a rule is one or the other.",
        ),
        (
            "levels = { MUST = 0 }",
            "line 1: no rule that counts has a weight above 0, so nobody could earn a point.",
        ),
        ("points = 3", "line 2: points is not known in [grading]. Known are total, scheme, rules,"),
        ("totl = 3", "line 2: totl is not known in [grading]. Did you mean 'total'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    for reader in (read_grading, read_contract):
        path = tmp_path / "gatecrash.toml"
        path.write_text(f"[grading]\n{text}\n")
        with pytest.raises(UsageError) as refused:
            reader(path)
        assert str(refused.value).startswith(f"{path}, {message}")
        assert "\n" not in str(refused.value)


def test_a_key_outside_its_table_is_told_where_it_belongs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"line 1: total belongs under \[grading\]"):
        read(tmp_path, "total = 3\n")


def test_the_most_specific_weight_wins() -> None:
    scheme = Scheme(
        rules={"ACC-01": Fraction(9), "ACC-*": Fraction(5), "ACC-0*": Fraction(7)},
        areas={"accept": Fraction(4), "fork": Fraction(3)},
        levels={"MUST": Fraction(2)},
    )
    rules = load()
    weighed = {id: scheme.weight(rules.get(id)) for id in ("ACC-01", "ACC-02", "ACC-10", "FORK-01", "RESP-01")}
    assert weighed == {"ACC-01": 9, "ACC-02": 7, "ACC-10": 5, "FORK-01": 3, "RESP-01": 2}


def test_advice_costs_nothing_unless_it_is_weighed() -> None:
    should = {rule.id: "fail" for rule in load().rules if rule.level == "SHOULD"}
    outcomes: dict[str, Outcome] = {**every("pass"), **should}  # type: ignore[dict-item]
    assert score(record(outcomes), Scheme()).points == 100
    assert score(record(outcomes), Scheme(levels={"SHOULD": Fraction(1)})).points < 100


def test_each_rule_earns_its_part() -> None:
    scheme = Scheme(rules={"ACC-01": Fraction(1), "ACC-02": Fraction(2)}, levels={"MUST": Fraction(0)})
    found = score(record(every("pass", ACC_02="fail")), scheme)
    assert found.valid
    assert found.points == Fraction(100, 3)
    assert found.line() == "Points: 33.33 of 100"


def test_points_are_exact_whatever_the_weights() -> None:
    scheme = Scheme(total=Fraction("0.3"), rules={rule.id: Fraction("0.1") for rule in MUSTS})
    assert score(record(every("pass")), scheme).points == Fraction(3, 10)


def test_an_area_counts_as_a_whole_when_asked() -> None:
    scheme = Scheme(scheme="by-area", areas={"accept": Fraction(3)})
    found = score(record(every("pass", FORK_01="fail")), scheme)
    areas = len(load().areas)
    assert found.points == 100 - Fraction(100, areas + 2)
    passing = next(mark for mark in found.marks if mark.rule.id == "FORK-02")
    assert passing.earned == 0
    assert passing.why == "holds, but FORK-01 does not, and an area counts only as a whole"


def test_all_or_nothing() -> None:
    scheme = Scheme(scheme="all-or-nothing")
    assert score(record(every("pass")), scheme).points == 100
    assert score(record(every("pass", MEM_01="fail")), scheme).points == 0
    advice = next(rule.id for rule in load().rules if rule.level == "SHOULD")
    assert score(record(every("pass") | {advice: "fail"}), scheme).points == 100


def test_extra_credit_is_above_the_total_and_never_below_it() -> None:
    weights = {"ACC-01": Fraction(4), "ACC-02": Fraction(1)}
    scheme = Scheme(rules=weights, levels={"MUST": Fraction(0)}, extra_credit=("ACC-02",))
    better = score(record(every("pass")), scheme)
    assert better.points == 125
    assert better.line() == "Points: 125 of 100 (with 25 of extra credit)"
    assert score(record(every("pass", ACC_02="fail")), scheme).points == 100


def with_fate(outcome: Outcome, fate: str) -> Scheme:
    return Scheme.from_json(Scheme().to_json() | {outcome: fate})


@pytest.mark.parametrize("outcome", ["not_applicable", "not_observable", "inconclusive"])
def test_what_could_not_be_judged_is_nobodys_loss(outcome: Outcome) -> None:
    outcomes = every("pass", ACC_02="fail", FORK_01=outcome, FORK_02=outcome)
    found = score(record(outcomes), Scheme())
    assert found.points == 100 - Fraction(100, len(MUSTS) - 2)
    lost = score(record(outcomes), with_fate(outcome, "lose"))
    assert lost.points == 100 - Fraction(300, len(MUSTS))
    earned = score(record(outcomes), with_fate(outcome, "earn"))
    assert earned.points == 100 - Fraction(100, len(MUSTS))


def test_what_a_broken_rule_hides_is_lost_with_it_unless_asked_otherwise() -> None:
    rule = next(rule for rule in load().rules if rule.after and rule.level == "MUST")
    outcomes = every("pass") | {rule.after[0]: "fail", rule.id: "not_observable"}
    run = record(outcomes, behind={rule.id: rule.after[0]})
    blocked = next(m for m in score(run, Scheme()).marks if m.rule.id == rule.id)
    assert blocked.counted
    assert blocked.earned == 0
    assert blocked.why == f"cannot be seen while {rule.after[0]} is broken: earns nothing"
    kind = score(run, Scheme(blocked="exclude"))
    assert not next(m for m in kind.marks if m.rule.id == rule.id).counted


@pytest.mark.parametrize("broken", ["RES-06", "RES-07", "RESP-01"])
def test_what_was_not_seen_for_a_reason_of_its_own_is_no_loss_whatever_is_broken(broken: str) -> None:
    outcomes = every("pass") | {broken: "fail", "ACC-08": "not_observable", "RESP-14": "not_observable"}
    run = record(outcomes, behind={"ACC-08": broken})
    marks = {mark.rule.id: mark for mark in score(run, Scheme()).marks}
    assert marks["ACC-08"].why == f"cannot be seen while {broken} is broken: earns nothing"
    assert marks["RESP-14"].why == "not observable here: not counted"
    assert marks["RESP-14"].blames is None
    console = Console(file=io.StringIO(), soft_wrap=True, highlight=False)
    terminal.unjudged(console, run)
    assert isinstance(console.file, io.StringIO)
    told = console.file.getvalue()
    assert f"What is broken hides others: {broken} (ACC-08)" in told
    assert "RESP-14 not observable: for a reason" in told


def test_a_rule_hides_no_other_where_it_is_not_broken_in_this_run() -> None:
    outcomes = every("pass", ACC_08="not_observable", ACC_01="inconclusive")
    found = score(record(outcomes, behind={"ACC-08": "ACC-01"}), Scheme())
    assert not next(m for m in found.marks if m.rule.id == "ACC-08").counted


def test_a_missing_instrument_is_not_the_broken_rule() -> None:
    rule = next(rule for rule in load().rules if rule.after and rule.instruments and rule.level == "MUST")
    outcomes = every("pass") | {rule.after[0]: "fail", rule.id: "not_observable"}
    found = score(record(outcomes, missing={rule.instruments[0]: "refused"}), Scheme())
    assert not next(m for m in found.marks if m.rule.id == rule.id).counted


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fault": "it broke"}, "Gatecrash itself failed"),
        ({"interrupted": True}, "cut short after 99 rules"),
    ],
)
def test_a_failure_of_ours_is_no_score(changes: dict[str, object], words: str) -> None:
    found = score(record(every("fail"), **changes), Scheme())  # type: ignore[arg-type]
    assert not found.valid
    assert words.replace("99", str(len(load().rules))) in found.reason
    assert found.line().startswith("Points: none.")


@pytest.mark.parametrize("scheme", ["by-rule", "by-area", "all-or-nothing"])
def test_half_a_run_never_shows_more_than_the_whole_will(scheme: str) -> None:
    asked = Scheme.from_json(Scheme().to_json() | {"scheme": scheme})
    contract = record({}).prepared.contract
    applying = [rule.id for rule in load().rules if applicable(rule, contract) is None]
    outcomes = every("not_applicable") | dict.fromkeys(applying, "pass")
    outcomes |= {"RESP-03": "fail", "FORK-01": "inconclusive"}
    whole = score(record(outcomes), asked).points
    before = Fraction(0)
    for known in range(0, len(outcomes), 11):
        part = dict(list(outcomes.items())[:known])
        points = score(record(part, interrupted=True), asked).points
        assert before <= points <= whole
        before = points
    only = score(record({"ACC-01": "pass"}, interrupted=True), asked)
    assert only.points < 3
    if scheme == "by-area":
        assert only.marks[0].why.startswith("holds, but ACC-02 was not judged, and an area counts")


def test_a_machine_that_sees_too_little_gives_no_score() -> None:
    outcomes = every("inconclusive", ACC_01="pass")
    found = score(record(outcomes), Scheme())
    assert not found.valid
    assert "could be judged on this machine" in found.reason
    assert score(record(outcomes), Scheme(least_judged=Fraction(0))).points == 100


def test_nothing_judged_is_not_full_marks() -> None:
    for outcomes in ({}, every("not_applicable")):
        found = score(record(outcomes), Scheme())
        assert (found.valid, found.reason) == (False, "No rule that counts could be judged.")


def test_a_server_that_does_not_build_has_zero_points_and_says_why() -> None:
    found = score(record({}, error="server.c did not compile"), Scheme(total=Fraction(20)))
    assert found.valid
    assert found.points == 0
    assert found.error == "server.c did not compile"
    assert found.line() == "Points: 0 of 20"


def test_visible_hides_the_rest() -> None:
    rules = load()
    scheme = Scheme(visible=("accept",))
    assert not scheme.is_hidden(rules.get("ACC-01"))
    assert scheme.is_hidden(rules.get("FORK-01"))
    assert Scheme(hidden=("fork",)).is_hidden(rules.get("FORK-01"))
    assert not Scheme(hidden=("fork",)).is_hidden(rules.get("ACC-01"))


@pytest.mark.parametrize(
    ("value", "text"),
    [("87.5", "87.5"), ("100", "100"), ("0", "0"), ("1/3", "33.33"), ("0.005", "0.5"), ("2/3", "66.67")],
)
def test_numbers_are_rounded_half_up_when_shown(value: str, text: str) -> None:
    exact = Fraction(value) * (100 if Fraction(value) < 1 else 1)
    assert shown(exact) == text
    assert number(exact) == float(text)


OUTCOMES = st.sampled_from(["pass", "fail", "not_applicable", "not_observable", "inconclusive"])
SCHEMES = st.builds(
    Scheme,
    total=st.integers(1, 1000).map(Fraction) | st.fractions(Fraction(1, 10), 100),
    scheme=st.sampled_from(["by-rule", "by-area", "all-or-nothing"]),
    rules=st.dictionaries(st.sampled_from([rule.id for rule in MUSTS]), st.fractions(0, 50), max_size=6),
    areas=st.dictionaries(st.sampled_from([a.name for a in load().areas]), st.fractions(0, 9), max_size=3),
    extra_credit=st.sampled_from([(), ("SHOULD",), ("memory",)]),
    blocked=st.sampled_from(["lose", "exclude", "earn"]),
    inconclusive=st.sampled_from(["lose", "exclude", "earn"]),
    least_judged=st.just(Fraction(0)),
)


def _sums(found: Score) -> tuple[Fraction, Fraction]:
    marks = [mark for mark in found.marks if not mark.extra]
    return sum((m.earned for m in marks), Fraction()), sum((m.possible for m in marks), Fraction())


@settings(max_examples=40, deadline=None)
@given(st.lists(OUTCOMES, min_size=99, max_size=99), SCHEMES)
def test_the_rows_of_a_score_always_add_up(outcomes: list[Outcome], scheme: Scheme) -> None:
    names = [rule.id for rule in load().rules]
    found = score(record(dict(zip(names, outcomes, strict=False))), scheme)
    earned, possible = _sums(found)
    assert 0 <= earned <= possible
    assert possible in (0, scheme.total)
    assert found.points == earned + found.extra
    if possible == 0:
        assert not found.valid
    whole = whole_points(found, rows(found))
    assert 0 <= whole.points <= whole.maximum
    assert all(0 <= gained <= most for gained, most in whole.rows)
    if possible:
        assert sum(gained for gained, _ in whole.rows) == whole.points
        assert sum(most for _, most in whole.rows) in (whole.maximum, whole.points)
    assert sum((row.earned for row in folded(rows(found))), Fraction()) == found.points


def test_a_server_that_forks_without_end_has_a_score_and_loses_what_it_hides() -> None:
    outcomes: dict[str, Outcome] = {"ACC-01": "not_observable", "FORK-02": "not_observable", "RES-06": "fail"}
    found = score(record(outcomes, behind={"ACC-01": "RES-06", "FORK-02": "RES-06"}), Scheme())
    assert found.valid
    assert found.points == 0
    assert {mark.rule.id: mark.blames.id for mark in found.marks if mark.blames} == {
        "ACC-01": "RES-06",
        "FORK-02": "RES-06",
    }
