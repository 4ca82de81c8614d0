"""What is asked of the verdicts on reference servers; conftest.py asks it of every one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gatecrash.model.verdicts import Outcome, Verdict
from gatecrash.paths import tree_root
from gatecrash.rulebook import load
from tests.exercised import EXCEPTIONS, unexercised
from tests.needs import need

#: Runs pytest where nothing is ever said to have been put to the test.
NEVER = """
import sys, pytest
class Never:
    def pytest_collection_finish(self):
        import tests.exercised
        tests.exercised.unexercised = lambda verdict, build: f"{verdict.rule} unseen"
sys.exit(pytest.main(sys.argv[1:], plugins=[Never()]))
"""


def of(rule: str, outcome: Outcome, exercised: int = 0, build: str = "plain") -> str | None:
    return unexercised(Verdict(rule, outcome, examples=8, exercised=exercised, build=build), build)


def test_a_rule_that_held_in_half_of_its_examples_was_put_to_the_test() -> None:
    assert of("ACC-01", "pass", 4) is None


def test_a_rule_that_does_not_apply_need_not_be_put_to_the_test() -> None:
    assert of("ACC-01", "not_applicable") is None


def test_a_rule_that_held_in_fewer_was_not_put_to_the_test() -> None:
    assert "3 of 8" in str(of("ACC-01", "pass", 3))


@pytest.mark.parametrize("outcome", ["fail", "inconclusive", "not_observable"])
def test_a_rule_that_did_not_hold_was_not_seen_to_hold(outcome: Outcome) -> None:
    assert of("ACC-01", outcome, 8) is not None


def test_an_exception_may_be_exercised_less_and_must_hold_all_the_same() -> None:
    assert of("FORK-11", "pass", 1) is None
    assert of("FORK-11", "not_observable") is None
    assert of("FORK-11", "inconclusive", 8) is not None


def test_memory_is_put_to_the_test_on_the_build_that_shows_it() -> None:
    assert of("MEM-01", "not_observable") is None
    assert of("MEM-01", "not_observable", build="sanitized") is not None
    assert of("MEM-01", "pass", 3, build="sanitized") is not None
    assert of("ACC-01", "not_observable", build="sanitized") is None


def test_every_exception_is_a_rule() -> None:
    assert set(EXCEPTIONS) <= {rule.id for rule in load().rules}


def test_a_test_of_the_suites_fails_where_a_rule_was_not_put_to_the_test() -> None:
    need("arena")
    need("borrowed sockets")
    asked = ["-q", "-p", "no:xdist", "-o", "addopts=-p no:cacheprovider", "suites/datagram/test_exchange.py"]
    done = subprocess.run(
        [sys.executable, "-c", NEVER, *asked, "-k", "python-udp_echo"],
        cwd=tree_root(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "DGRAM-02 unseen" in done.stdout
