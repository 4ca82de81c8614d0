"""A busy machine takes no patience; what a target sleeps is its own time; nothing it sends is kept without end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from gatecrash.errors import TooSlow
from gatecrash.instruments.patience import OwnTime, Patience
from gatecrash.instruments.quiescence import Quiet, settle
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    AskWithRequests,
    Close,
    Connect,
    HalfClose,
    Receive,
    ReceiveDatagrams,
    Send,
    SendDatagram,
    Settle,
    scenario,
)
from gatecrash.model.transcript import Flooded, Got, LibraryAnswer
from tests.nursery import Nursery, running_nursery
from tests.sessions import session_of

_ANY = Contract.of(protocol="none", says=3)
_TICKS = """
import os, time
os.write(1, b"%d\\n" % os.getpid())
while True:
    time.sleep(0.2)
"""
_TALKS_ON = """
def serve(client):
    try:
        while True:
            client.recv(100)
            client.sendall(b"ok\\n")
    except OSError:
        client.close()
main(serve)
"""


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    yield from running_nursery()


def test_what_is_excused_is_given_back_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("gatecrash.instruments.patience.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("gatecrash.instruments.patience._own_delay", lambda: 0.0)
    whole = Patience(5.0)
    part = Patience(1.0, whole)
    part.excuse(3.0)
    now[0] = 106.0
    assert (whole.left(), whole.over) == (2.0, False)
    assert part.left() == -2.0
    part.excuse(1000.0)
    now[0] = 119.0
    assert not whole.over
    now[0] = 120.0
    assert whole.over


def test_the_testers_own_wait_for_a_processor_is_excused(monkeypatch: pytest.MonkeyPatch) -> None:
    now, delay = [0.0], [7.0]
    monkeypatch.setattr("gatecrash.instruments.patience.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("gatecrash.instruments.patience._own_delay", lambda: delay[0])
    patience = Patience(5.0)
    now[0], delay[0] = 8.0, 11.0
    assert patience.left() == 1.0


def test_a_sleep_that_is_waited_out_is_the_targets_own_time(nursery: Nursery) -> None:
    nursery.python(_TICKS)
    own = OwnTime()
    assert isinstance(settle(nursery.census, lambda: None, own=own), Quiet)
    assert own.seconds >= 0.1


@pytest.mark.usefixtures("real_time")
def test_a_scenario_in_which_the_server_sleeps_too_long_is_broken_off(tmp_path: Path) -> None:
    body = """
    def serve(client):
        client.recv(100)
        time.sleep(0.3)
        client.sendall(b"ok\\n")
        client.close()
    main(serve)
    """
    visit = [(Connect(name), Send(name, b"hello\n"), Receive(name), Close(name)) for name in "ABCD"]
    with session_of(tmp_path, body, _ANY) as session:
        session.scenario_seconds = 0.5
        with pytest.raises(TooSlow, match="the server alone took"):
            session.play(scenario(*visit))
        assert session.running is None
        assert session.play(scenario(*visit[:1])).received("A") == b"ok\n"


@pytest.mark.slow
def test_a_flood_is_cut_off_and_told_and_others_are_still_heard(tmp_path: Path) -> None:
    finished = (Connect("A"), Send("A", b"hello\n"), Receive("A"), HalfClose("A"), Receive("A", "end"))
    with session_of(tmp_path, _TALKS_ON, _ANY) as session:
        seen = session.play(
            scenario(*finished, Settle("finished"), Close("A"), Connect("B"), Send("B", b"x"), Receive("B"))
        )
    floods = [event for event in seen.events if isinstance(event, Flooded)]
    assert [flood.client for flood in floods] == ["A"]
    assert floods[0].size == len(seen.received("A")) < 5 << 20
    assert sum(isinstance(event, Got) for event in seen.events) <= 3
    assert seen.received("B") == b"ok\n"
    assert seen.end("A") is None


def test_a_large_answer_that_somebody_asked_for_with_as_much_is_no_flood(tmp_path: Path) -> None:
    body = """
    def serve(client):
        while data := client.recv(65536):
            client.sendall(data)
        client.close()
    main(serve)
    """
    large = b"x" * (6 << 20)
    with session_of(tmp_path, body, Contract(protocol="echo")) as session:
        seen = session.play(scenario(Connect("A"), Send("A", large, until_read=False), Receive("A")))
    assert seen.flooded is None
    assert seen.received("A") == large


def test_a_library_does_not_read_an_answer_without_end(tmp_path: Path) -> None:
    body = """
    def serve(client):
        client.recv(1000)
        try:
            client.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
            while True:
                client.sendall(b"x" * 65536)
        except OSError:
            client.close()
    main(serve)
    """
    with session_of(tmp_path, body, Contract(protocol="http")) as session:
        seen = session.play(scenario(AskWithRequests("L", "/")))
    (answer,) = [event for event in seen.events if isinstance(event, LibraryAnswer)]
    assert "and no end of the answer" in answer.error


def test_answers_of_one_connection_may_have_any_length_together(tmp_path: Path) -> None:
    body = """
    def serve(client):
        while b"GET" in client.recv(1000):
            client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 3000000\\r\\n\\r\\n" + b"x" * 3000000)
        client.close()
    main(serve)
    """
    with session_of(tmp_path, body, Contract(protocol="http")) as session:
        seen = session.play(scenario(AskWithRequests("L", "/", times=4, session=True)))
    answers = [event for event in seen.events if isinstance(event, LibraryAnswer)]
    assert [(answer.error, len(answer.body)) for answer in answers] == [("", 3000000)] * 4


def test_datagrams_without_end_are_cut_off(tmp_path: Path) -> None:
    body = """
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", int(sys.argv[1])))
    _, sender = server.recvfrom(100)
    while True:
        server.sendto(b"again", sender)
    """
    with session_of(tmp_path, body, Contract(protocol="udp")) as session:
        seen = session.play(scenario(SendDatagram("A", b"once"), ReceiveDatagrams("A", None)))
    assert seen.flooded is not None
    assert len(seen.datagrams("A")) == 1 << 12


def test_patience_is_counted_from_when_it_began() -> None:
    began = time.monotonic()
    patience = Patience(5.0)
    assert 0 < patience.left() <= 5.0
    assert patience.left() >= 5.0 - (time.monotonic() - began)
