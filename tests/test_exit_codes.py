"""The exit codes: each from the record of a run, without running one."""

import re
from dataclasses import replace

import pytest

from gatecrash.errors import EngineFault, GatecrashError, TargetError, TooSlow, Unavailable, UsageError
from gatecrash.model.contract import Contract
from gatecrash.model.verdicts import Verdict
from gatecrash.paths import tree_root
from gatecrash.results.baseline import Baseline, KnownFailure
from gatecrash.results.exit_codes import (
    ExitCode,
    of_error,
    of_files,
    of_graded,
    of_points,
    of_record,
    of_replay,
    of_tests,
)
from gatecrash.results.record import RunRecord
from tests.ci_records import failure, record_of

MUST, SHOULD = failure("FORK-02"), failure("ACC-04")
HELD = Verdict("ACC-01", "pass")
LATE = Verdict("ACC-03", "inconclusive", "not tried: time", late=True)
UNPROVEN = Verdict("ACC-01", "inconclusive", "patience ran out")
UNREPEATED = replace(MUST, outcome="inconclusive")
MUTE = Contract.of(protocol="none", silence="seen")

RECORDS: list[tuple[str, RunRecord, ExitCode, ExitCode]] = [
    ("every rule holds", record_of(HELD), ExitCode.CONFORMS, ExitCode.CONFORMS),
    ("a MUST is broken", record_of(HELD, MUST), ExitCode.BROKEN, ExitCode.BROKEN),
    ("a SHOULD is broken", record_of(HELD, SHOULD), ExitCode.CONFORMS, ExitCode.BROKEN),
    ("a broken MUST says more than too little time", record_of(HELD, MUST, LATE), ExitCode.BROKEN, ExitCode.BROKEN),
    (
        "the baseline knows what is broken",
        record_of(HELD, MUST, baseline=Baseline((KnownFailure("FORK-02"),))),
        ExitCode.CONFORMS,
        ExitCode.CONFORMS,
    ),
    (
        "what the baseline knows holds again",
        record_of(HELD, baseline=Baseline((KnownFailure("ACC-01"),))),
        ExitCode.CONFORMS,
        ExitCode.BROKEN,
    ),
    ("there was no more time", record_of(HELD, LATE), ExitCode.TOO_LITTLE_SEEN, ExitCode.TOO_LITTLE_SEEN),
    ("a basic rule is unproven", record_of(UNPROVEN), ExitCode.TOO_LITTLE_SEEN, ExitCode.TOO_LITTLE_SEEN),
    (
        "a MUST was broken, and not again",
        record_of(HELD, UNREPEATED),
        ExitCode.TOO_LITTLE_SEEN,
        ExitCode.TOO_LITTLE_SEEN,
    ),
    ("nothing was judged", record_of(), ExitCode.TOO_LITTLE_SEEN, ExitCode.TOO_LITTLE_SEEN),
    ("it is mute", record_of(HELD, contract=MUTE), ExitCode.TOO_LITTLE_SEEN, ExitCode.TOO_LITTLE_SEEN),
    ("its user ended the run", record_of(MUST, interrupted=True), ExitCode.INTERRUPTED, ExitCode.INTERRUPTED),
    ("the fault is ours", record_of(MUST, fault="Traceback"), ExitCode.OUR_FAULT, ExitCode.OUR_FAULT),
    ("it did not build", record_of(error="cc: error"), ExitCode.NOT_STARTED, ExitCode.NOT_STARTED),
]


@pytest.mark.parametrize(("record", "code", "strict"), [row[1:] for row in RECORDS], ids=[row[0] for row in RECORDS])
def test_a_record_has_one_exit_code_and_one_under_strict(record: RunRecord, code: ExitCode, strict: ExitCode) -> None:
    assert (of_record(record, strict=False), of_record(record, strict=True)) == (code, strict)


@pytest.mark.parametrize("code", ExitCode)
def test_a_score_is_a_success_whatever_the_verdicts_are(code: ExitCode) -> None:
    assert of_graded(code, scored=True) == 0


@pytest.mark.parametrize("code", ExitCode)
def test_without_a_score_no_graded_run_is_a_success_or_reads_as_a_verdict(code: ExitCode) -> None:
    judged = code in (ExitCode.CONFORMS, ExitCode.BROKEN)
    assert of_graded(code, scored=False) == (ExitCode.OUR_FAULT if judged else code)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no such rule"), ExitCode.USAGE),
        (TargetError("it does not build"), ExitCode.NOT_STARTED),
        (TooSlow("it sleeps"), ExitCode.NOT_STARTED),
        (Unavailable("queues", "EPERM"), ExitCode.OUR_FAULT),
        (EngineFault("a step is not known"), ExitCode.OUR_FAULT),
        (GatecrashError("something"), ExitCode.OUR_FAULT),
        (KeyError("a bug"), ExitCode.OUR_FAULT),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (BrokenPipeError(), ExitCode.DONE),
        (SystemExit(2), ExitCode.USAGE),
        (SystemExit(0), ExitCode.DONE),
        (SystemExit(None), ExitCode.DONE),
    ],
    ids=lambda value: repr(value),
)
def test_an_error_has_the_code_of_whose_fault_it_is(error: BaseException, code: ExitCode) -> None:
    assert of_error(error) == code


def test_points_are_a_success_where_there_are_points() -> None:
    assert [of_points(scored=scored) for scored in (True, False)] == [ExitCode.DONE, ExitCode.OUR_FAULT]


def test_a_replay_fails_when_the_rule_is_broken_again() -> None:
    assert [of_replay(times) for times in (0, 1, 3)] == [ExitCode.CONFORMS, ExitCode.BROKEN, ExitCode.BROKEN]


@pytest.mark.parametrize(("record", "code", "strict"), [row[1:] for row in RECORDS], ids=[row[0] for row in RECORDS])
def test_pytest_ends_as_check_does(record: RunRecord, code: ExitCode, strict: ExitCode) -> None:
    assert of_tests(pytest.ExitCode.OK, record, strict=False) == code
    assert of_tests(pytest.ExitCode.OK, record, strict=True) == strict


@pytest.mark.parametrize("record", [record_of(HELD), record_of(HELD, LATE)], ids=["it conforms", "no more time"])
def test_a_test_that_failed_is_a_failed_test_though_no_rule_is_broken(record: RunRecord) -> None:
    assert of_tests(pytest.ExitCode.TESTS_FAILED, record, strict=True) == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("code", [code for code in pytest.ExitCode if code not in (0, 1)])
@pytest.mark.parametrize("record", [record_of(HELD), record_of(MUST)], ids=["it conforms", "a MUST is broken"])
def test_what_else_pytest_ends_with_is_its_own(code: int, record: RunRecord) -> None:
    assert of_tests(code, record, strict=True) == code


def test_the_readme_names_every_exit_code_and_no_other() -> None:
    readme = (tree_root() / "README.md").read_text(encoding="utf-8")
    sentence = readme[readme.index("Exit codes:") :].partition(". A broken MUST")[0]
    assert [int(number) for number in re.findall(r"(?:: |, )(\d) ", " ".join(sentence.split()))] == [*ExitCode]


@pytest.mark.parametrize("code", list(ExitCode))
def test_a_run_whose_files_could_not_be_written_is_no_success_and_else_what_it_is(code: ExitCode) -> None:
    assert of_files(code, written=True) == code
    assert of_files(code, written=False) == (ExitCode.USAGE if code == ExitCode.CONFORMS else code)
