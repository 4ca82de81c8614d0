"""What Gatecrash prints as a command is pasted into a shell, and does there what it says."""

from __future__ import annotations

import ast
import html
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gatecrash import shell
from gatecrash.errors import UsageError
from gatecrash.paths import tree_root
from gatecrash.results import last_run
from gatecrash.target.resolve import resolve

_SERVER = tree_root() / "servers" / "faulty" / "echo_adds_newline.py"
_CODES = {"replay": 1, "check": 1, "show": 0, "explain": 0, "repro": 0}
_COMMAND = re.compile(r"(?:^|: )\s*(gatecrash (?:replay|show|check|explain) .*)$", re.MULTILINE)


@dataclass(frozen=True)
class Desk:
    """A folder to work in, with `gatecrash` in the PATH of its shell."""

    folder: Path
    environment: dict[str, str]

    def pasted(self, line: str) -> subprocess.CompletedProcess[str]:
        """The line, typed into a shell."""
        return subprocess.run(
            ["sh", "-c", line],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    for name in ("bin", "a desk"):
        (tmp_path / name).mkdir()
    program = tmp_path / "bin" / "gatecrash"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m gatecrash "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "COLUMNS": "80", "GATECRASH_LANG": "en"}
    return Desk(tmp_path / "a desk", {**os.environ, **cache, "PATH": path})


def a_file(desk: Desk, name: str) -> None:
    (desk.folder / name).write_text(_SERVER.read_text())


def a_program(desk: Desk, name: str) -> None:
    (desk.folder / name).write_text(f"#!{sys.executable}\n{_SERVER.read_text()}")
    (desk.folder / name).chmod(0o755)


def a_folder(desk: Desk, name: str) -> None:
    (desk.folder / name).mkdir()
    (desk.folder / name / "s.py").write_text(_SERVER.read_text())
    (desk.folder / name / "gatecrash.toml").write_text('[target]\ncommand = "python3 s.py {port}"\n')


_TARGETS = {
    "a file with a quote, two spaces and a variable": (a_file, "my  server's $HOME.py", "my  server's $HOME.py", ()),
    "a command with a port and arguments": (a_program, "run it", "'./run it' {port} 'two words'", ()),
    "a folder": (a_folder, "a folder", "a folder/", ()),
    "a contract elsewhere": (a_file, "s.py", "s.py", ("--contract", "my promises.toml")),
    "a file that looks like an option": (a_file, "-s.py", "-s.py", ()),
    "letters of others and a tab": (a_file, "서버\t1.py", "서버\t1.py", ()),
}


@pytest.mark.slow
@pytest.mark.parametrize(("make", "made", "target", "options"), _TARGETS.values(), ids=_TARGETS)
def test_every_command_of_a_report_pastes(
    make: object, made: str, target: str, options: tuple[str, ...], desk: Desk
) -> None:
    assert callable(make)
    make(desk, made)
    (desk.folder / "my promises.toml").write_text('[contract]\nprotocol = "echo"\n')
    reports = ("--report", "junit=j.xml", "--report", "html=h.html")
    check = shell.command("check", target=target, options=(*options, *reports, "--only", "STREAM-02"))
    run = desk.pasted(check)
    assert run.returncode == 1, run.stdout + run.stderr
    commands = list(dict.fromkeys(_COMMAND.findall(run.stdout)))
    assert {command.split()[1] for command in commands} == {"replay", "show", "explain", "check"}
    for command in [*commands, shell.command("repro", "STREAM-02", target=target)]:
        again = desk.pasted(command)
        assert again.returncode == _CODES[command.split()[1]], f"{command}\n{again.stdout}{again.stderr}"
    told = set(commands)
    junit = "".join(ElementTree.parse(desk.folder / "j.xml").getroot().itertext())
    assert set(_COMMAND.findall(junit)) <= told
    page = html.unescape((desk.folder / "h.html").read_text())
    assert set(re.findall(r"(gatecrash replay [^<\n]*)<", page)) == {one for one in told if " replay " in one}
    script = ast.get_docstring(ast.parse((desk.folder / "repro_stream_02.py").read_text())) or ""
    assert [one for one in told if " replay " in one] == re.findall(
        r"^Gatecrash proves it: (.*)$", script, re.MULTILINE
    )


@pytest.mark.slow
def test_without_a_target_it_is_the_last_run_of_this_folder_and_it_is_named(desk: Desk) -> None:
    elsewhere = desk.folder / "elsewhere"
    elsewhere.mkdir()
    a_file(desk, "one.py")
    (elsewhere / "two.py").write_text(_SERVER.read_text())
    assert desk.pasted("gatecrash check one.py --only STREAM-02").returncode == 1
    assert desk.pasted("cd elsewhere && gatecrash check two.py --only STREAM-02").returncode == 1
    for command, code in (("show", 0), ("show STREAM-02", 0), ("replay STREAM-02", 1), ("points", 0)):
        for place, name in ((".", "one.py"), ("elsewhere", "two.py")):
            run = desk.pasted(f"cd {place} && gatecrash {command}")
            assert run.returncode == code, run.stdout + run.stderr
            assert re.match(rf"The run of {name}, \d\d:\d\d:\n", run.stderr)
    run = desk.pasted("mkdir empty && cd empty && gatecrash show")
    assert run.returncode == 4
    assert f"The last one was of two.py, in {elsewhere}" in run.stderr


def test_a_command_is_another_server_in_each_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = last_run._file("./server {port}")
    assert last_run._file("127.0.0.1:80") != here
    (tmp_path / "other").mkdir()
    everywhere = [last_run._file(name) for name in ("/a/server.c", "localhost:80")]
    monkeypatch.chdir(tmp_path / "other")
    assert last_run._file("./server {port}") != here
    assert [last_run._file(name) for name in ("/a/server.c", "localhost:80")] == everywhere


@pytest.mark.parametrize("text", ["", "a b", "it's", "$x `y` \\", "\t\n|", "100%\x1b[31m", "서버", "{port}", "\udcff"])
def test_a_word_is_one_word_to_a_shell_and_can_be_shown(text: str) -> None:
    word = shell.word(text)
    assert word.isprintable()
    run = subprocess.run(["sh", "-c", f"printf %s {word}"], capture_output=True, check=True)
    assert run.stdout == os.fsencode(text)


def test_a_near_name_can_be_typed_as_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my server.py").write_text("")
    with pytest.raises(UsageError, match=r"Did you mean 'my server\.py'\?"):
        resolve("my servr.py")
