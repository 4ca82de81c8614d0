"""Stand-alone scripts: what is in them, what they refuse, what they find."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    Fail,
    Freeze,
    HalfClose,
    LetTimePass,
    LiftLimit,
    LimitDescriptors,
    Receive,
    ReceiveDatagrams,
    Reset,
    Scenario,
    Send,
    SendDatagram,
    Settle,
    Signal,
    Thaw,
    scenario,
)
from gatecrash.model.transcript import Ended, Got, TimePassed, Transcript
from gatecrash.model.verdicts import Finding, Verdict
from gatecrash.paths import tree_root
from gatecrash.reproduction import NotAlone, pieces, script, why_not_alone
from gatecrash.reproduction.form import FINDERS
from gatecrash.reproduction.literals import literal
from gatecrash.reproduction.script import PLAYABLE
from gatecrash.rulebook import load
from strategies.rude import odd_words
from tests.alone import status, unused, written
from tests.sessions import session_of

ECHO = Contract(protocol="echo")
PLAYED = scenario(Connect("A"), Send("A", b"x\x00\xff"), Receive("A"))


def failing(rule: str, played: Scenario | None = PLAYED, got: str = "nothing", build: str = "plain") -> Verdict:
    return Verdict(rule, "fail", finding=Finding(rule, "all of it", got), scenario=played, build=build)


def test_a_script_is_one_file_of_the_standard_library() -> None:
    text = script(failing("STREAM-02"), load().get("STREAM-02"), ECHO, "server.c")
    nodes = list(ast.walk(ast.parse(text)))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
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
        (failing("TIME-04", scenario(LetTimePass(600.0), *PLAYED.steps)), "it lets 10 minutes pass"),
        (failing("TIME-10"), "measured by the server's own clock"),
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
    assert "waiting 0.2 seconds" in said
    assert "\nIt waits for 0.2 s in between.\n" in path.read_text()


def test_a_script_waits_for_as_long_as_a_time_limit_took_that_ended_the_waiting() -> None:
    served = Transcript(PLAYED, (Got(0, "A", b"x"), TimePassed(1, 9.7), Ended(1, "A", "FIN")))
    text = script(replace(failing("STREAM-02"), transcript=served), load().get("STREAM-02"), ECHO)
    assert "\nWAIT = 12 " in text
    let_pass = scenario(*PLAYED.steps, LetTimePass(9.7))
    text = script(replace(failing("STREAM-02", let_pass), transcript=served), load().get("STREAM-02"), ECHO)
    assert "\nWAIT = 3 " in text


ANSWERS_WHEN_IT_HAS_READ = """
def serve(client):
    data = client.recv(99)
    while {more}:
        data += client.recv(99)
    client.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nok")
    client.close()
main(serve)
"""


@pytest.mark.parametrize(("more", "code"), [("False", 1), ("data[-4:] != b'\\r\\n\\r\\n'", 0)], ids=["once", "all"])
def test_a_script_sees_an_answer_that_comes_in_a_pause(tmp_path: Path, more: str, code: int) -> None:
    halves = (Send("A", b"GET / HTTP/1.0\r\n"), LetTimePass(0.3), Send("A", b"\r\n"))
    verdict = failing("TIME-11", scenario(Connect("A"), *halves, Receive("A")))
    contract = Contract.of(protocol="http")
    path = written(verdict, contract, tmp_path)
    assert path is not None
    with session_of(tmp_path, ANSWERS_WHEN_IT_HAS_READ.format(more=more), contract, arena="loopback") as session:
        found, said = status(path, session, times=1)
    assert found == code, said
    assert ("gets nothing before it has sent all of its request" in said) is (code == 1)


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("rule", "got", "end"),
    [
        ("RESP-04", WHOLE.replace(b"200 OK", b"abc"), ""),
        ("RESP-05", WHOLE.replace(b"\r\n", b"\n"), ""),
        ("RESP-05", WHOLE.replace(b"\r\n\r\n", b"\r\n\n"), ""),
        ("RESP-06", WHOLE.replace(b"Content-Length", b"Content Length"), ""),
        ("RESP-06", WHOLE[:30], ""),
        ("RESP-07", WHOLE[:-1], ""),
        ("RESP-08", WHOLE + b"x", ""),
        ("RESP-08", CHUNKED + b"x", ""),
        ("RESP-09", WHOLE.replace(b": 2", b": two"), ""),
        ("RESP-09", WHOLE.replace(b": 2", b": 2\r\nContent-Length: 3"), ""),
        ("RESP-09", WHOLE.replace(b"Content-Length: 2", b"Server: x"), "timed out"),
        ("RESP-09", CHUNKED[:-5] + b"zz", ""),
        ("RESP-10", WHOLE, ""),
        ("RESP-14", WHOLE.replace(b": 2", b": 2\r\nConnection: close"), "timed out"),
        ("RESP-15", WHOLE, "timed out"),
        ("RESP-23", WHOLE + WHOLE, ""),
    ],
)
def test_what_a_script_finds_ill_formed(rule: str, got: bytes, end: str) -> None:
    lines = "\n".join(FINDERS[rule]((got,)))
    assert found_wrong(lines, got, end)
    right = WHOLE[:-2] if rule == "RESP-10" else WHOLE
    assert not found_wrong(lines, right, "the server closed")
    if rule in ("RESP-04", "RESP-05", "RESP-06", "RESP-09"):
        assert not found_wrong(lines, CHUNKED, "the server closed")


def found_wrong(lines: str, got: bytes, end: str) -> bool:
    """Whether these lines of a script fail for what came for a client."""
    failures: list[str] = []
    names = {**vars(pieces), "got": got, "end": end, "fail": lambda expected, got: failures.append(got)}
    exec(lines, names)
    return bool(failures)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a" * 33,
        b"GET / " + b"x" * 5000 + b"\r\n\r\n",
        bytes(range(256)),
        b"hello\n" * 85 + b"hel",
        b"".join(b"%07d " % number for number in range(999))[:7000] + b"\n",
        b'"quoted" \\ and {braced}' * 2,
    ],
)
def test_bytes_are_said_short_and_exactly(data: bytes) -> None:
    lines = literal(data)
    assert eval(f"({chr(10).join(lines)})") == data
    assert all(len(line) < 110 for line in lines)
    assert len(lines) < 12


#: A correct server for each kind of client, and one that breaks what is looked at.
ECHOES = """
def serve(client):
    try:
        while data := client.recv(99):
            client.sendall(data{change})
    except OSError:
        pass
    client.close()
main(serve)
"""
ECHOES_DATAGRAMS = """
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    data, client = server.recvfrom(99)
    server.sendto(data{change}, client)
"""
ASKED = (Connect("Z"), Send("Z", b"x\n"), Receive("Z"))
SAID = (SendDatagram("Z", b"x\n"), ReceiveDatagrams("Z"))
#: By the kind of the step that each is about.
PLAYED_BY_KIND: dict[str, Scenario] = {
    "connect": scenario(Connect("Z", small_window=True), *ASKED[1:]),
    "send": scenario(Connect("A"), Send("A", b"ab"), Send("A", b"c\n", until_read=False), Receive("A")),
    "receive": scenario(Connect("A"), Send("A", b"abc"), Receive("A", at_most=2), Receive("A", "silence")),
    "half-close": scenario(Connect("A"), Send("A", b"abc"), HalfClose("A"), Receive("A", "end")),
    "close": scenario(Connect("A"), Close("A"), *ASKED),
    "reset": scenario(Connect("A"), Reset("A"), *ASKED),
    "send-datagram": scenario(SendDatagram("A", b"a"), ReceiveDatagrams("A"), *SAID),
    "receive-datagrams": scenario(*SAID, SendDatagram("Z", b"b"), ReceiveDatagrams("Z", count=None)),
    "freeze": scenario(Freeze(), *ASKED[:2], Thaw(), *ASKED[2:]),
    "thaw": scenario(*ASKED[:2], Freeze("parent"), Thaw(), *ASKED[2:]),
    "signal": scenario(Settle(), Signal("parent", "SIGCONT"), Settle(within=0.1), *ASKED),
    "settle": scenario(*ASKED[:1], Settle(), *ASKED[1:], Settle()),
    "limit-descriptors": scenario(LimitDescriptors(9), *ASKED),
    "lift-limit": scenario(LimitDescriptors(0), LiftLimit(), *ASKED),
    "let-time-pass": scenario(*ASKED[:1], LetTimePass(0.1), *ASKED[1:]),
}


@pytest.mark.parametrize("kind", [step.kind for step in PLAYABLE])
def test_a_script_plays_every_kind_of_step_and_has_nothing_that_it_does_not_use(kind: str, tmp_path: Path) -> None:
    played = PLAYED_BY_KIND[kind]
    assert kind in {step.kind for step in played.steps}
    datagrams = any(isinstance(step, SendDatagram) for step in played.steps)
    contract = Contract(protocol="udp" if datagrams else "echo")
    path = written(failing("DGRAM-01" if datagrams else "STREAM-02", played), contract, tmp_path)
    assert path is not None
    assert unused(path.read_text()) == []
    program = ECHOES_DATAGRAMS if datagrams else ECHOES
    for change, expected in (("", 0), (" + b'!'", 1)):
        folder = tmp_path / str(expected)
        folder.mkdir()
        with session_of(folder, program.format(change=change), contract, arena="loopback") as session:
            found, said = status(path, session, times=1)
        assert found == expected, said
        assert ("was not broken this time" in said) is (expected == 0)
        assert ("expected  " in said and "got       " in said) is (expected == 1)


@pytest.mark.parametrize("kind", PLAYED_BY_KIND)
def test_a_script_pleases_a_strict_reader(kind: str, tmp_path: Path) -> None:
    datagrams = any(isinstance(step, SendDatagram) for step in PLAYED_BY_KIND[kind].steps)
    contract = Contract(protocol="udp" if datagrams else "echo")
    path = written(failing("DGRAM-01" if datagrams else "STREAM-02", PLAYED_BY_KIND[kind]), contract, tmp_path)
    rules = "--select=E,F,W,I,B,UP,SIM,C4,RET,PIE"
    for command in (["check", rules], ["format", "--check"]):
        run = subprocess.run(
            ["ruff", *command, "--isolated", "--no-cache", "--line-length=120", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr


def test_one_datagram_takes_a_short_script() -> None:
    text = script(failing("DGRAM-01", scenario(*SAID)), load().get("DGRAM-01"), Contract(protocol="udp"))
    body = text.split('"""')[2].split("WAIT = ")[1]
    assert len([line for line in body.splitlines() if line]) <= 15
    assert "def " not in text


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("::1:4711", "::1"),
        ("127.0.1.1:1", "127.0.1.1"),
        ("0.0.0.0:1", "127.0.0.1"),
        ("", "127.0.0.1"),
        (":::1", "127.0.0.1"),
    ],
)
def test_a_script_asks_where_the_server_listened(address: str, host: str) -> None:
    played = scenario(*SAID, SendDatagram("B", b""), ReceiveDatagrams("B"))
    streams = scenario(Connect("A"), *ASKED)
    for rule, protocol, steps in (("DGRAM-01", "udp", played), ("STREAM-02", "echo", streams)):
        text = script(failing(rule, steps), load().get(rule), Contract.of(protocol=protocol), "s.c", address)
        assert f'SERVER = ("{host}", int(' in text
        assert ("AF_INET6" in text) is (":" in host)


def test_clients_that_do_the_same_are_a_loop_and_those_that_stay_are_kept() -> None:
    leaving = scenario(*(step for n in range(1, 60) for step in (Connect(f"C{n}"), Receive(f"C{n}"), Close(f"C{n}"))))
    staying = scenario(*(step for name in "ABCDEFGH" for step in (Connect(name), Receive(name))))
    greeting = Contract(protocol="greeting")
    text = script(failing("ACC-01", leaving), load().get("ACC-01"), greeting)
    assert "for number in range(1, 60):\n    client = " in text
    text = script(failing("ACC-01", staying), load().get("ACC-01"), greeting)
    assert 'for name in "ABCDEFGH":\n    clients[name] = ' in text


@pytest.mark.slow
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


#: Two workers that accept. With `leaves`, one whose fellow has died ends as well: its end of a pipe is closed then.
TWO_WORKERS = """
def work(fellow):
    while True:
        client, _ = listener.accept()
        while data := client.recv(4096):
            if {leaves} and select.select([fellow], [], [], 0)[0]:
                os._exit(1)
            client.sendall(data)
        client.close()

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
pipes = [os.pipe(), os.pipe()]
for mine in (0, 1):
    if not os.fork():
        os.close(pipes[1 - mine][1])
        work(pipes[1 - mine][0])
for _, end in pipes:
    os.close(end)
os.wait()
os.wait()
"""
PREFORK = Contract.of(protocol="echo", concurrency="prefork", workers=2)
KILLED = scenario(
    *(Connect("A"), Send("A", b"all of it"), Settle("serving"), Signal("serving", "SIGKILL"), Settle("killed")),
    *(Connect("B"), Send("B", b"and I?"), Receive("B"), Close("B")),
)


@pytest.mark.parametrize(("leaves", "code"), [(False, 0), (True, 1)], ids=["one goes on", "all end"])
@pytest.mark.parametrize("who", ["serving", "accepting"])
def test_a_script_kills_one_worker_and_looks_at_the_next_client(
    tmp_path: Path, leaves: bool, code: int, who: Literal["serving", "accepting"]
) -> None:
    """Whose worker was killed is owed nothing."""
    waiting = (Settle("serving"), Signal("accepting", "SIGKILL"), *KILLED.steps[-5:])
    path = written(failing("FORK-15", KILLED if who == "serving" else scenario(*waiting)), PREFORK, tmp_path)
    assert path is not None
    with session_of(tmp_path, TWO_WORKERS.format(leaves=leaves), PREFORK, arena="loopback") as session:
        found, said = status(path, session, times=1)
    assert found == code, said


def test_where_the_last_client_was_answered_no_script_shows_who_died() -> None:
    answered = Transcript(KILLED, (Got(7, "B", b"and I?"),))
    verdict = replace(failing("RESP-22", KILLED), transcript=answered)
    assert "its last client is answered" in (why_not_alone(verdict, PREFORK) or "")
