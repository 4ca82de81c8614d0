"""A server that speaks first: its greeting may change by itself, must not be cut, and is not waited for in vain."""

from pathlib import Path

import pytest

from gatecrash.engine.concurrency import model_of
from gatecrash.engine.discovery import discover
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Receive, scenario
from gatecrash.model.transcript import Connected, Ended, Got, Transcript
from gatecrash.model.verdicts import Case, Plain
from gatecrash.oracles.service import unserved
from gatecrash.protocols import protocol_of
from tests.faulty import blamed, verdicts_on
from tests.needs import need
from tests.sessions import discovered_session_of, launch_of

TELLS_THE_TIME = """
import itertools, socket, sys, time

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
for number in itertools.count(1):
    client, _ = listener.accept()
    try:
        client.sendall(f"You are client {number}, and it is {time.time()}\\r\\n".encode())
    except OSError:
        pass
    client.close()
"""
MAIL = """
def serve(client):
    client.sendall(b"220 ready\\r\\n")
    while client.recv(99): client.sendall(b"250 ok\\r\\n")
    client.close()
main(serve)
"""


def test_a_server_that_tells_the_time_is_not_blamed_for_telling_another(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(TELLS_THE_TIME)
    verdicts = verdicts_on(tmp_path / "server.py", frozenset(), only="lifecycle")
    assert blamed(verdicts) == set()
    assert verdicts["LIFE-05"].outcome == "pass"


def test_a_server_that_waits_for_nobody_it_serves_is_no_event_loop(tmp_path: Path) -> None:
    need("gates")
    with discovered_session_of(tmp_path, TELLS_THE_TIME, Contract()) as session:
        assert model_of(session, session.contract).concurrency == "iterative"


@pytest.mark.parametrize(
    ("got", "alone", "served"),
    [
        (b"12:00:01\r\n", b"12:00:01\r\n", True),
        (b"12:00:02\r\n", b"12:00:01\r\n", True),
        (b"client 10", b"client 9", True),
        (b"client 1", b"client 12", True),
        (b"12:00", b"12:00:01\r\n", False),
        (b"", b"12:00:01\r\n", False),
    ],
)
def test_only_a_greeting_that_is_cut_short_is_none(got: bytes, alone: bytes, served: bool) -> None:
    played = scenario(Connect("A"), Receive("A"))
    transcript = Transcript(played, (Connected(0, "A"), Got(1, "A", got), Ended(1, "A", "FIN")))
    case = Case(transcript, Contract(protocol="greeting"), {b"": Plain(alone, "FIN", answered=True)})
    assert (unserved(case, "A") is None) == served


def test_the_length_of_a_greeting_is_learnt_where_only_silence_ends_it(tmp_path: Path) -> None:
    contract = discover(launch_of(tmp_path, MAIL), Contract()).contract
    assert (contract.protocol, contract.greeting.size) == ("greeting", len(b"220 ready\r\n"))
    assert protocol_of(contract).complete(b"", b"220 ready\r\n")
    assert not protocol_of(contract).complete(b"", b"220 ")
    assert not protocol_of(contract).complete(b"NOOP\r\n", b"220 ready\r\n")


def test_a_greeting_that_the_end_of_the_connection_ends_is_read_to_its_end(tmp_path: Path) -> None:
    body = "def serve(client): client.sendall(b'hello'); client.close()\nmain(serve)\n"
    assert discover(launch_of(tmp_path, body), Contract()).contract.greeting.size == 0
