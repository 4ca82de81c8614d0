"""`gatecrash show` draws a failure of the last run from what was kept of it, and plays nothing again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from gatecrash import cli
from gatecrash.model.contract import Contract
from gatecrash.model.prepared import Prepared
from gatecrash.model.saved_transcript import MOST_KEPT
from gatecrash.model.scenario import Receive
from gatecrash.model.transcript import Got, Transcript
from gatecrash.model.verdicts import Finding, Verdict
from gatecrash.paths import tree_root
from gatecrash.results import last_run
from gatecrash.results.record import RunRecord, judgements
from gatecrash.rulebook import load
from tests.sequences import HOSTILE, UNSERVED, UNSERVED_FOUND, hostile, transcript


def broken(rule: str, played: Transcript, finding: Finding) -> Verdict:
    return Verdict(rule, "fail", finding=finding, scenario=played.scenario, transcript=played, confirmed=(3, 3))


HELD = Verdict("ACC-03", "pass")
BROKEN = broken("ACC-01", UNSERVED, UNSERVED_FOUND)


def keep(*verdicts: Verdict, named: str = "my server.c") -> None:
    rules = tuple(load().get(verdict.rule) for verdict in verdicts)
    prepared = Prepared("server.c", Contract(), {}, address="127.0.0.1:9157", arena="namespace")
    record = RunRecord("server.c", prepared, {}, judgements(verdicts, rules), 1.0, "quick", named=named)
    last_run.save(record, "/somewhere/server.c", None)


@pytest.fixture(autouse=True)
def _remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GATECRASH_LANG", "en")
    monkeypatch.setenv("COLUMNS", "200")
    keep(HELD, BROKEN)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():  # the command sets its own
        signal.signal(number, handler)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert cli.main(["show", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(["show", *arguments]) == 4
    return capsys.readouterr().err


def test_a_broken_rule_is_drawn_with_what_was_expected_and_what_came(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, "ACC-01")
    assert lines[0] == f"ACC-01  {load().get('ACC-01').title}"
    assert sum(line.startswith("!  ") for line in lines) == 2
    assert "got       B got not a byte" in lines
    assert "See it again: gatecrash replay ACC-01 'my server.c'" in lines


@pytest.mark.parametrize(("arguments", "most"), [((), 80), (("--width", "60"), 60), (("--width", "120"), 120)])
def test_the_picture_is_as_wide_as_asked_and_else_fits_80_columns(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], most: int
) -> None:
    lines = shown(capsys, "ACC-01", *arguments)
    picture = [line for line in lines if "│" in line or "┄" in line]
    assert most - 30 < max(map(cell_len, picture)) <= most


@pytest.mark.parametrize(("encoding", "expected"), [("ascii", "nothing more can come"), ("euc_kr", "더 올 것이 없음")])
def test_a_picture_is_in_english_where_the_terminal_lacks_the_language_s_letters(encoding: str, expected: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding, "GATECRASH_LANG": "ko"}
    command = [sys.executable, "-m", "gatecrash", "show", "ACC-01"]
    drawn = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True).stdout.decode(
        encoding
    )
    assert f"o {expected}" in drawn
    assert "실제" in drawn if encoding == "euc_kr" else "\\uc2e4\\uc81c" in drawn


def test_without_an_id_what_can_be_drawn_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys) == [
        "Broken:",
        f"  ACC-01    {load().get('ACC-01').title}",
        "Draw the first: gatecrash show ACC-01 'my server.c'",
    ]


def test_what_is_broken_is_listed_and_what_to_mend_first_is_first(capsys: pytest.CaptureFixture[str]) -> None:
    keep(broken("ACC-04", UNSERVED, UNSERVED_FOUND), BROKEN)  # a SHOULD, and a MUST
    lines = shown(capsys)
    assert lines[0] == "Broken, in the order in which to mend it:"
    assert [line.split()[0] for line in lines[1:3]] == ["ACC-01", "ACC-04"]
    assert lines[3] == "Draw the first: gatecrash show ACC-01 'my server.c'"


def test_a_run_that_broke_nothing_has_nothing_to_draw(capsys: pytest.CaptureFixture[str]) -> None:
    keep(HELD)
    assert shown(capsys) == ["The last run of server.c broke no rule: there is nothing to draw."]


def test_what_is_too_large_to_be_kept_is_said_with_the_command_that_plays_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    flood = transcript((Receive("B"), [Got(0, "B", bytes(MOST_KEPT + 1))]))
    keep(broken("ACC-01", flood, UNSERVED_FOUND))
    said = "What was seen is too large to be kept. Play it again: gatecrash replay ACC-01 'my server.c'"
    assert said in shown(capsys, "ACC-01")


def test_what_cannot_be_drawn_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert "the last run did not break ACC-03; it broke ACC-01." in refused(capsys, "ACC-03")
    assert "There is no rule 'ACC-1'. Did you mean" in refused(capsys, "ACC-1")
    assert "no run of nowhere.c is remembered" in refused(capsys, "ACC-01", "nowhere.c")
    assert "'3' is not a width; give columns, from 40 to 400" in refused(capsys, "ACC-01", "--width", "3")


def test_strangers_bytes_are_shown_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    keep(broken("ACC-01", *hostile(HOSTILE.replace("\ud800", ""))))  # JSON has no lone surrogates
    assert all(line.isprintable() for line in shown(capsys, "ACC-01"))


def test_a_real_failure_is_drawn_after_the_run_that_found_it(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONIOENCODING": "ascii"}
    server = str(tree_root() / "servers" / "faulty" / "never_answers.c")
    command = [sys.executable, "-m", "gatecrash"]
    check = [*command, "check", server, "--only", "RESP-01", "--jobs", "1"]
    checked = subprocess.run(check, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert f"Draw it: gatecrash show RESP-01 {server}" in checked.stdout
    drawn = subprocess.run(
        [*command, "show", "RESP-01"], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert drawn.stdout.isascii()
    assert "! " in drawn.stdout
    assert "blocked in recvfrom(4) *" in drawn.stdout
