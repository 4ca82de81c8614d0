"""What textbook servers taught: a fault is blamed for what it is, and a server for nothing that we did to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gatecrash.engine.discovery import discover
from gatecrash.engine.session import Session
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    Freeze,
    Receive,
    ReceiveDatagrams,
    Scenario,
    Send,
    SendDatagram,
    Settle,
    Thaw,
    scenario,
)
from gatecrash.model.transcript import Connected, Ended, Event, Got, Looked, Sent, ServerEnded, Transcript
from gatecrash.model.verdicts import Case
from gatecrash.rulebook import load
from tests.ruling import finding as finding_in
from tests.sequences import look
from tests.sessions import launch_of, session_of

SIGPIPE = 13


def found(rule: str, played: Scenario, *events: Event, protocol: str = "http") -> bool:
    sent = played.sent
    seen = Transcript(played, events, sent=dict(sent))
    return finding_in(rule, Case(seen, Contract(protocol=protocol))) is not None  # type: ignore[arg-type]


def visit(name: str) -> Scenario:
    return scenario(Connect(name), Send(name, b"GET / HTTP/1.1\r\n\r\n"), Receive(name), Close(name))


@pytest.mark.parametrize(("status", "blamed"), [(-SIGPIPE, False), (1, True)])
def test_a_server_that_died_of_sending_did_not_die_of_a_stop(status: int, blamed: bool) -> None:
    stop = scenario(Settle("running"), Freeze(), Thaw(), visit("A").steps)
    asleep = Looked(0, "running", look())
    assert found("LIFE-09", stop, asleep, Connected(3, "A"), Ended(5, "A", "RST"), ServerEnded(6, status)) is blamed


@pytest.mark.parametrize(("gone", "blamed"), [((ServerEnded(3, -SIGPIPE),), False), ((), True)])
def test_the_reset_of_a_dead_server_is_not_the_fault_of_unread_input(
    gone: tuple[ServerEnded, ...], blamed: bool
) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    events = (Connected(0, "A"), Got(2, "A", answer), Ended(2, "A", "RST"), *gone)
    assert found("RESP-13", visit("A"), *events) is blamed


def spinning(label: str) -> Looked:
    return Looked(1, label, look(still="spinning"))


@pytest.mark.parametrize(("said", "blamed"), [(b"", False), (b"GET", True)])
def test_who_spins_beside_a_silent_client_spins_at_rest(said: bytes, blamed: bool) -> None:
    says = (Send("A", said),) if said else ()
    played = scenario(Connect("A"), says, Settle("accepted"), Close("A"), Settle("A has left"))
    assert found("LIFE-08", played, Connected(0, "A"), spinning("accepted"), spinning("A has left")) is blamed


def test_who_spins_after_a_client_has_left_is_blamed_for_that() -> None:
    played = scenario(Connect("A"), Close("A"), Settle("A has left"))
    assert found("LIFE-08", played, Connected(0, "A"), replace(spinning("A has left"), step=2))


def test_a_server_that_answers_nobody_and_leaves_with_its_first_client_accepts_no_second() -> None:
    two = scenario(visit("A").steps, visit("B").steps)
    ended = ServerEnded(6, 0)
    assert found("ACC-01", two, Connected(0, "A"), Ended(2, "A", "FIN"), ended, protocol="none")
    assert not found("ACC-01", visit("A"), Connected(0, "A"), Ended(2, "A", "FIN"), ended, protocol="none")


@pytest.mark.parametrize("rule", ["STREAM-04", "STREAM-09", "STREAM-10", "RESP-19", "FORK-03", "DGRAM-02", "DGRAM-07"])
def test_rules_that_stop_the_server_ask_first_whether_it_survives_that(rule: str) -> None:
    assert "LIFE-09" in load().get(rule).after


SPINS_AFTER_A_WORD = """
import select
def serve(client):
    while word := client.recv(99):
        while word == b"spin": pass
        client.sendall(b"ok")
main(serve)
"""


def test_a_server_that_was_left_spinning_is_not_used_again(tmp_path: Path) -> None:
    with session_of(tmp_path, SPINS_AFTER_A_WORD, Contract(protocol="none")) as session:
        first = session.server()
        assert serves(session, b"hello")
        assert session.server() is first
        assert not serves(session, b"spin")
        assert session.server() is not first
        assert serves(session, b"hello")


def serves(session: Session, word: bytes) -> bool:
    played = scenario(Connect("A"), Send("A", word), Receive("A"), Close("A"), Settle("after"))
    return bool(session.play(played).received("A"))


LISTENER = """
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    print(server.recvfrom(100))
"""
REFLECTS = """
def serve(client):
    asked = client.recv(4096)
    client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n" % len(asked) + asked)
    client.close()
main(serve)
"""


def test_a_program_that_only_hears_datagrams_owes_no_echo(tmp_path: Path) -> None:
    launch = launch_of(tmp_path, LISTENER)
    assert discover(launch, Contract(), LISTENER).contract.echo.unit == "other"
    assert discover(launch, Contract(), LISTENER + "# to be an echo").contract.echo.unit == "bytes"


def test_a_page_that_tells_of_the_request_is_not_the_same_for_all(tmp_path: Path) -> None:
    assert not discover(launch_of(tmp_path, REFLECTS), Contract(), REFLECTS).contract.http.stable_body


DAEMON_OF_ONE_CLIENT = """
if os.fork():
    os._exit(0)
os.setsid()
def serve(client):
    client.close()
    sys.exit(3)
main(serve)
"""


def test_the_status_of_a_daemons_first_process_is_not_told_as_the_servers(tmp_path: Path) -> None:
    with session_of(tmp_path, DAEMON_OF_ONE_CLIENT, Contract(protocol="none")) as session:
        session.server().process.wait(10)
        gone = session.play(scenario(Connect("A"), Receive("A"), Settle("gone"))).server_ended
    assert gone is not None
    assert gone.daemon
    assert "status" not in gone.line()


def test_a_small_buffer_for_datagrams_is_told_of_the_contract() -> None:
    played = scenario(SendDatagram("A", b"x" * 9), ReceiveDatagrams("A"))
    seen = Transcript(played, (Sent(0, "A", b"x" * 9, None, None, port=9), Got(1, "A", b"x" * 4, source_port=9)))
    finding = finding_in("DGRAM-04", Case(seen, Contract(protocol="udp")))
    assert finding is not None
    assert any("max_datagram" in line for line in finding.lines)
