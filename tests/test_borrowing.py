"""Sockets of a target are borrowed, or it is said why not; where they cannot be, their time limits are still known."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatecrash.instruments import borrowing
from gatecrash.instruments.census import Census
from gatecrash.instruments.memory import Gone
from gatecrash.model.contract import Contract
from gatecrash.model.processes import Task
from gatecrash.target.interface import Server
from tests.needs import need
from tests.nursery import Nursery, running_nursery, until
from tests.sessions import session_of

SET = "setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('qq', {seconds}, 250000))"


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container, whose usual profile refuses pidfd_getfd(2)."""
    monkeypatch.setattr(borrowing, "refused", lambda: "pidfd_getfd: Operation not permitted")


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    yield from running_nursery()


def waiting_in(server: Server, call: str) -> Task:
    """The task that sleeps in this call, once it does."""

    def found() -> list[Task]:
        server.pump()
        return [task for task in server.census.tasks() if task.state == "S" and task.call == call]

    until(found, f"it waits in {call}")
    return found()[0]


def test_a_socket_of_ours_is_borrowed_with_all_it_holds() -> None:
    need("borrowed sockets")
    one, other = socket.socketpair()
    with one, other, borrowing.borrowed_socket(os.getpid(), one.fileno()) as copy:
        other.send(b"hello")
        assert (copy.fileno() != one.fileno(), copy.recv(5)) == (True, b"hello")


def test_there_is_nothing_to_borrow_of_a_descriptor_that_is_not_open() -> None:
    with pytest.raises(Gone), borrowing.borrowed_socket(os.getpid(), 1 << 20):
        pass


@pytest.mark.parametrize(
    ("before", "after", "limit"),
    [
        pytest.param("", SET.format(seconds=40), 40.25, id="a connection's own"),
        pytest.param(SET.format(seconds=50), "", 50.25, id="its listener's"),
        pytest.param(SET.format(seconds=50), SET.format(seconds=40), 40.25, id="its own before its listener's"),
        pytest.param(SET.format(seconds=50), SET.format(seconds=0).replace("250000", "0"), None, id="taken back"),
        pytest.param("", "", None, id="none"),
    ],
)
@pytest.mark.usefixtures("refused")
def test_the_time_limit_that_a_target_gives_a_socket_is_told_by_the_gates(
    tmp_path: Path, before: str, after: str, limit: float | None
) -> None:
    need("gates")
    body = f"""
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    {f"listener.{before}" if before else "pass"}
    client, _ = listener.accept()
    {f"client.{after}" if after else "pass"}
    client.recv(1)
    """
    with session_of(tmp_path, body, Contract(protocol="echo")) as session:
        server = session.server()
        assert is_about(waiting_in(server, "accept4").timed, 50.25 if before else None)
        with session.arena.tcp() as client:
            client.connect(server.address)
            assert is_about(waiting_in(server, "recvfrom").timed, limit)


def is_about(left: float | None, limit: float | None) -> bool:
    """Whether so much may be left of this limit a moment after the wait has begun."""
    return left == limit or (left is not None and limit is not None and limit - 20 < left <= limit)


@pytest.mark.usefixtures("refused")
def test_a_socket_that_nobody_tells_of_may_have_any_time_limit(nursery: Nursery) -> None:
    nursery.python("import socket\nours, theirs = socket.socketpair()\nprint(1, flush=True)\nours.recv(1)")
    census = Census(nursery.census.root)
    until(lambda: [task.state for task in census.tasks()] == ["S"], "it sleeps")
    assert census.tasks()[0].timed == math.inf


@pytest.mark.usefixtures("refused")
def test_what_is_no_socket_has_no_such_limit(nursery: Nursery) -> None:
    nursery.python("import os\nends = os.pipe()\nprint(1, flush=True)\nos.read(ends[0], 1)")
    until(lambda: [task.state for task in nursery.census.tasks()] == ["S"], "it sleeps")
    assert nursery.census.tasks()[0].timed is None
