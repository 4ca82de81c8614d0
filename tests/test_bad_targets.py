"""A target that cannot be judged gets one plain sentence, the next step, the right exit code, and no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gatecrash import cli
from gatecrash.target.compilers import find_compiler


def gatecrash(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a user types it, in `folder`."""
    command = [sys.executable, "-P", "-m", "gatecrash", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        pytest.param(
            "import sys\nprint('no config')\nsys.exit(3)\n", 6, ["exited with status 3", "no config"], id="exits"
        ),
        pytest.param(
            "port = int(input('Enter the port: '))\n",
            6,
            ["It waits for words on its standard input", "argv[1]", "Enter the port:"],
            id="asks for its port",
        ),
        pytest.param(
            "import signal\nsignal.pause()\n",
            6,
            ["listens on no port (8 s at most were waited)", "listen()"],
            id="never-listens",
        ),
        pytest.param("def broken(:\n", 6, ["server.py", "line 1"], id="syntax-error"),
        pytest.param("import os\nos.abort()\n", 6, ["ended by SIGABRT"], id="aborts"),
    ],
)
def test_a_program_that_does_not_come_to_listen(tmp_path: Path, program: str, code: int, words: list[str]) -> None:
    (tmp_path / "server.py").write_text(program)
    done = gatecrash(tmp_path, "check", "server.py")
    assert done.returncode == code
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.skipif(find_compiler(".c") is None, reason="no C compiler here")
def test_the_compilers_errors_are_shown_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "server.c").write_text("int main(void) { return undeclared_name; }\n")
    done = gatecrash(tmp_path, "check", "server.c")
    assert done.returncode == 6
    assert "undeclared_name" in done.stderr
    assert "server.c:1" in done.stderr


def test_a_target_that_does_not_exist_names_the_near_one(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text("")
    done = gatecrash(tmp_path, "check", "sevrer.py")
    assert done.returncode == 4
    assert "does not exist" in done.stderr
    assert "server.py" in done.stderr


def test_a_server_that_is_not_running(tmp_path: Path) -> None:
    done = gatecrash(tmp_path, "check", "127.0.0.1:1")
    assert done.returncode == 6
    assert "nothing takes connections at 127.0.0.1:1" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "--only", "ACC-999"], ["ACC-999"]),
        (["check", "--only", ""], ["'' names no rule", "accept", "fork"]),
        (["check", "--skip", " "], ["' ' names no rule", "accept", "fork"]),
        (["check", "--profile", "hasty"], ["hasty", "quick"]),
        (["check", "--jobs", "0"], ["--jobs", "1 to 256"]),
        (["check", "--report", "yaml=x"], ["yaml", "json"]),
        (["explain", "ACC-2"], ["ACC-2", "ACC-02"]),
        (["replay", "ACC-01", "nothing.c"], ["no run of nothing.c is remembered"]),
        (["serve", "http_frok"], ["http_frok", "http_fork"]),
        (["chekc"], ["chekc"]),
    ],
)
def test_a_mistyped_command_names_what_was_wrong(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    done = gatecrash(tmp_path, *arguments)
    assert done.returncode == 4
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr


def test_a_contract_with_mistakes_names_file_line_key_and_what_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text("")
    (tmp_path / "gatecrash.toml").write_text("[contract]\nprotocol = 'htpp'\nconcurency = 'fork'\n")
    done = gatecrash(tmp_path, "check", "server.py")
    assert done.returncode == 4
    for word in ("gatecrash.toml", "line 2", "htpp", "http", "line 3", "concurency", "concurrency"):
        assert word in done.stderr, done.stderr


def test_a_fault_of_ours_never_reads_as_a_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(options: object) -> int:
        raise ZeroDivisionError("a bug of ours\x1b[31m")

    monkeypatch.setattr("gatecrash.commands.rules.run", fails)
    assert cli.main(["rules"]) == 3
    said = capsys.readouterr().err
    assert "Gatecrash itself failed: ZeroDivisionError" in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        pytest.param(
            "import sys\nprint('Usage: server PORT FOLDER')\nsys.exit(2)\n",
            ["says how it is called", "--args '{port} www'", "Usage: server PORT FOLDER"],
            id="usage",
        ),
        pytest.param(
            "import sys\nprint(sys.argv[2])\n", ["an argument that nobody gave", "--args '{port} www'"], id="argv"
        ),
        pytest.param(
            "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n",
            ["was ended by SIGSEGV", "an argument that nobody gave", "--args '{port} www'"],
            id="segfault",
        ),
        pytest.param("raise SystemExit(3)\n", ["If it takes more than its port"], id="silent"),
    ],
)
def test_a_program_that_lacks_arguments_is_told_how_to_get_them(tmp_path: Path, program: str, words: list[str]) -> None:
    (tmp_path / "server.py").write_text(program)
    done = gatecrash(tmp_path, "check", "server.py")
    assert done.returncode == 6
    assert "It was started as `python" in done.stderr
    assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize("arguments", [["python3 server.py"], ["server.py", "--args", "www"]], ids=["typed", "--args"])
def test_who_left_the_port_out_is_told_where_it_goes(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "server.py").write_text("import sys\nraise SystemExit(0 if '9157' in sys.argv else 2)\n")
    done = gatecrash(tmp_path, "check", *arguments)
    assert done.returncode == 6
    assert "It was given no port: a program that takes one as an argument wants {port} where it goes." in done.stderr


def test_who_gave_arguments_is_not_told_that_they_are_lacking(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text("raise SystemExit(3)\n")
    done = gatecrash(tmp_path, "check", "server.py", "--args", "{port} www")
    assert "server.py {port} www`." in done.stderr
    assert "--args" not in done.stderr
