"""An echo of lines: judged as one when the contract says so, never guessed, and pointed to where it looks like one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Close, Connect, HalfClose, Receive, Scenario, Send, scenario
from gatecrash.model.transcript import Connected, Got, Silent, Transcript
from gatecrash.model.verdicts import Case, Verdict
from gatecrash.protocols import protocol_of
from gatecrash.protocols.line_echo import LONGEST, as_lines
from gatecrash.target.compilers import find_compiler
from tests.faulty import blamed, unseen_here, verdicts_on
from tests.ruling import finding as finding_in

LINES = Contract.of(protocol="echo", echo="lines")
fitted = protocol_of(LINES).fitted
PYTHON = """
import socketserver, sys

class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            {answer}

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128

Server(("127.0.0.1", int(sys.argv[1])), Lines).serve_forever(poll_interval=None)
"""
C = """
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)atoi(argv[argc - 1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    signal(SIGCHLD, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 128) < 0)
        return 1;
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0)
            continue;
        if (fork() == 0) {
            char line[256];
            close(listener);
            FILE *in = fdopen(client, "r"), *out = fdopen(dup(client), "w");
            while (in && out && fgets(line, sizeof line, in) && fputs(line, out) >= 0 && fflush(out) == 0)
                ;
            exit(0);
        }
        close(client);
    }
}
"""


def streams(folder: Path, name: str, text: str, *, lines: bool) -> dict[str, Verdict]:
    """The verdicts on the rules of streams for a server whose contract says `lines`, or nothing."""
    (folder / name).write_text(text)
    if lines:
        (folder / "gatecrash.toml").write_text('[contract]\necho = "lines"\n')
    found = verdicts_on(folder / name, frozenset(), only="stream")
    return {rule: verdict for rule, verdict in found.items() if rule.startswith("STREAM")}


SERVERS = [
    pytest.param("server.py", PYTHON.format(answer="self.wfile.write(line)"), id="python"),
    pytest.param(
        "server.c", C, id="c", marks=pytest.mark.skipif(find_compiler(".c") is None, reason="no C compiler here")
    ),
]


@pytest.mark.parametrize(("name", "text"), SERVERS)
def test_a_correct_echo_of_lines_passes_every_rule_of_streams(tmp_path: Path, name: str, text: str) -> None:
    verdicts = streams(tmp_path, name, text, lines=True)
    assert {rule: v.reason for rule, v in verdicts.items() if v.outcome != "pass" and rule not in unseen_here()} == {}
    assert len(verdicts) == 11


@pytest.mark.parametrize(("name", "text"), SERVERS)
def test_without_the_word_it_is_no_echo_of_bytes_and_the_word_is_named(tmp_path: Path, name: str, text: str) -> None:
    verdicts = streams(tmp_path, name, text, lines=False)
    finding = verdicts["STREAM-03"].finding
    assert verdicts["STREAM-03"].outcome == "fail"
    assert finding is not None
    assert any('write echo = "lines" under [contract]' in line for line in finding.lines)


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("self.wfile.write(line.strip() + b'\\n')", None),  # of blanks at its edges no line of text has any
        ("self.wfile.write(line.decode('ascii').encode()) if line.strip() else sys.exit(1)", None),
        ("self.wfile.write(line.upper())", "STREAM-02"),
        ("self.wfile.write(line[:-1])", "STREAM-03"),
    ],
)
def test_an_echo_of_lines_that_changes_them_is_found(tmp_path: Path, answer: str, rule: str | None) -> None:
    verdicts = streams(tmp_path, "server.py", PYTHON.format(answer=answer), lines=True)
    assert rule in blamed(verdicts) if rule else not blamed(verdicts)


# -- the scenarios ---------------------------------------------------------------------------------------------------


def said(played: Scenario) -> list[bytes]:
    return [step.data for step in fitted(played).steps if isinstance(step, Send)]


def test_who_waits_has_ended_a_line() -> None:
    played = scenario(Connect("A"), Send("A", b"one"), Send("A", b"two"), Receive("A"), Send("A", b"x"), HalfClose("A"))
    assert said(played) == [b"one", b"two\n", b"x\n"]


def test_another_client_in_between_changes_nothing() -> None:
    played = scenario(Connect("A"), Send("A", b"one"), Send("B", b"two"), Send("A", b"three"), Receive("A"))
    assert said(played) == [b"one", b"two\n", b"three\n"]


def test_who_leaves_in_the_middle_of_a_line_leaves_in_the_middle_of_a_line() -> None:
    assert said(scenario(Connect("A"), Send("A", b"half"), Close("A"))) == [b"half"]


def test_a_newline_may_come_in_a_segment_of_its_own() -> None:
    assert said(scenario(Connect("A"), Send("A", b"a "), Send("A", b"\n"), Receive("A"))) == [b"a.", b"\n"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x00a\xff\r\nb\t-", b".a..\nb\t-\n"),
        (b"\n", b".\n"),
        (b"a\n\n", b"a.\n"),
        (b"\n\nx\n", b".\nx\n"),
        (b" a b \n c ", b".a b.\n.c.\n"),
    ],
)
def test_what_is_no_line_of_text_becomes_one(data: bytes, text: bytes) -> None:
    assert as_lines(data, ends=True) == text


@given(st.binary(min_size=1, max_size=50).map(lambda data: data * 60), st.booleans())
def test_lines_are_lines_of_text(data: bytes, ends: bool) -> None:
    text = as_lines(data, ends=ends)
    assert as_lines(text, ends=ends) == text
    assert len(text) - len(data) in ((0, 1) if ends else (0,))
    lines = text.decode("ascii").split("\n")
    assert lines[-1] == "" or not ends
    for line in lines[: -1 if ends else None]:
        assert line == line.strip()
        assert len(line) < LONGEST
        assert line or (not ends and line is lines[-1])


@pytest.mark.parametrize("cuts", [(5000,), (999, 1, 4000), (1000, 1000, 3000), (1, 998, 2, 3999), (500,) * 10])
def test_no_line_is_longer_than_a_line_of_text_may_be(cuts: tuple[int, ...]) -> None:
    played = scenario(Connect("A"), *(Send("A", b"x" * size) for size in cuts), Receive("A"))
    assert [len(data) for data in said(played)] == [*cuts[:-1], cuts[-1] + 1]
    assert max(len(line) for line in b"".join(said(played)).splitlines(keepends=True)) == LONGEST
    assert fitted(fitted(played)) == fitted(played)


@pytest.mark.parametrize("contract", [Contract(protocol="echo"), Contract.of(protocol="http", echo="lines")])
def test_other_contracts_change_nothing(contract: Contract) -> None:
    played = scenario(Connect("A"), Send("A", b"\x00"), Receive("A"))
    assert protocol_of(contract).fitted(played) is played


def test_who_has_sent_an_unfinished_line_back_is_not_told_of_an_echo_of_lines() -> None:
    def steps(name: str) -> tuple[Connect, Send, Receive]:
        return Connect(name), Send(name, b"no newline"), Receive(name)

    played = scenario(steps("A"), steps("B"))
    sent = {"A": b"no newline", "B": b"no newline"}
    silent = Silent(5, "B", True, "quiet", ())
    both = Transcript(played, (Connected(0, "A"), Connected(3, "B"), silent), sent=sent)
    one = replace(both, events=(Connected(0, "A"), Got(2, "A", b"no newline"), Connected(3, "B"), silent))

    def hints(seen: Transcript) -> bool:
        finding = finding_in("STREAM-10", Case(seen, Contract(protocol="echo")))
        assert finding is not None
        return any('echo = "lines"' in line for line in finding.lines)

    assert hints(both)
    assert not hints(one)
