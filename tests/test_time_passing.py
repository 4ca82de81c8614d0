"""Time that a scenario lets pass, on real servers: what is written down of it, and what it does to a frozen one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatecrash.engine.discovery import discover
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Freeze, LetTimePass, Receive, Scenario, Send, Thaw, scenario
from gatecrash.model.transcript import Transcript
from tests.needs import need
from tests.sessions import launch_of, session_of

ECHO = Contract(protocol="echo")
LINE = b"gatecrash\n"

#: Looks round every so many seconds, and echoes once.
LOOKS_ROUND = """
import select
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen(16)
while True:
    if select.select([listener], [], [], {seconds})[0]:
        client, _ = listener.accept()
        client.sendall(client.recv(4096))
        client.close()
"""
#: Says what it found when its client had been idle for a minute at most: bytes, or that the time was up.
TELLS = """
import select
def serve(client):
    poller = select.poll()
    poller.register(client, select.POLLIN)
    began = time.monotonic()
    found = poller.poll(60_000)
    late = time.monotonic() - began > 60
    client.sendall(b"%d %d " % (len(found), late) + client.recv(4096))
    client.close()
main(serve)
"""
SLEEPS = """
def serve(client):
    data = client.recv(4096)
    time.sleep({seconds})
    client.sendall(data)
    client.close()
main(serve)
"""


def played(folder: Path, body: str, steps: Scenario) -> Transcript:
    need("clock")
    with session_of(folder, body, ECHO) as session:
        return session.play(steps)


@pytest.mark.parametrize(("seconds", "times"), [(0.01, 100), (0.1, 10), (0.5, 2)])
def test_wake_ups_are_counted_by_the_servers_own_clock(tmp_path: Path, seconds: float, times: float) -> None:
    seen = played(tmp_path, LOOKS_ROUND.format(seconds=seconds), scenario(LetTimePass(2.0)))
    assert seen.passed(0) == pytest.approx(2.0, abs=0.1)
    assert seen.wakes(0) == pytest.approx(times, rel=0.25)


def test_a_server_that_waits_for_its_clients_wakes_never(tmp_path: Path) -> None:
    seen = played(tmp_path, SLEEPS.format(seconds=0), scenario(LetTimePass(2.0)))
    assert seen.passed(0) == pytest.approx(2.0, abs=0.1)
    assert seen.wakes(0) == 0.0


def test_a_frozen_server_finds_both_that_its_time_is_up_and_what_came_meanwhile(tmp_path: Path) -> None:
    comes = (Connect("A"), LetTimePass(1.0), Freeze(), LetTimePass(61.0))
    seen = played(tmp_path, TELLS, scenario(*comes, Send("A", LINE, until_read=False), Thaw(), Receive("A", "end")))
    assert seen.passed(3) == pytest.approx(61.0, abs=0.1)
    assert seen.received("A") == b"1 1 " + LINE


@pytest.mark.parametrize(("seconds", "sleeps"), [(0, False), (1, True)])
def test_it_is_known_whether_an_answer_sleeps(tmp_path: Path, seconds: float, sleeps: bool) -> None:
    need("clock")
    found = discover(launch_of(tmp_path, SLEEPS.format(seconds=seconds)), Contract())
    assert (found.contract.protocol, found.contract.sleeps) == ("echo", sleeps)


def test_ticks_come_one_by_one_for_so_long_in_a_scenario_and_not_in_each_of_its_pauses(tmp_path: Path) -> None:
    """Of a server that looks round every 5 ms, 1000 times in each: behind 1300 they are late, and few are needed."""
    steps = scenario(*(LetTimePass(5.0),) * 3, Connect("A"), Send("A", LINE), Receive("A"))
    transcript = played(tmp_path, LOOKS_ROUND.format(seconds=0.005), steps)
    assert [transcript.ticked_late(step) for step in range(3)] == [False, False, True]
    assert all(transcript.wakes(step) > 100 for step in range(3))
    assert [round(transcript.passed(step)) for step in range(3)] == [5, 5, 5]
    assert transcript.received("A") == LINE
