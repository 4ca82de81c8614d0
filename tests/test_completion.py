"""The Tab key in a real bash, and what a mistyped word is answered with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gatecrash import cli
from gatecrash.commands.completion import SHELLS

#: What bash does when Tab is pressed behind the words it is given (bash(1), Programmable Completion).
_TAB = """
source "$0"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
completer=$(complete -p gatecrash | sed 's/.*-F \\([^ ]*\\).*/\\1/')
"$completer" gatecrash "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(folder: Path, script: str, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    (folder / "completion.bash").write_text(script)
    bash = shutil.which("bash")
    assert bash is not None
    command = [bash, "--norc", "-c", _TAB, "completion.bash", "gatecrash", *words]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    assert run.stderr == ""
    return [line.strip() for line in run.stdout.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def script() -> str:
    command = [sys.executable, "-P", "-m", "gatecrash", "completion", "bash"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ex"], {"explain"}),
        (["explain", "FORK-0"], {"FORK-01", "FORK-02"}),
        (["show", "RESP-0"], {"RESP-01"}),
        (["check", "--pro"], {"--profile"}),
        (["check", "--profile", "qu"], {"quick"}),
        (["check", "--only", "strea"], {"stream"}),
        (["check", "--report", "jun"], {"junit="}),
        (["serve", "c/http_f"], {"c/http_fork"}),
        (["completion", "z"], {"zsh"}),
        (["check", "my"], {"my_server.c"}),
    ],
)
def test_a_real_bash_completes(words: list[str], offered: set[str], script: str, tmp_path: Path) -> None:
    (tmp_path / "my_server.c").write_text("")
    assert offered <= set(completed(tmp_path, script, *words))


@pytest.mark.parametrize("name", SHELLS)
def test_every_shell_has_a_script_that_it_can_read(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["completion", name]) == 0
    text = capsys.readouterr().out
    for word in ("FORK-02", "explain", "--profile", "c/http_fork"):
        assert word.lstrip("-") in text
    program = shutil.which(name)
    if program is not None:  # zsh and fish are not everywhere
        (tmp_path / "script").write_text(text)
        run = subprocess.run([program, "-n", "script"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chekc", "x.c"], "Did you mean check?"),
        (["check", "x.c", "--onyl", "ACC-01"], "does not take --onyl. Did you mean --only?"),
        (["check", "x.c", "--profile", "quikc"], "Did you mean quick?"),
        (["check", "x.c", "www"], "It takes one target. Words for the server are its arguments: --args '{port} www'"),
        (["show", "ACC-01", "x.c", "y z.c"], "gatecrash show does not take 'y z.c'."),
        (["doctor", "me"], "`gatecrash doctor --help` shows what it takes."),
        (["rules", "--zzzz"], "`gatecrash rules --help` lists the options."),
        (["completion", "bsh"], "Did you mean bash?"),
    ],
)
def test_a_mistyped_word_is_answered_with_what_was_meant(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 4
    assert told in capsys.readouterr().err
