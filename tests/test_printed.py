"""What a server prints while a scenario is played is kept with it, and one that ends of an exception is waited for."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatecrash.engine.discovery import discover
from gatecrash.model.complaints import exceptions
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Receive, Send, scenario
from gatecrash.target.program_text import mentions
from gatecrash.target.resolve import resolve
from tests.sessions import launch_of, session_of

COMPLAINS = """
def serve(client):
    data = client.recv(100)
    print("send: Invalid argument", file=sys.stderr, flush=True)
    client.close()
main(serve)
"""
#: Its sockets are closed a while before it has gone, as those of an interpreter are that has much to clean up.
ENDS_SLOWLY = """
import atexit
atexit.register(time.sleep, 0.3)
def serve(client):
    client.recv(100).decode()
listener = None
try:
    main(serve)
except UnicodeDecodeError:
    import gc, traceback
    traceback.print_exc()
    gc.collect()
    sys.exit(1)
"""
ASKS = scenario(Connect("A"), Send("A", b"\xff\n"), Receive("A"))


def test_what_it_prints_is_that_of_its_scenario_alone(tmp_path: Path) -> None:
    with session_of(tmp_path, COMPLAINS, Contract(protocol="echo")) as session:
        for _ in range(2):
            played = session.play(ASKS)
            assert played.server_ended is None
            assert played.output == "send: Invalid argument\n"


def test_a_server_that_ends_of_an_exception_is_seen_to_end(tmp_path: Path) -> None:
    with session_of(tmp_path, ENDS_SLOWLY, Contract(protocol="echo")) as session:
        played = session.play(ASKS)
    assert exceptions(played.output) == ("UnicodeDecodeError",)
    assert played.server_ended is not None
    assert played.server_ended.status == 1


WANTED = frozenset({"strlen", "fork", "poll"})


def mentioned_in(text: str) -> tuple[str, ...] | None:
    return mentions(resolve(text, None)[0], WANTED)


def test_a_source_is_read_with_what_it_takes_in(tmp_path: Path) -> None:
    (tmp_path / "server.c").write_text('#include "more.h"\nint main(void) { fork(); /* poll */ }\n')
    (tmp_path / "more.h").write_text("static int length(char *s) { return strlen(s); }\n")
    assert mentioned_in(str(tmp_path / "server.c")) == ("fork", "strlen")


def test_a_program_is_read_where_its_source_stands_beside_it(tmp_path: Path) -> None:
    program = tmp_path / "server"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    assert mentioned_in(f"{program} {{port}}") is None
    (tmp_path / "server.c").write_text("int main(void) { poll(0, 0, -1); }\n")
    assert mentioned_in(f"{program} {{port}}") == ("poll",)


def test_of_what_runs_elsewhere_nothing_is_read() -> None:
    assert mentioned_in("127.0.0.1:8080") is None


LISTENS_ANYWHERE = """
listener = socket.create_server(("127.0.0.1", 0))
while True:
    client, _ = listener.accept()
    client.sendall(client.recv(100))
"""


def test_who_was_told_a_port_and_takes_another_at_each_start_is_told_so(tmp_path: Path) -> None:
    found = discover(launch_of(tmp_path, LISTENS_ANYWHERE), Contract())
    (note,) = [note for note in found.notes if "at each start" in note]
    assert note.startswith("It was told port ")
    assert "it binds to port 0, or does not bind" in note
    assert not any("taken to be fixed" in one for one in found.notes)


@pytest.mark.parametrize(
    ("says", "source", "hides"),
    [
        pytest.param("print(sys.argv[1], flush=True)", "", True, id="it says that it is where it was told"),
        pytest.param("print(listener.getsockname()[1], flush=True)", "", False, id="it says where it is"),
        pytest.param("pass", "", False, id="it says nothing, and nobody knows its source"),
        pytest.param("pass", "listener.bind(address)", True, id="it never asks where it is"),
        pytest.param("pass", "listener.getsockname()", False, id="it asks where it is"),
        pytest.param("pass", "print(server.server_address)", False, id="socketserver knows where it is"),
    ],
)
def test_who_does_not_say_where_it_listens_hides_its_port(says: str, source: str, hides: bool, tmp_path: Path) -> None:
    body = LISTENS_ANYWHERE.replace("while True", says + "\nwhile True")
    contract = discover(launch_of(tmp_path, body), Contract(), source).contract
    assert (contract.chooses_port, contract.hides_port) == (True, hides)
