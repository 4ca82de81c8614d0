"""What was not tried for lack of time, and what cannot be seen of a fork bomb: neither is left to chance."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gatecrash import runner
from gatecrash.catalogue import Property
from gatecrash.contract import Contract, Protocol, Silence
from gatecrash.judging import holding
from gatecrash.profiles import Profile, profile
from gatecrash.record import judgements
from gatecrash.reports.words import closing, counts
from gatecrash.rulebook import load
from gatecrash.runner import Crew, Result, orders
from gatecrash.tree import tree_root
from gatecrash.verdicts import Finding, Verdict
from gatecrash.workshop import Bench, Workshop
from tests.ci_records import failure, record_of

FORKING = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
ECHO = str(tree_root() / "servers" / "python" / "echo_fork.py")
RULES = ("ACC-01", "STREAM-01", "STREAM-02", "STREAM-03", "STREAM-11")


def results(folder: Path, jobs: int, until: float = float("inf")) -> list[Result]:
    with Crew(folder, lambda: Workshop(folder), ECHO, profile("glance"), jobs=jobs) as crew:
        return list(crew.results(orders(RULES, ("plain",)), until=until))


@FORKING
def test_a_rule_is_tried_when_those_it_builds_on_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"

    def notes(one: Property, bench: Bench, build: str, tried: Profile) -> tuple[Verdict, ...]:
        with log.open("a") as out:
            out.write(f"{one.rule} {sorted(rule for rule in RULES if bench.prerequisites.known(rule))}\n")
        return (Verdict(one.rule, "pass"),)

    monkeypatch.setattr(runner, "try_property", notes)
    results(tmp_path, 2)
    told = dict(line.split(" ", 1) for line in log.read_text().splitlines())
    assert set(told) == set(RULES)
    for rule in RULES:
        for below in set(load().get(rule).after) & set(RULES):
            assert below in told[rule], (rule, told)


@FORKING
def test_when_the_time_is_over_everybody_is_stopped_and_the_rest_is_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hangs(one: Property, bench: Bench, build: str, tried: Profile) -> tuple[Verdict, ...]:
        time.sleep(600)
        raise AssertionError

    monkeypatch.setattr(runner, "try_property", hangs)
    found = results(tmp_path, 2, until=time.monotonic() + 0.2)
    assert {result.order.rule for result in found} == set(RULES)
    assert all(result.late and not result.fault for result in found)


def test_a_run_that_left_rules_out_for_time_does_not_conform() -> None:
    late = Verdict("ACC-03", "inconclusive", "not tried: time: the 100 s of this run were over", late=True)
    held = Verdict("ACC-01", "pass")
    assert record_of(held).exit_code(strict=False) == 0
    assert record_of(held, late).exit_code(strict=False) == 5
    assert record_of(held, late, failure()).exit_code(strict=False) == 1


def test_nothing_is_seen_of_a_server_that_forks_without_end() -> None:
    broken = Verdict("RES-06", "fail", finding=Finding("RES-06", "few", "it had 2000 processes"))
    others = [Verdict("ACC-08", "pass"), Verdict("ACC-09", "inconclusive", "patience"), failure("FORK-02")]
    judged = judgements([*others, broken], load().rules)
    assert {j.rule.id: j.verdict.outcome for j in judged} == {
        "ACC-08": "not_observable",
        "ACC-09": "not_observable",
        "FORK-02": "fail",
        "RES-06": "fail",
    }
    assert "RES-06 is broken (it had 2000 processes)" in judged[0].verdict.reason


@pytest.mark.parametrize(
    ("verdicts", "holds"),
    [
        pytest.param([Verdict("ACC-01", "pass"), Verdict("FORK-02", "fail")], True, id="another is broken meanwhile"),
        pytest.param([Verdict("ACC-01", "fail")], False, id="broken"),
        pytest.param([Verdict("ACC-01", "pass"), Verdict("ACC-01", "inconclusive")], False, id="once not proven"),
        pytest.param([Verdict("ACC-01", "pass", build="sanitized")], False, id="only the other build was tried"),
        pytest.param([], False, id="not tried"),
    ],
)
def test_what_builds_on_a_rule_needs_no_probe_when_it_was_tried_and_holds(verdicts: list[Verdict], holds: bool) -> None:
    assert holding(verdicts, "ACC-01") is holds


@pytest.mark.parametrize(
    ("protocol", "verdicts", "code"),
    [
        ("http", [Verdict("ACC-01", "pass"), Verdict("RESP-01", "pass")], 0),
        ("http", [Verdict("ACC-01", "pass"), Verdict("RESP-01", "inconclusive", "patience")], 5),
        ("http", [Verdict("ACC-01", "not_observable", "nothing to see"), Verdict("RESP-01", "pass")], 5),
        ("http", [Verdict("ACC-03", "pass")], 0),
        ("echo", [Verdict("ACC-01", "pass"), Verdict("STREAM-01", "inconclusive", "patience")], 5),
        ("udp", [Verdict("DGRAM-01", "inconclusive", "patience"), Verdict("LIFE-02", "pass")], 5),
        ("http", [Verdict("ACC-01", "inconclusive", "patience"), failure("FORK-02")], 1),
    ],
)
def test_nothing_conforms_that_was_not_seen_to_accept_and_to_answer(
    protocol: Protocol, verdicts: list[Verdict], code: int
) -> None:
    record = record_of(*verdicts, contract=Contract(protocol=protocol))
    assert record.exit_code(strict=False) == code
    assert ("was not proven" in closing(record, strict=False)) is (code == 5)


@pytest.mark.parametrize(("silence", "code"), [("", 0), ("seen", 5), ("promised", 0)])
def test_silence_that_nobody_promised_is_no_conformity(silence: Silence, code: int) -> None:
    record = record_of(Verdict("ACC-01", "pass"), contract=Contract(protocol="none", silence=silence))
    assert record.exit_code(strict=False) == code


def test_how_much_of_what_applies_was_seen_is_one_number() -> None:
    record = record_of(
        Verdict("ACC-01", "pass"),
        failure(),
        Verdict("ACC-02", "inconclusive", "x"),
        Verdict("ACC-03", "not_applicable", "y"),
    )
    assert record.seen == (2, 3)
    assert counts(record).endswith("66 % of what applies was seen")
    assert record.to_json()["seen"] == [2, 3]
