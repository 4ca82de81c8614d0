"""Servers that answer on purpose with something else than an echo: never taken for a faulty one, judged as promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatecrash.engine.discovery import discover
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Receive, ReceiveDatagrams, Scenario, Send, SendDatagram, scenario
from gatecrash.model.transcript import Connected, Ended, Got, Sent, Transcript
from gatecrash.model.verdicts import Case
from gatecrash.oracles.came_back import difference
from gatecrash.protocols import protocol_of
from tests.faulty import blamed, verdicts_on
from tests.sessions import launch_of

TCP = """
import socket, sys, threading

def serve(client):
    try:
        while data := client.recv(65536):
            client.sendall({answer})
    except OSError:
        pass
    finally:
        client.close()

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    try:
        client, _ = listener.accept()
    except OSError:
        import time; time.sleep(0.05)
        continue
    try:
        threading.Thread(target=serve, args=(client,), daemon=True).start()
    except RuntimeError:
        client.close()
"""
UDP = """
import socket, sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    try:
        data, peer = server.recvfrom(65536)
        server.sendto({answer}, peer)
    except OSError:
        pass
"""
UPPER = "data.decode().upper().encode()"


def discovered(folder: Path, program: str) -> tuple[Contract, str]:
    found = discover(launch_of(folder, program), Contract())
    return found.contract, " ".join(found.notes)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [(UPPER, True), ("data.strip().upper()", True), ('b"You said: " + data', False), ("data[::-1]", False)],
)
def test_another_answer_than_an_echo_is_not_taken_for_one(tmp_path: Path, answer: str, hint: bool) -> None:
    contract, notes = discovered(tmp_path, TCP.format(answer=answer))
    assert contract.protocol == "none"
    assert ('echo = "upper"' in notes) is hint
    contract, notes = discovered(tmp_path, UDP.format(answer=answer))
    assert (contract.protocol, contract.echo.unit) == ("udp", "other")
    assert ('echo = "upper"' in notes) is hint


LINES = """
import socketserver, sys

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        {body}

server = socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Handler)
server.serve_forever()
"""


@pytest.mark.parametrize(
    ("body", "protocol"),
    [
        ("self.wfile.write(self.rfile.readline(10000).rstrip().upper())", "none"),
        ("[self.wfile.write(line.strip().upper() + b'\\n') for line in self.rfile]", "none"),
        ("[self.wfile.write(line.strip().swapcase() + b'\\n') for line in self.rfile]", "none"),
        ("self.wfile.write(self.rfile.readline(10000).rstrip())", "echo"),
        ("[self.wfile.write(line) for line in self.rfile]", "echo"),
    ],
    ids=["one upper line", "upper lines", "letters swapped", "one line", "lines"],
)
def test_lines_in_upper_case_are_no_echo(tmp_path: Path, body: str, protocol: str) -> None:
    contract, notes = discovered(tmp_path, LINES.format(body=body))
    assert contract.protocol == protocol
    assert ('echo = "upper"' in notes) is ("upper" in body)


@pytest.mark.parametrize(
    ("sent", "received", "advised"),
    [(b"Abc d\n", b"ABC D", True), (b"Abc\n", b"ABC\n", True), (b"Abc\n", b"XBC\n", False), (b"ABC\n", b"ABC", False)],
)
def test_who_makes_letters_large_is_told_what_to_write(sent: bytes, received: bytes, advised: bool) -> None:
    seen = Transcript(
        scenario(Connect("A"), Send("A", sent), Receive("A")),
        (Connected(0, "A"), Sent(1, "A", sent, None, None), Got(2, "A", received), Ended(2, "A", "FIN")),
        sent={"A": sent},
    )
    found = difference(Case(seen, Contract.of(protocol="echo")), "A", "STREAM-02", "the same")
    assert found is not None
    assert any('echo = "upper"' in str(line) for line in found.evidence) is advised


@pytest.mark.parametrize("answer", ["data", "data[:9]", "data + b'\\n'", "data.replace(b'k', b'c')"])
def test_an_echo_is_one_even_with_a_mistake(tmp_path: Path, answer: str) -> None:
    assert discovered(tmp_path, TCP.format(answer=answer))[0].protocol == "echo"
    contract, _ = discovered(tmp_path, UDP.format(answer=answer))
    assert (contract.protocol, contract.echo.unit) == ("udp", "bytes")


@pytest.mark.parametrize(("program", "protocol"), [(TCP, "echo"), (UDP, "udp")], ids=["tcp", "udp"])
def test_an_echo_in_upper_case_that_was_promised_keeps_every_rule(tmp_path: Path, program: str, protocol: str) -> None:
    (tmp_path / "server.py").write_text(program.format(answer=UPPER))
    (tmp_path / "gatecrash.toml").write_text(f'[contract]\nprotocol = "{protocol}"\necho = "upper"\n')
    verdicts = verdicts_on(tmp_path / "server.py", frozenset())
    assert blamed(verdicts) == set()
    assert verdicts["STREAM-02" if protocol == "echo" else "DGRAM-01"].outcome == "pass"


@pytest.mark.parametrize(("program", "rule"), [(TCP, "STREAM-02"), (UDP, "DGRAM-01")], ids=["tcp", "udp"])
def test_who_promised_upper_case_and_leaves_small_letters_is_blamed(tmp_path: Path, program: str, rule: str) -> None:
    (tmp_path / "server.py").write_text(program.format(answer="data"))
    protocol = "udp" if program is UDP else "echo"
    (tmp_path / "gatecrash.toml").write_text(f'[contract]\nprotocol = "{protocol}"\necho = "upper"\n')
    area = "datagram" if program is UDP else "stream"
    assert rule in blamed(verdicts_on(tmp_path / "server.py", frozenset({rule}), only=area))


def test_what_is_owed_has_large_letters_and_as_many_bytes() -> None:
    steps = Scenario((SendDatagram("A", b"ab\xe4c"), ReceiveDatagrams("A")))
    seen = Transcript(steps, (Sent(0, "A", b"ab\xe4c", None, None), Got(1, "A", b"x")), sent={"A": b"ab\xe4c"})
    judged = protocol_of(Contract.of(protocol="udp", echo="upper")).owed(seen)
    assert judged.sent == {"A": b"AB\xe4C"}
    assert [event.data for event in judged.events if isinstance(event, Sent | Got)] == [b"AB\xe4C", b"x"]


def test_datagrams_of_text_are_text() -> None:
    contract = Contract.of(protocol="udp", echo="upper")
    (sent, _) = protocol_of(contract).fitted(scenario(SendDatagram("A", b"a\x00\xff\nb"), ReceiveDatagrams("A"))).steps
    assert sent == SendDatagram("A", b"a..\nb")
    assert protocol_of(Contract(protocol="http")).fitted(scenario(Send("A", b"\xff"))).steps == (Send("A", b"\xff"),)
