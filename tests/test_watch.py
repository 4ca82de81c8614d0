"""`gatecrash watch`: what counts as a change, the board, and a server that is mended while it is watched."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from gatecrash.commands.changes import Changes, matters
from gatecrash.commands.watch import changed, watched
from gatecrash.model.verdicts import Finding, Verdict
from gatecrash.paths import tree_root
from gatecrash.reports.board import board
from gatecrash.rulebook import load
from tests.test_terminal_report import record_of


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/x/server.c", True),
        ("/x/Makefile", True),
        ("/x/gatecrash.toml", True),
        ("/x/server", False),
        ("/x/server.o", False),
        ("/x/.server.c.swp", False),
        ("/x/.#server.c", False),
        ("/x/#server.c#", False),
    ],
)
def test_only_sources_matter(path: str, expected: bool) -> None:
    assert matters(path) is expected


def test_a_file_that_was_saved_is_named(tmp_path: Path) -> None:
    with Changes(tmp_path) as changes:
        assert not changes.seen()
        (tmp_path / "server").write_text("what a build writes")
        (tmp_path / "server.c").write_text("int main(void) { return 0; }\n")
        assert changes.wait() == ("server.c",)


def test_the_board_has_a_mark_a_rule_and_the_broken_ones_in_words() -> None:
    rules = load().select(["ACC-01,ACC-02,STREAM-01"])
    got = "nothing\x1b[2J\u202e"
    verdicts = {
        "ACC-01": Verdict("ACC-01", "fail", finding=Finding("ACC-01", "an answer", got)),
        "STREAM-01": Verdict("STREAM-01", "pass"),
    }
    console = Console(file=io.StringIO(), width=100)
    console.print(board("server.c", rules, verdicts, doing=Text("  2 of 3")))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert said.startswith("server.c  2 of 3\n")
    assert "✓ holds  ✗ broken  ? not known  - does not apply  · not tried yet" in said
    assert "accept      ✗·" in said
    assert "stream      ✓" in said
    assert load().get("ACC-01").title in said
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_the_board_names_first_what_is_mended_first() -> None:
    rules = load().select(["ACC-04,FORK-02"])
    verdicts = {rule.id: Verdict(rule.id, "fail", finding=Finding(rule.id, "", "so")) for rule in rules}
    console = Console(file=io.StringIO(), width=100)
    console.print(board("server.c", rules, verdicts, order=("FORK-02", "ACC-04")))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert said.index("FORK-02") < said.index("ACC-04")
    assert "waiting for a file to be saved" in said


def test_what_was_mended_since_the_last_round_is_what_was_broken_and_holds() -> None:
    failed, passed, unseen = (Verdict("ACC-05", outcome) for outcome in ("fail", "pass", "inconclusive"))
    before = record_of(Verdict("ACC-01", "fail"), Verdict("ACC-02", "fail"), Verdict("ACC-04", "pass"), unseen)
    now = record_of(Verdict("ACC-01", "pass"), Verdict("ACC-02", "inconclusive"), Verdict("ACC-04", "fail"), failed)
    assert changed(before, now) == (["ACC-01"], ["ACC-04"], ["ACC-05"])
    assert changed(record_of(passed), record_of(failed)) == ([], ["ACC-05"], [])
    assert changed(now, now) == ([], [], [])


@pytest.mark.parametrize("target", ["server.c", "server.c {port} www", "'my server.c' {port}"])
def test_a_target_with_arguments_is_watched_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("server.c", "my server.c"):
        Path(name).write_text("")
    assert watched(target).is_file()


@pytest.mark.slow
def test_a_server_that_is_mended_is_judged_again(tmp_path: Path) -> None:
    servers = tree_root() / "servers"
    source = tmp_path / "server.py"
    source.write_text((servers / "faulty" / "echo_adds_newline.py").read_text())
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-P", "-m", "gatecrash", "watch", "server.py", "--only=STREAM-01,STREAM-02"]
    watching = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert watching.stdout is not None
        heard = _until(watching.stdout, "round 1")
        assert "STREAM-02" in heard
        assert "1 broken" in heard
        source.write_text("def :\n")
        assert "server.py" in _until(watching.stdout, "is not Python")
        source.write_text((servers / "python" / "echo_fork.py").read_text())
        assert "0 broken, 2 hold; conforms" in _until(watching.stdout, "round 3")
        assert "mended since then: STREAM-02" in _until(watching.stdout, "mended")
        watching.send_signal(signal.SIGINT)
        rest, _ = watching.communicate(timeout=30)
        assert watching.returncode == 0, rest
        assert "Traceback" not in rest
    finally:
        if watching.poll() is None:
            watching.kill()
            watching.wait()


def _until(lines: Iterable[str], words: str) -> str:
    heard = ""
    for line in lines:
        heard += line
        if words in line:
            return heard
    raise AssertionError(f"it ended without {words!r}:\n{heard}")


def test_what_cannot_be_watched_is_said(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "gatecrash", "watch", "127.0.0.1:80"]
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode == 4
    assert "watch needs one" in refused.stderr
