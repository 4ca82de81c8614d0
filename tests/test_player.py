"""The player tells the kinds of close apart, proves silence, and leaves the server as it found it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    Freeze,
    HalfClose,
    Receive,
    Reset,
    Scenario,
    Send,
    Settle,
    Thaw,
    scenario,
)
from gatecrash.model.transcript import NotConnected, Sent, Transcript
from tests.sessions import session_of

ECHO = Contract(protocol="echo")
ONE_LINE = scenario(Connect("A"), Send("A", b"hello\n"), Receive("A"))


def played(folder: Path, body: str, steps: Scenario, contract: Contract = ECHO, *, arena: str = "auto") -> Transcript:
    with session_of(folder, body, contract, arena=arena) as session:
        return session.play(steps)


@pytest.mark.parametrize("arena", ["auto", "loopback"])
def test_an_answer_and_an_orderly_close_are_seen(tmp_path: Path, arena: str) -> None:
    body = """
    def serve(client):
        client.sendall(client.recv(100)[:3])
        client.close()
    main(serve)
    """
    seen = played(tmp_path, body, ONE_LINE, arena=arena)
    assert (seen.received("A"), seen.end("A"), seen.silence("A")) == (b"hel", "FIN", None)


def test_a_reset_is_not_an_orderly_close(tmp_path: Path) -> None:
    body = """
    def serve(client):
        client.recv(100)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    main(serve)
    """
    seen = played(tmp_path, body, ONE_LINE)
    assert (seen.received("A"), seen.end("A")) == (b"", "RST")


def test_silence_is_proven_and_says_where_the_server_is_blocked(tmp_path: Path) -> None:
    body = """
    def serve(client):
        while client.recv(100):
            pass
    main(serve)
    """
    silence = played(tmp_path, body, ONE_LINE).silence("A")
    assert silence is not None
    assert silence.proven
    assert any(task.call == "recvfrom" for task in silence.where)


def test_a_timed_wait_is_waited_out_before_silence_is_proven(tmp_path: Path) -> None:
    body = """
    def serve(client):
        client.recv(100)
        time.sleep(0.3)
        client.sendall(b"hello\\n")
        client.recv(100)
    main(serve)
    """
    seen = played(tmp_path, body, ONE_LINE)
    assert seen.received("A") == b"hello\n"


@pytest.mark.usefixtures("real_time")
def test_a_wait_longer_than_patience_proves_nothing(tmp_path: Path) -> None:
    body = """
    def serve(client):
        client.recv(100)
        time.sleep(60)
    main(serve)
    """
    with session_of(tmp_path, body, ECHO, patience=0.5) as session:
        silence = session.play(ONE_LINE).silence("A")
    assert silence is not None
    assert not silence.proven


def test_a_segment_counts_as_read_only_when_the_server_has_read_it(tmp_path: Path) -> None:
    body = """
    def serve(client):
        client.recv(3)
        client.recv(2)
        signal.pause()
    main(serve)
    """
    steps = scenario(Connect("A"), Send("A", b"abc"), Send("A", b"defg"))
    first, second = [e for e in played(tmp_path, body, steps).events if isinstance(e, Sent)]
    assert (first.read, first.consumed) == (True, 3)
    assert (second.read, second.consumed, second.proven) == (False, 5, True)


def test_a_full_queue_is_not_a_refusal(tmp_path: Path) -> None:
    steps = scenario(Freeze(), [Connect(f"C{n}") for n in range(19)], Thaw())
    seen = played(tmp_path, "def serve(client): client.close()\nmain(serve)\n", steps)
    assert [e.why for e in seen.events if isinstance(e, NotConnected)] == ["queue full", "queue full"]


def test_a_server_that_left_is_told_from_one_that_is_silent(tmp_path: Path) -> None:
    steps = scenario(ONE_LINE.steps, Settle("after"), Connect("B"))
    seen = played(tmp_path, "def serve(client): client.recv(9); sys.exit(3)\nmain(serve)\n", steps)
    assert seen.server_ended is not None
    assert seen.server_ended.status == 3
    assert [e.why for e in seen.events if isinstance(e, NotConnected)] == ["refused"]
    told = str(seen).splitlines()
    end = told.index("      the server exited with status 3")
    assert told[end + 1].endswith("B connects")  # where the look has shown it, not behind the last step


def test_a_server_that_has_closed_its_sockets_and_still_takes_a_while_to_end_has_ended(tmp_path: Path) -> None:
    body = """
    import sys

    class Lingering:
        def __del__(self):
            end = time.monotonic() + 0.2
            while time.monotonic() < end:
                pass

    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    client, peer = listener.accept()
    client.recv(100)
    listener.close()
    client.close()
    lingering = Lingering()
    raise SystemExit("bad command")
    """
    seen = played(tmp_path, body, scenario(Connect("A"), Send("A", b"hello\n"), Receive("A")))
    assert seen.server_ended is not None
    assert (seen.server_ended.status, seen.output.strip()) == (1, "bad command")


def test_a_look_counts_zombies_descriptors_and_the_queue(tmp_path: Path) -> None:
    body = """
    def serve(client):
        if os.fork() == 0:
            os._exit(0)
        client.recv(1)
    main(serve)
    """
    look = played(tmp_path, body, scenario(Connect("A"), Connect("B"), Settle("now"))).look("now")
    assert look is not None
    assert (look.still, len(look.zombies), len(look.live)) == ("quiet", 1, 1)
    assert look.listener is not None
    assert look.listener.depth == 1
    side_a, side_b = look.connection("A"), look.connection("B")
    assert side_a is not None
    assert side_b is not None
    assert (side_a.accepted, side_b.accepted) == (True, False)


@pytest.mark.parametrize("leave", [Close("A"), Reset("A"), HalfClose("A")])
def test_after_a_scenario_the_server_serves_the_next(tmp_path: Path, leave: Close) -> None:
    body = """
    def serve(client):
        try:
            while data := client.recv(100):
                client.sendall(data)
        except OSError:
            pass
        client.close()
    main(serve)
    """
    with session_of(tmp_path, body, ECHO) as session:
        session.play(scenario(Connect("A"), Freeze(), Send("A", b"hello"), leave))
        assert session.play(ONE_LINE).received("A") == b"hello\n"


def test_the_transcript_prints_with_hostile_bytes_escaped(tmp_path: Path) -> None:
    body = """
    def serve(client):
        client.recv(100)
        client.sendall(b"\\x1b[31m\\x00<script>")
        client.close()
    main(serve)
    """
    text = str(played(tmp_path, body, ONE_LINE))
    assert "\\x1b[31m\\x00<script>" in text
    assert "\x1b" not in text
