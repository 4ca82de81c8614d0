"""GitHub's job summary and workflow commands: escaped as the runner and its Markdown want, within their bounds."""

from __future__ import annotations

import re

import pytest

from gatecrash.model.verdicts import Verdict
from gatecrash.reports import github_annotations, github_summary
from gatecrash.results.baseline import Baseline, KnownFailure
from gatecrash.rulebook import load
from tests.ci_records import HOSTILE, every_kind, failure, hostile, record_of

_COMMAND = re.compile(r"::(?P<kind>error|warning|notice) (?P<facts>[^:]*)::(?P<message>[^\r\n]*)")


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """As the runner reads them: kind, properties, message."""
    found = []
    for line in text.splitlines():
        one = _COMMAND.fullmatch(line)
        assert one is not None, line
        facts = dict(fact.split("=", 1) for fact in one["facts"].split(","))
        found.append((one["kind"], {key: _read(value) for key, value in facts.items()}, _read(one["message"])))
    return found


def _read(text: str) -> str:
    for code, character in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(code, character)
    return text


def test_a_broken_rule_is_marked_at_the_source_and_advice_is_a_warning() -> None:
    found = commands(github_annotations.render(every_kind()))
    assert [kind for kind, _, _ in found] == ["error", "warning", "error"]
    facts = found[0][1]
    assert (facts["file"], facts["line"]) == ("server.c", "1")
    assert facts["title"] == "FORK-02 MUST: Finished children are reaped"
    assert "gatecrash explain FORK-02" in found[0][2]


def test_ten_errors_are_shown_the_must_first_and_the_last_counts_the_rest() -> None:
    broken = [failure(rule.id) for rule in load().rules if rule.level != "MAY"]
    found = commands(github_annotations.render(record_of(*broken, strict=True)))
    assert [kind for kind, _, _ in found] == ["error"] * 10
    assert all(" MUST: " in facts["title"] for _, facts, _ in found[:9])
    assert f"{len(broken) - 9} broken rules more" in found[-1][2]


def test_a_conforming_run_is_a_notice() -> None:
    assert [kind for kind, _, _ in commands(github_annotations.render(record_of(Verdict("ACC-01", "pass"))))] == [
        "notice"
    ]


def test_a_known_failure_is_a_notice_and_a_fixed_one_is_named() -> None:
    baseline = Baseline((KnownFailure("FORK-02", None, "legacy"), KnownFailure("ACC-01")))
    found = commands(github_annotations.render(record_of(failure(), Verdict("ACC-01", "pass"), baseline=baseline)))
    assert [kind for kind, _, _ in found] == ["notice", "notice"]
    assert "ACC-01 holds again: remove it from the baseline" in found[-1][2]


def test_no_stranger_gives_the_runner_a_command() -> None:
    text = github_annotations.render(hostile())
    found = commands(text)
    assert [kind for kind, _, _ in found] == ["error", "error", "warning", "error"]
    assert not {"\x1b", "\x00", "\u202e", "\r", "\ud800"} & set(text)
    assert len(text) < 50_000


@pytest.mark.parametrize("mark", ["%", "\r", "\n", ":", ","])
def test_what_a_property_cannot_hold_is_escaped_and_read_again(mark: str) -> None:
    (_, facts, _), *_ = commands(github_annotations.render(record_of(failure(), source=f"a{mark}b.c")))
    assert facts["file"] == f"a{mark}b.c".replace("\r", "\\u000d")


def test_the_summary_has_a_row_for_each_area_and_a_part_for_each_broken_rule() -> None:
    text = github_summary.render(every_kind())
    assert "| fork | 0 | 1 | 0 | 0 | 1 |" in text
    assert text.count("<details>") == text.count("</details>") == 2
    assert "does not conform" in text


def test_the_summary_says_what_is_known_and_what_is_fixed() -> None:
    baseline = Baseline((KnownFailure("FORK-02", None, "legacy"), KnownFailure("ACC-01")))
    text = github_summary.render(record_of(failure(), Verdict("ACC-01", "pass"), baseline=baseline))
    assert "known failure" in text
    assert "legacy" in text
    assert "- ACC-01 holds again: remove it from the baseline." in text


def test_the_summary_of_a_build_that_failed_shows_the_compilers_words() -> None:
    text = github_summary.render(record_of(error="server.c:1: error: ```x"))
    assert "did not build" in text
    assert "````text\nserver.c:1: error: ```x\n````" in text


def test_a_stranger_writes_no_tag_no_link_no_fence_and_no_heading_into_the_summary() -> None:
    text = github_summary.render(hostile())
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert "<script" not in outside
    assert re.search(r"(?<!\\)\]\(|(?<!\\)```|(?<!\\)@", outside) is None
    assert outside.count("</details>") == 2
    assert [line for line in outside.splitlines() if line.startswith("#")] == [text.splitlines()[0]]
    assert not {"\x1b", "\x00", "\u202e", "\r", "\ud800"} & set(text)


def test_a_summary_stays_below_a_mebibyte_and_counts_what_finds_no_room() -> None:
    broken = [failure(rule.id, got=(HOSTILE + "`" * 6) * 300, line="\u202e" * 9000) for rule in load().rules]
    text = github_summary.render(record_of(*broken * 1, strict=True))
    assert len(text.encode()) < 2**20
    assert text.count("<details>") + int((re.search(r"(\d+) broken rules more", text) or ["0", "0"])[1]) == len(broken)
