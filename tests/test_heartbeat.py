"""Processes that watch one another by the clock: none misses the other's sign of life because time is skipped."""

from __future__ import annotations

from pathlib import Path

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, LetTimePass, Receive, Send, scenario
from tests.needs import need
from tests.sessions import session_of

#: A worker tells each second that it is alive; its parent ends one of whom it has heard nothing for 30 s, as gunicorn
#: does, and starts another.
WATCHED = """
import mmap, os, select, signal, struct, time

beats = mmap.mmap(-1, 8)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)

def beat():
    beats[:8] = struct.pack("d", time.monotonic())

def work():
    there = [listener]
    while True:
        beat()
        for one in select.select(there, [], [], 1.0)[0]:
            if one is listener:
                there.append(listener.accept()[0])
            else:
                one.sendall(one.recv(65536) or sys.exit())

def worker():
    beat()
    return os.fork() or work()

pid = worker()
while True:
    time.sleep(1)
    if time.monotonic() - struct.unpack("d", beats[:8])[0] > 30:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        pid = worker()
"""


def test_a_worker_that_is_watched_lives_on_while_time_is_skipped(tmp_path: Path) -> None:
    need("clock")
    with session_of(tmp_path, WATCHED, Contract(protocol="echo")) as session:
        steps = (Connect("A"), LetTimePass(600.0), Send("A", b"there?\n"), Receive("A"))
        seen = session.play(scenario(steps))
        assert seen.end("A") is None
        assert seen.received("A") == b"there?\n"
        assert seen.passed(1) > 590
