"""Servers that go into the background: whether anybody is left whom a failed start can be told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gatecrash.engine.background import background_of
from gatecrash.engine.session import Session
from gatecrash.instruments import gates
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import StartOnTakenPort, scenario
from gatecrash.model.transcript import Started, Transcript
from gatecrash.model.verdicts import Case
from tests.ruling import finding as finding_in
from tests.sessions import session_of

ECHO = Contract(protocol="echo")
SERVE = """
def serve(client):
    with client:
        while data := client.recv(4096):
            client.sendall(data)
"""
LEAVES = """
if os.fork():
    os._exit(0)
os.setsid()
"""
#: A resolver binds a socket of its own, too, before the program binds the one that matters.
ANOTHER_BIND = """
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("127.0.0.1", 0))
"""
WAITS = """
ready, tell = os.pipe()
if os.fork():
    os.close(tell)
    os._exit(0 if os.read(ready, 1) else 1)
os.close(ready)
bare_listen = socket.socket.listen
def listen(listener, backlog):
    bare_listen(listener, backlog)
    os.write(tell, b"+")
    os.close(tell)
socket.socket.listen = listen
"""
BINDS_FIRST = """
bare_listen = socket.socket.listen
def listen(listener, backlog):
    bare_listen(listener, backlog)
    if os.fork():
        os._exit(0)
socket.socket.listen = listen
"""


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("", "no"),
        (LEAVES, "before"),
        (LEAVES + LEAVES, "before"),
        (ANOTHER_BIND + LEAVES, "before"),
        (LEAVES + ANOTHER_BIND, "before"),
        (WAITS, "after"),
        (BINDS_FIRST, "after"),
    ],
)
def test_it_is_known_whether_the_first_process_waits_for_the_port(tmp_path: Path, program: str, expected: str) -> None:
    with session_of(tmp_path, SERVE + program + "main(serve)", ECHO) as session:
        wait_for_the_first_process(session, ended=expected != "no")
        assert background_of(session) == expected


def wait_for_the_first_process(session: Session, *, ended: bool) -> None:
    process = session.server().process
    assert (process.wait(10 if ended else 0) is not None) is ended


def test_nobody_knows_where_calls_cannot_be_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "available", lambda: "refused here")
    with session_of(tmp_path, SERVE + LEAVES + "main(serve)", ECHO) as session:
        wait_for_the_first_process(session, ended=True)
        assert background_of(session) == "unknown"


@pytest.mark.parametrize(("known", "conclusive"), [("after", True), ("no", True), ("unknown", False)])
def test_a_status_that_may_be_too_early_proves_nothing(known: str, conclusive: bool) -> None:
    failed = Transcript(scenario(StartOnTakenPort()), (Started(0, "taken", False, (), 0, "", wanted=9157),))
    finding = finding_in("LIFE-01", Case(failed, replace(ECHO, background=known)))  # type: ignore[arg-type]
    assert finding is not None
    assert finding.conclusive is conclusive
