"""`gatecrash explain`: a rule by its id, or by words of its title, its mistakes, or all it says."""

from __future__ import annotations

import pytest

from gatecrash import cli


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert cli.main(["explain", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_a_word_finds_the_rules_that_speak_of_it_and_those_of_its_title_come_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = explained(capsys, "zombie")
    assert lines[0] == "FORK-02   Finished children are reaped"
    assert "FORK-03   Children that finish together are all reaped" in lines
    assert lines[-1] == "Read one: gatecrash explain FORK-02"
    assert explained(capsys, "queue")[0].startswith("ACC-")
    assert "queue" in explained(capsys, "queue")[0]


@pytest.mark.parametrize(
    ("words", "rule"), [(["SIGPIPE"], "LIFE-06"), (["short", "write"], "RESP-11"), (["strlen"], "STREAM-02")]
)
def test_words_of_a_mistake_or_of_a_source_find_it_and_several_words_stand_together(
    words: list[str], rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert any(line.startswith(rule) for line in explained(capsys, *words))


def test_korean_words_and_english_ones_are_found_in_korean(capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("좀비", "zombie"):
        assert explained(capsys, word, "--lang", "ko")[0] == "FORK-02   끝난 자식을 회수한다"


def test_two_ids_are_two_rules_and_one_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert [line.split()[0] for line in explained(capsys, "acc-01", "ACC-02")] == ["ACC-01", "ACC-02", "Read"]
    assert "Why" in explained(capsys, "acc-01")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["zombei"], "No rule speaks of zombei. Did you mean zombie"),
        (["qqqqqq"], "No rule speaks of qqqqqq. `gatecrash rules` lists them all."),
        (["ACC-2"], "Did you mean ACC-"),
        (["zombie", "ACC-02"], "There is no rule 'zombie'."),
    ],
)
def test_what_nobody_speaks_of_is_refused_with_what_is_near(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explain", *words]) == 4
    assert told in capsys.readouterr().err
