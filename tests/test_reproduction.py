"""Stand-alone scripts: what is in them, what they refuse, what they find."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Fail, LetTimePass, Receive, Reset, Scenario, Send, scenario
from gatecrash.model.verdicts import Finding, Verdict
from gatecrash.paths import tree_root
from gatecrash.reproduction import NotAlone, alone, script, why_not_alone
from gatecrash.rulebook import load
from strategies.rude import odd_words
from tests.alone import status, written
from tests.sessions import session_of

ECHO = Contract(protocol="echo")
PLAYED = scenario(Connect("A"), Send("A", b"x\x00\xff"), Receive("A"))


def failing(rule: str, played: Scenario | None = PLAYED, got: str = "nothing", build: str = "plain") -> Verdict:
    return Verdict(rule, "fail", finding=Finding(rule, "all of it", got), scenario=played, build=build)


def test_a_script_is_one_file_of_the_standard_library() -> None:
    text = script(failing("STREAM-02"), load().get("STREAM-02"), ECHO, "server.c")
    imported = {
        alias.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= set(sys.stdlib_module_names)
    assert "gatecrash replay STREAM-02 server.c" in text


@pytest.mark.parametrize(
    "words", ['"""\nimport os; os._exit(9)\n"""', "\\", "\x1b[31m\u202e\x00", "\ud800", "x" * 10_000]
)
def test_words_of_a_hostile_server_stay_inside_the_docstring(words: str) -> None:
    tree = ast.parse(script(failing("STREAM-02", got=words), load().get("STREAM-02"), ECHO, words))
    assert isinstance(tree.body[0], ast.Expr)
    assert not any(isinstance(node, ast.Attribute) and node.attr == "_exit" for node in ast.walk(tree))


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (failing("ACC-07", scenario(Fail("accept", "EMFILE"), *PLAYED.steps)), "will fail with EMFILE"),
        (failing("FORK-06"), "instruments alone"),
        (failing("STREAM-02", None), "no scenario"),
        (failing("MEM-01", build="sanitized"), "sanitizers"),
        (failing("STREAM-02", scenario(Connect("A"), Send("A", bytes(3_000_000)), Receive("A"))), "more than a script"),
        (failing("STREAM-02", scenario(Connect("A"), Send("A", b"x"), Reset("A"))), "no client"),
    ],
)
def test_what_no_script_can_show_is_refused_with_the_command_that_can(verdict: Verdict, words: str) -> None:
    with pytest.raises(NotAlone, match=rf"{words}.*`gatecrash replay {verdict.rule} s.c` replays it exactly"):
        script(verdict, load().get(verdict.rule), ECHO, "s.c")
    assert why_not_alone(verdict, ECHO) is not None


ANSWERS = """
def serve(client):
    client.sendall(client.recv(99))
    client.close()
main(serve)
"""
COMMANDS = """
def serve(client):
    word = client.recv(99).strip()
    if word != b"PING":
        {odd}
    client.sendall(b"PONG\\n")
    client.close()
main(serve)
"""


@pytest.mark.parametrize(("odd", "code"), [("sys.exit(1)", 1), ("client.sendall(b'what?\\n')", 0)])
def test_a_server_that_odd_bytes_end_is_shown_by_a_script(tmp_path: Path, odd: str, code: int) -> None:
    contract = Contract(protocol="none")
    verdict = failing("LIFE-12", odd_words(contract, [b"x\n", b"\xff"]))
    path = written(verdict, contract, tmp_path)
    assert path is not None
    with session_of(tmp_path, COMMANDS.format(odd=odd), contract, arena="loopback") as session:
        found, said = status(path, session, times=1)
    assert found == code, said
    assert ("it has ended" in said) is (code == 1)


def test_a_script_lets_time_pass_for_real_and_says_how_long(tmp_path: Path) -> None:
    played = scenario(Connect("A"), LetTimePass(0.2), Send("A", b"x\n"), Receive("A"))
    path = written(failing("STREAM-02", played), ECHO, tmp_path)
    assert path is not None
    with session_of(tmp_path, ANSWERS, ECHO, arena="loopback") as session:
        found, said = status(path, session, times=1)
    assert found == 0, said
    assert "0.2 s pass for the server" in said
    assert "waiting 0.2 seconds" in said


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("got", "wrong"),
    [
        (WHOLE, None),
        (WHOLE + b"x", "behind the end"),
        (WHOLE[:-1], "shorter"),
        (WHOLE.replace(b"\r\n", b"\n"), "line feed"),
        (WHOLE.replace(b"200 OK", b"abc"), "status line"),
        (WHOLE.replace(b": 2", b": two"), "length"),
        (WHOLE.replace(b"Content-Length", b"Content Length"), "header section"),
        (WHOLE[:30], "empty line"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz", "shorter"),
    ],
)
def test_what_a_script_finds_ill_formed(got: bytes, wrong: str | None) -> None:
    client = alone.Client.__new__(alone.Client)
    client.sent, client.got, client.end, client.silent = b"GET / HTTP/1.1\r\n\r\n", got, "FIN", False
    found = alone.ill_formed(client)  # type: ignore[no-untyped-call]
    assert (wrong in found) if wrong else found is None


def test_the_command_writes_a_script_for_the_last_run(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def gatecrash(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "gatecrash", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    target = str(tree_root() / "servers" / "faulty" / "echo_adds_newline.py")
    assert gatecrash("check", target, "--only=STREAM").returncode == 1
    written = gatecrash("repro", "STREAM-02")
    assert written.returncode == 0, written.stderr
    assert (tmp_path / "repro_stream_02.py").read_text().startswith("#!/usr/bin/env python3\n")
    assert gatecrash("repro", "STREAM-02", target, "-o", "-").stdout == (tmp_path / "repro_stream_02.py").read_text()
    refused = gatecrash("repro", "STREAM-02", "-o", "no/such/folder/x.py")
    assert (refused.returncode, "cannot be written" in refused.stderr) == (4, True)
    assert gatecrash("repro", "STREAM-01").returncode == 4
