"""The baseline: known failures fail nothing, a fixed one must go, and a file with a mistake runs nothing."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from gatecrash.errors import UsageError
from gatecrash.model.verdicts import Verdict
from gatecrash.paths import tree_root
from gatecrash.reports import terminal
from gatecrash.reports.words import closing
from gatecrash.results import exit_codes
from gatecrash.results.baseline import Baseline, KnownFailure, fingerprint
from gatecrash.results.baseline_file import read_baseline, to_be_written, written
from tests.ci_records import failure, record_of

HELD = Verdict("FORK-02", "pass")


def known(verdict: Verdict, reason: str = "") -> Baseline:
    return Baseline((KnownFailure(verdict.rule, fingerprint(verdict), reason),))


def test_a_known_failure_fails_nothing() -> None:
    record = record_of(failure(), Verdict("ACC-01", "pass"), baseline=known(failure()))
    assert [exit_codes.of_record(record, strict=strict) for strict in (False, True)] == [0, 0]
    assert list(record.excused) == ["FORK-02"]


def test_a_rule_that_is_broken_in_another_way_fails() -> None:
    other = failure(expected="all of them are reaped")
    assert exit_codes.of_record(record_of(other, baseline=known(failure())), strict=False) == 1


def test_without_a_fingerprint_every_way_is_known() -> None:
    other = failure(expected="all of them are reaped")
    assert exit_codes.of_record(record_of(other, baseline=Baseline((KnownFailure("FORK-02"),))), strict=False) == 0


def test_a_new_failure_beside_a_known_one_fails() -> None:
    assert exit_codes.of_record(record_of(failure(), failure("ACC-01"), baseline=known(failure())), strict=False) == 1


def test_a_rule_that_holds_again_is_named_and_fails_a_strict_run() -> None:
    record = record_of(HELD, baseline=known(failure()))
    assert [one.rule for one in record.fixed] == ["FORK-02"]
    assert [exit_codes.of_record(record, strict=strict) for strict in (False, True)] == [0, 1]


@pytest.mark.parametrize("outcome", ["inconclusive", "not_observable", "not_applicable"])
def test_what_was_not_judged_is_not_fixed(outcome: str) -> None:
    record = record_of(Verdict("FORK-02", outcome), Verdict("ACC-01", "pass"), baseline=known(failure()))  # type: ignore[arg-type]
    assert record.fixed == ()
    assert exit_codes.of_record(record, strict=True) == 0


def test_a_run_without_a_single_verdict_on_its_target_does_not_conform() -> None:
    unsure = [Verdict("FORK-02", "inconclusive"), Verdict("ACC-01", "not_observable")]
    assert exit_codes.of_record(record_of(*unsure), strict=False) == 5
    said = "was not judged: that it accepts and answers was not proven (ACC-01)"
    assert closing(record_of(*unsure), strict=False) == said
    assert closing(record_of(*unsure[:1]), strict=False) == "was not judged"


def test_what_could_not_be_seen_is_said_in_the_closing_sentence() -> None:
    held = Verdict("ACC-01", "pass")
    assert closing(record_of(held), strict=False) == "conforms"
    partly = record_of(held, Verdict("FORK-02", "not_observable"))
    assert closing(partly, strict=False) == "conforms as far as it could be seen"


def test_a_fault_of_ours_is_none_of_the_baselines_business() -> None:
    assert exit_codes.of_record(record_of(failure(), baseline=known(failure()), fault="bug"), strict=False) == 3


def test_the_fingerprint_leaves_out_numbers_bytes_and_clients() -> None:
    same = [failure(expected=text) for text in ('A gets "x" of 12 bytes', 'B gets "\\"y" of 7 bytes')]
    assert fingerprint(same[0]) == fingerprint(same[1]) != fingerprint(failure(expected="A gets nothing"))
    assert fingerprint(same[0]) != fingerprint(failure("ACC-01", expected='A gets "x" of 12 bytes'))


def test_the_json_report_says_what_was_excused_and_what_is_fixed() -> None:
    record = record_of(
        failure(),
        Verdict("ACC-01", "pass"),
        baseline=Baseline((*known(failure(), "why").known, KnownFailure("ACC-01"))),
    )
    said = json.loads(json.dumps(record.to_json()))["baseline"]
    assert [(one["rule"], one["reason"]) for one in said["known"]] == [("FORK-02", "why")]
    assert [one["rule"] for one in said["fixed"]] == ["ACC-01"]
    assert record_of(failure()).to_json()["baseline"] is None


def test_the_terminal_names_known_and_fixed_failures_and_explains_neither() -> None:
    console = Console(file=io.StringIO(), soft_wrap=True, highlight=False)
    record = record_of(
        failure(),
        Verdict("ACC-01", "pass"),
        baseline=Baseline((KnownFailure("FORK-02", None, "\x1b[1mlegacy"), KnownFailure("ACC-01"))),
    )
    terminal.failures(console, record, "")
    terminal.baseline(console, record)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "  FORK-02 known: Finished children are reaped (\\u001b[1mlegacy)",
        "  ACC-01 holds again: remove it from the baseline",
        "",
    ]


# -- the file -------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    baseline = Baseline((KnownFailure("ACC-01", None, 'a "quoted" reason\n\x7f'), *known(failure(), "").known))
    path = tmp_path / "known.toml"
    path.write_text(written(baseline))
    assert read_baseline(path) == baseline


def test_writing_again_keeps_reasons_and_what_was_not_judged_and_drops_what_holds() -> None:
    before = Baseline(
        (
            KnownFailure("ACC-01", None, "holds now"),
            KnownFailure("ACC-02", None, "not tried"),
            *known(failure(), "why").known,
        )
    )
    after = before.renewed([failure(), failure("RESP-27"), Verdict("ACC-01", "pass")])
    assert [(one.rule, one.reason) for one in after.known] == [
        ("ACC-02", "not tried"),
        ("FORK-02", "why"),
        ("RESP-27", ""),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[known]]\nrule = 'FROK-02'\n", ["line 2", "FROK-02", "FORK-02"]),
        ("\n[[known]]\nrule = 'FORK-02'\nreson = ''\n", ["line 4", '"reson"', "Did you mean reason?"]),
        ("[[known]]\nreason = ''\n", ["line 1", "has no rule"]),
        ("[[known]]\nrule = 2\n", ["line 2", "rule = 2", "text in quotes"]),
        ("[[known]]\nrule = 'FORK-02'\nfingerprint = 'xyz'\n", ["line 3", '"xyz"', "16 hexadecimal digits"]),
        ("[[known]]\nrule = 'FORK-02'\n[[known]]\nrule = 'fork-02'\n", ["line 3", "already known from line 1"]),
        ("# x\n[[knwon]]\nrule = 'FORK-02'\n", ["line 2", '"knwon"', "[[known]]"]),
        ("# x\nknown = 3\n", ["line 2", "[[known]]"]),
        ("# x\nknown = [{ rule = 'FROK-02' }]\n", ["line 2", "FROK-02"]),
        ("[[known]]\nrule = 'FORK-02'\n[known.more]\nrule = 2\n", ["line 3", '"more"']),
        ("[[known]\n", ["is not TOML"]),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "known.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_baseline(path)
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_a_file_that_is_no_baseline_is_not_overwritten(tmp_path: Path) -> None:
    source = tmp_path / "server.c"
    source.write_text("int main(void) { return 0; }\n")
    with pytest.raises(UsageError, match="is not TOML"):
        to_be_written(source)
    with pytest.raises(UsageError, match="there is no folder"):
        to_be_written(tmp_path / "no" / "known.toml")


@pytest.mark.slow
def test_the_command_writes_a_baseline_obeys_it_and_refuses_a_bad_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    server = str(tree_root() / "servers" / "faulty" / "never_reaps.py")

    def check(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "gatecrash", "check", server, "--only=FORK-02", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    wrote = check("--write-baseline=known.toml")
    assert wrote.returncode == 0, wrote.stdout + wrote.stderr
    assert re.search(r'rule = "FORK-02".*\nfingerprint = "[0-9a-f]{16}"', (tmp_path / "known.toml").read_text())
    again = check("--baseline=known.toml", "--strict")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "FORK-02 known: Finished children are reaped" in again.stdout
    (tmp_path / "known.toml").write_text("[[known]]\nrule = 'FORK-2'\n")
    refused = check("--baseline=known.toml")
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "known.toml, line 2: There is no rule 'FORK-2'. Did you mean" in refused.stderr
