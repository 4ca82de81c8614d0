"""The library requests as a client: it speaks through the arena, keeps a session, and never waits for nothing."""

from __future__ import annotations

from pathlib import Path

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import AskWithRequests, Close, Connect, Receive, Scenario, Send, scenario
from gatecrash.model.transcript import LibraryAnswer, Transcript
from gatecrash.protocols.http import split_requests
from tests.sessions import session_of

HTTP = Contract(protocol="http")
#: Answers with the number of the request on its connection, and writes head and body apart.
COUNTS = """
    def serve(client):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        number, left = 0, b""
        while True:
            while b"\\r\\n\\r\\n" not in left:
                data = client.recv(4096)
                if not data:
                    client.close()
                    return
                left += data
            left = left.partition(b"\\r\\n\\r\\n")[2]
            number += 1
            client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 1\\r\\n\\r\\n")
            client.sendall(b"%d" % number)
    main(serve)
"""


def played(folder: Path, body: str, steps: Scenario) -> Transcript:
    with session_of(folder, body, HTTP) as session:
        return session.play(steps)


def answers(transcript: Transcript) -> list[LibraryAnswer]:
    return [event for event in transcript.events if isinstance(event, LibraryAnswer)]


def test_a_session_keeps_its_connection(tmp_path: Path) -> None:
    seen = answers(played(tmp_path, COUNTS, scenario(AskWithRequests("A", "/", times=3, session=True))))
    assert [(a.status, a.body) for a in seen] == [(200, b"1"), (200, b"2"), (200, b"3")]


def test_without_a_session_each_request_has_its_connection(tmp_path: Path) -> None:
    seen = answers(played(tmp_path, COUNTS, scenario(AskWithRequests("A", "/", times=3))))
    assert [(a.status, a.body) for a in seen] == [(200, b"1")] * 3


def test_a_library_that_would_wait_for_ever_is_told_so(tmp_path: Path) -> None:
    body = """
    def serve(client):
        client.recv(4096)
        client.recv(4096)
    main(serve)
    """
    transcript = played(tmp_path, body, scenario(AskWithRequests("A", "/", times=2)))
    (answer,) = answers(transcript)
    silence = transcript.silence("A")
    assert answer.error.startswith("ReadTimeout")
    assert answer.connected
    assert silence is not None
    assert silence.proven
    assert silence.where[0].call == "recvfrom"


def test_a_connection_that_is_closed_without_an_answer_is_an_error(tmp_path: Path) -> None:
    body = """
    def serve(client):
        client.recv(4096)
        client.close()
    main(serve)
    """
    (answer,) = answers(played(tmp_path, body, scenario(AskWithRequests("A", "/"))))
    assert answer.error.startswith("ConnectionError")
    assert answer.connected


def test_a_second_write_that_waits_for_an_acknowledgement_is_no_silence(tmp_path: Path) -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    rounds = [(Send("A", request, until_read=False), Receive("A")) for _ in range(4)]
    seen = played(tmp_path, COUNTS, scenario(Connect("A"), *rounds, Close("A")))
    assert seen.silence("A") is None
    assert [seen.received("A").count(b"\r\n\r\n%d" % number) for number in range(1, 5)] == [1, 1, 1, 1]


def test_a_step_survives_saving() -> None:
    step = AskWithRequests("A", "/page", times=2, session=True)
    assert Scenario.from_json(scenario(step).to_json()) == scenario(step)
    assert step.line() == "A, the library requests, asks GET /page 2 times, in one session"


def test_requests_are_split_with_their_bodies() -> None:
    post, get = b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nGET ", b"GET / HTTP/1.1\r\n\r\n"
    assert split_requests(post + get + b"GET /unfinished") == (post, get)
    assert split_requests(b"") == ()
