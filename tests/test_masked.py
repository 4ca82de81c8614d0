"""What is seen of a rule though another one that it builds on is broken: a pass is kept, and nobody is blamed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import strategies as st

from gatecrash.engine.masked import MaskedTrial, may_be_seen
from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.profiles import profile
from gatecrash.engine.suite_run import try_all
from gatecrash.model.contract import Contract
from gatecrash.model.verdicts import Finding, NotExercised, Verdict, broken_here, hidden_by, merge, unproven_here
from gatecrash.paths import tree_root
from gatecrash.rulebook import load
from tests.sessions import discovered_session_of
from tests.test_trial import CUTS_AT_NUL, FEW, echoes

FINDING = Finding("STREAM-11", "more", "nothing came")
ECHO_CONTRACT = Contract(protocol="echo", written=frozenset({"protocol"}))


def hidden(rule: str, behind: str = "STREAM-11", build: str = "plain") -> Verdict:
    return Verdict(rule, "not_observable", broken_here(behind, FINDING), build=build)


def tried(
    folder: Path, body: str, payloads: st.SearchStrategy[bytes], first: bytes | None = None, rule: str = "STREAM-03"
) -> Verdict:
    """What comes of a rule behind STREAM-11; `first` is what its probe sends."""
    with discovered_session_of(folder, body, ECHO_CONTRACT) as session:
        probe = None if first is None else lambda contract: echoes(first)
        trial = MaskedTrial(load().get(rule), session, FEW, hidden(rule), probe=probe)
        trial.verify(payloads.map(echoes))
    assert trial.verdict is not None
    return trial.verdict


def test_what_held_whenever_it_was_put_to_the_test_holds(tmp_path: Path) -> None:
    verdict = tried(
        tmp_path, CUTS_AT_NUL, st.binary(min_size=1, max_size=30).map(lambda data: b"+" + data.hex().encode())
    )
    assert (verdict.outcome, verdict.exercised, verdict.examples) == ("pass", FEW.examples, FEW.examples)


def test_what_looks_broken_once_is_not_blamed_and_tried_no_more(tmp_path: Path) -> None:
    verdict = tried(tmp_path, CUTS_AT_NUL, st.just(b"\0b"), b"one")
    assert (verdict.outcome, verdict.finding, verdict.examples) == ("not_observable", None, 2)
    assert hidden_by(verdict) == "STREAM-11"
    assert verdict.hides == ""  # its probe held


def test_what_builds_on_a_rule_that_looks_broken_is_hidden_behind_the_same_one(tmp_path: Path) -> None:
    verdict = tried(tmp_path, CUTS_AT_NUL, st.just(b"one"), b"\0b")
    assert (verdict.outcome, verdict.examples) == ("not_observable", 1)
    assert verdict.hides == hidden("STREAM-03").reason


def test_what_builds_on_a_basic_rule_is_hidden_though_that_held(tmp_path: Path) -> None:
    verdict = tried(tmp_path, CUTS_AT_NUL, st.just(b"two"), b"one", rule="STREAM-01")
    assert (verdict.outcome, verdict.hides) == ("pass", hidden("STREAM-01").reason)


@pytest.mark.parametrize(("unproven", "examples"), [(False, 20), (True, 1)])
def test_what_was_never_put_to_the_test_stays_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unproven: bool, examples: int
) -> None:
    """And what proves nothing is not tried again: it costs patience each time."""
    monkeypatch.setattr("gatecrash.engine.judge.oracle_of", lambda rule: lambda case: NotExercised("no", unproven))
    verdict = tried(tmp_path, CUTS_AT_NUL, st.integers(0, 19).map(lambda number: b"%d" % number))
    assert (verdict.outcome, verdict.exercised) == ("not_observable", 0)
    assert verdict.examples == examples
    assert hidden_by(verdict) == "STREAM-11"


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(hidden("STREAM-11", "ACC-01"), id="nobody is served"),
        pytest.param(hidden("STREAM-11", "STREAM-01"), id="nothing comes back"),
        pytest.param(hidden("STREAM-11", load().overrun), id="it forks without end"),
        pytest.param(hidden("STREAM-11", load().limits), id="it is ended at a limit"),
        pytest.param(hidden("STREAM-02", build="sanitized"), id="only the sanitizers would be heard"),
        pytest.param(Verdict("STREAM-02", "not_observable", unproven_here("STREAM-11", FINDING)), id="patience"),
        pytest.param(Verdict("STREAM-02", "not_observable", "gates are not available here"), id="no instrument"),
        pytest.param(Verdict("RESP-02", "not_applicable", "it speaks no HTTP"), id="does not apply"),
    ],
)
def test_where_nothing_can_be_seen_nothing_is_tried(verdict: Verdict) -> None:
    assert not may_be_seen(verdict, ECHO_CONTRACT)
    assert may_be_seen(hidden("STREAM-02"), ECHO_CONTRACT)


def test_of_an_echo_that_answers_once_all_is_said_that_does_not_need_more(tmp_path: Path) -> None:
    rules = (
        "ACC-01",
        "STREAM-01",
        "STREAM-11",
        "STREAM-03",
        "STREAM-02",
        "STREAM-09",
        "STREAM-10",
        "ACC-02",
        "LIFE-09",
    )
    with SessionPool(tmp_path, sanitized=False) as pool:
        opened = pool.open(str(tree_root() / "servers" / "faulty" / "echo_once.c"))
        assert opened is not None
        verdicts = merge(try_all(opened, "plain", lambda rule: profile("glance") if rule.id in rules else None))
    assert {rule: verdict.outcome for rule, verdict in verdicts.items()} == {
        **dict.fromkeys(rules, "pass"),
        "STREAM-11": "fail",
        "STREAM-03": "not_observable",
        "STREAM-02": "not_observable",
    }
    assert hidden_by(verdicts["STREAM-02"]) == "STREAM-11"
