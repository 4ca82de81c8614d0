"""What was not tried for lack of time, and what stands behind a broken rule: neither is left to chance."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gatecrash import runner
from gatecrash.catalogue import Property
from gatecrash.judging import standing
from gatecrash.profiles import Profile, profile
from gatecrash.record import behind_broken, judgements
from gatecrash.rulebook import load
from gatecrash.runner import Crew, Result, orders
from gatecrash.tree import tree_root
from gatecrash.verdicts import Finding, Verdict, merge
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
def test_a_rule_that_fails_in_a_run_stops_those_that_build_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(one: Property, bench: Bench, build: str, tried: Profile) -> tuple[Verdict, ...]:
        reason = bench.prerequisites.broken(load().get(one.rule))
        if reason is not None:
            return (Verdict(one.rule, "not_observable", reason),)
        broken = Finding(one.rule, "an echo", "nothing")
        return (Verdict(one.rule, "fail" if one.rule == "STREAM-01" else "pass", finding=broken),)

    monkeypatch.setattr(runner, "try_property", fails)
    found = {result.order.rule: result.verdicts[0] for result in results(tmp_path, 2)}
    assert found["ACC-01"].outcome == "pass"
    assert {found[rule].outcome for rule in ("STREAM-02", "STREAM-03", "STREAM-11")} == {"not_observable"}
    assert "STREAM-01 is broken (nothing)" in found["STREAM-02"].reason


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


def test_what_builds_on_a_broken_rule_is_hidden_behind_it_whoever_was_first() -> None:
    broken = Verdict("STREAM-01", "fail", finding=Finding("STREAM-01", "an echo", "nothing"))
    others = [Verdict(rule, "pass") for rule in ("ACC-01", "STREAM-02", "STREAM-03")]
    found = behind_broken(merge([*others, broken]))
    assert {rule: verdict.outcome for rule, verdict in found.items()} == {
        "ACC-01": "pass",
        "STREAM-01": "fail",
        "STREAM-02": "not_observable",
        "STREAM-03": "not_observable",
    }
    assert found["STREAM-03"].reason == "STREAM-01 is broken (nothing), so this cannot be seen"


def test_what_was_seen_to_be_broken_stays_broken_behind_another() -> None:
    found = behind_broken(merge([failure("STREAM-01"), failure("STREAM-02")]))
    assert {verdict.outcome for verdict in found.values()} == {"fail"}


def test_nothing_is_seen_of_a_server_that_forks_without_end() -> None:
    broken = Verdict("RES-06", "fail", finding=Finding("RES-06", "few", "it had 2000 processes"))
    judged = judgements([Verdict("ACC-08", "pass"), broken], [load().get("ACC-08"), load().get("RES-06")])
    assert {j.rule.id: j.verdict.outcome for j in judged} == {"ACC-08": "not_observable", "RES-06": "fail"}


def test_a_verdict_on_the_plain_build_says_what_stands_in_the_way() -> None:
    unsure = Finding("STREAM-01", "an echo", "not a byte", conclusive=False)
    told = standing(
        [
            Verdict("ACC-01", "pass"),
            Verdict("ACC-02", "not_applicable", "it is for others"),
            Verdict("ACC-03", "fail", finding=Finding("ACC-03", "five", "one")),
            Verdict("STREAM-01", "inconclusive", "patience", finding=unsure),
            Verdict("STREAM-02", "not_observable", "STREAM-01 could not be proven"),
            Verdict("MEM-01", "fail", build="sanitized"),
        ]
    )
    assert told == {
        "ACC-01": None,
        "ACC-03": "ACC-03 is broken (one), so this cannot be seen",
        "STREAM-01": "STREAM-01 could not be proven here (not a byte), so this cannot be seen",
        "STREAM-02": "STREAM-01 could not be proven",
    }
