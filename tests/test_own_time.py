"""A server with sleeps and limits of its own is judged in its own time: skipped, said so, and played once for real."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gatecrash.engine.preparation import OpenTarget, SessionPool
from gatecrash.engine.profiles import profile
from gatecrash.engine.properties import properties
from gatecrash.engine.suite_run import try_property
from gatecrash.instruments.stillness import Limit
from gatecrash.model.processes import Task
from gatecrash.model.scenario import Connect, LetTimePass, Receive, Send, Settle, scenario
from gatecrash.model.transcript import Ended, Got, Silent, TimePassed, Transcript
from gatecrash.model.verdicts import Verdict
from gatecrash.reports.words import confirmed
from tests.needs import need

SERVER = """
import os, select, signal, socket, sys, threading, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)

def answer(client, body=b"hello\\n", length=None):
    length = len(body) if length is None else length
    client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n" % length + body)

def heard(client):
    data = b""
    while b"\\r\\n\\r\\n" not in data:
        more = client.recv(4096)
        if not more:
            sys.exit()
        data += more
    return data

def serve(client):
BODY

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
while True:
    client, _ = listener.accept()
    if os.fork() == 0:
        listener.close()
        try:
            serve(client)
        except (socket.timeout, ConnectionError):
            pass
        client.close()
        os._exit(0)
    client.close()
"""
SLEEPS = "    heard(client); time.sleep(2); answer(client)"
HANGS_UP = "    client.settimeout(10); heard(client); answer(client)"
RINGS = "    signal.alarm(10); heard(client); signal.alarm(0); answer(client)"
#: A limit on a call, and one that no call is asleep in.
LIMITS = {"settimeout": HANGS_UP, "alarm": RINGS}
TOO_LONG = "    heard(client); time.sleep(2); answer(client, length=9)"
#: /proc/uptime tells how long it has really slept.
SEES_THROUGH = """
    heard(client)
    began = float(open("/proc/uptime").read().split()[0])
    time.sleep(2)
    real = float(open("/proc/uptime").read().split()[0]) - began > 1
    answer(client, length=None if real else 9)
"""
#: As lighttpd: one loop that ticks, and that stamps who comes with the time of its last turn.
TICKS = """
import select, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
came, now = {}, time.monotonic()
while True:
    ready, _, _ = select.select([listener, *came], [], [], 0.2)
    for one in ready:
        if one is listener:
            came[listener.accept()[0]] = now
            continue
        if one.recv(4096):
            one.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\nConnection: close\\r\\n\\r\\nhello\\n")
        del came[one]
        one.close()
    now = time.monotonic()
    for one in [one for one in came if now - came[one] > 45]:
        del came[one]
        one.close()
"""
#: As a virtual machine's: threads that tick often and seldom, and one for each client, who may be silent for 20 s.
TICKS_APART = """
import socket, sys, threading

never = threading.Event()

def tick(every):
    while True:
        never.wait(every)

def serve(client):
    client.settimeout(20)
    try:
        while data := client.recv(4096):
            client.sendall(data)
    except OSError:
        pass
    client.close()

for every in (0.05, 0.3, 1, 60):
    threading.Thread(target=tick, args=(every,), daemon=True).start()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
SLEEPS_FOR_EACH = """
import select, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
while True:
    select.select([listener], [], [])
    there = []
    while select.select([listener], [], [], 0)[0]:
        there.append(listener.accept()[0])
        there[-1].recv(4096)
    for client in there:
        time.sleep(1)
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
        client.close()
"""
#: It looks a hundred times a second whether somebody has come.
LOOKS_ROUND = SLEEPS_FOR_EACH.replace(
    "    select.select([listener], [], [])", "    if not select.select([listener], [], [], 0.01)[0]: continue"
).replace("time.sleep(1)", "pass")
WAITS_FOR_MORE = SERVER.replace(
    "BODY",
    """
    client.settimeout(3)
    try:
        while client.recv(4096):
            pass
    except TimeoutError:
        answer(client)
""",
)
REAPS_SELDOM = SERVER.replace("signal.signal(signal.SIGCHLD, signal.SIG_IGN)", "ticks = 0").replace(
    "    client, _ = listener.accept()",
    """
    if not select.select([listener], [], [], 1)[0]:
        ticks += 1
        try:
            while ticks % 10 == 0 and os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        continue
    client, _ = listener.accept()""",
)
#: Each of four processes looks for a client for 5 s, then sleeps for a moment.
TAKES_TURNS = """
import os, select, signal, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
listener.setblocking(False)
def work():
    while True:
        select.select([listener], [], [], 5)
        try:
            client, _ = listener.accept()
        except OSError:
            time.sleep(0.05)
            continue
        client.setblocking(True)
        client.sendall(client.recv(4096))
        client.close()
for _ in range(4):
    if os.fork() == 0:
        work()
while True:
    signal.pause()
"""
#: Looks round ten times a second, and counts for how many rounds each client has been silent.
COUNTS_ROUNDS = """
import select, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
rounds = {}
while True:
    ready, _, _ = select.select([listener, *rounds], [], [], 0.1)
    for one in ready:
        if one is listener:
            rounds[listener.accept()[0]] = 0
            continue
        if one.recv(4096):
            one.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\nConnection: close\\r\\n\\r\\nhello\\n")
        del rounds[one]
        one.close()
    for one in [] if ready else list(rounds):
        rounds[one] += 1
        if rounds[one] >= 600:
            del rounds[one]
            one.close()
"""
#: As the virtual machine of Java does, for those who are in the kernel yet.
LOOKS_ROUND_AND_ENDS = SERVER.replace(
    "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
def leave(*_):
    for _ in range(30):
        time.sleep(EVERY)
    os._exit(0)
signal.signal(signal.SIGTERM, leave)
""",
)
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[SessionPool]:
    need("clock")
    (tmp_path / "run").mkdir()
    with SessionPool(tmp_path / "run", sanitized=False) as opened:
        yield opened


def opened(pool: SessionPool, body: str, server: str = SERVER) -> OpenTarget:
    source = pool.folder.parent / "server.py"
    source.write_text(server.replace("BODY", body))
    target = pool.open(str(source))
    assert target is not None
    return target


def verdict(target: OpenTarget, rule: str) -> Verdict:
    one = next(one for one in properties() if one.rule == rule)
    return next(v for v in try_property(one, target, "plain", profile("quick")) if v.rule == rule)


def kinds(transcript: Transcript, *wanted: type) -> list[type]:
    return [type(event) for event in transcript.events if isinstance(event, wanted)]


def test_an_answer_that_sleeps_comes_when_its_sleep_is_skipped(pool: SessionPool) -> None:
    target = opened(pool, SLEEPS)
    assert target.session.contract.has_limits
    played = target.session.play(scenario(Connect("A"), Send("A", GET), Receive("A", "end")))
    assert kinds(played, TimePassed, Got, Ended) == [TimePassed, Got, Ended]
    assert played.received("A").endswith(b"hello\n")
    assert 1.9 < played.skipped < 2.5


def test_a_server_without_any_is_not_started_with_the_clock(pool: SessionPool) -> None:
    target = opened(pool, "    heard(client); answer(client)")
    assert not target.session.contract.has_limits
    assert target.session.server().clock is None


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_of_its_own_ends_half_a_request_when_something_is_waited_for(pool: SessionPool, limit: str) -> None:
    played = opened(pool, LIMITS[limit]).session.play(scenario(Connect("A"), Send("A", GET[:9]), Receive("A")))
    assert kinds(played, TimePassed, Silent, Ended) == [TimePassed, Ended]
    assert 9.5 < played.skipped < 11


@pytest.mark.parametrize("limit", LIMITS)
def test_whoever_is_there_is_not_let_go_by_a_look(pool: SessionPool, limit: str) -> None:
    played = opened(pool, LIMITS[limit]).session.play(
        scenario(Connect("A"), Send("A", GET[:9]), Settle("there"), Send("A", GET[9:]), Receive("A"))
    )
    look = played.look("there")
    assert look is not None
    assert look.connection("A") is not None
    assert played.received("A").endswith(b"hello\n")


@pytest.mark.parametrize("limit", LIMITS)
def test_time_passes_when_a_step_lets_it_and_ends_are_told_where_they_came(pool: SessionPool, limit: str) -> None:
    played = opened(pool, LIMITS[limit]).session.play(scenario(Connect("A"), LetTimePass(90.0), Connect("B")))
    told = [event for event in played.events if isinstance(event, TimePassed | Ended)]
    assert [type(event) for event in told] == [TimePassed, Ended, TimePassed]
    assert isinstance(told[0], TimePassed)
    assert isinstance(told[2], TimePassed)
    assert 9.5 < told[0].seconds < 11
    assert played.passed(1) == pytest.approx(90.0, abs=0.5)


def test_who_comes_after_hours_finds_a_loop_that_has_ticked_since(pool: SessionPool) -> None:
    target = opened(pool, "", TICKS)
    for hours in (1, 5):
        rest = scenario(Connect("A"), LetTimePass(3600.0 * hours), Connect("B"), Send("B", GET), Receive("B", "end"))
        assert target.session.play(rest).received("B").endswith(b"hello\n")


def test_who_is_there_is_let_go_about_its_time_by_a_loop_that_ticks_often(pool: SessionPool) -> None:
    target = opened(pool, "", TICKS)
    began = time.monotonic()
    played = target.session.play(scenario(Connect("A"), LetTimePass(600.0), Connect("B")))
    real = time.monotonic() - began  # passes besides what is skipped
    told = [event for event in played.events if isinstance(event, TimePassed | Ended)]
    before = sum(
        event.seconds
        for event in told[: kinds(played, TimePassed, Ended).index(Ended)]
        if isinstance(event, TimePassed)
    )
    assert 45 - real <= before < 100
    assert played.passed(1) == pytest.approx(600.0, abs=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("between", ["", "        time.sleep(0.05)"])
def test_who_reaps_at_each_tenth_tick_is_not_said_to_reap_nobody(pool: SessionPool, between: str) -> None:
    seldom = REAPS_SELDOM.replace("        ticks += 1", f"        ticks += 1\n{between}")
    found = verdict(opened(pool, "    answer(client, heard(client))", seldom), "FORK-02")
    assert found.outcome == "pass"


def test_what_a_rule_leaves_behind_is_watched_for_as_long(pool: SessionPool) -> None:
    target = opened(pool, "    answer(client, heard(client))", REAPS_SELDOM)
    one = next(one for one in properties() if one.rule == "RESP-01")
    broken = [v.rule for v in try_property(one, target, "plain", profile("quick")) if v.outcome == "fail"]
    assert not broken


@pytest.mark.parametrize(("every", "body"), [("0.02", "    answer(client, heard(client))"), ("0.2", SLEEPS)])
def test_who_looks_round_thirty_times_before_it_ends_is_seen_to_end(pool: SessionPool, every: str, body: str) -> None:
    """In real time, and in its own."""
    found = verdict(opened(pool, body, LOOKS_ROUND_AND_ENDS.replace("EVERY", every)), "LIFE-02")
    assert found.outcome == "pass"


def test_whether_ticks_were_late_is_told(pool: SessionPool) -> None:
    target = opened(pool, "", TICKS)
    hour, half_a_minute = (target.session.play(scenario(LetTimePass(seconds))) for seconds in (3600.0, 30.0))
    assert hour.ticked_late(0)
    assert not half_a_minute.ticked_late(0)


@pytest.mark.slow
def test_a_limit_that_is_counted_in_hundreds_of_ticks_is_found_and_kept(pool: SessionPool) -> None:
    target = opened(pool, "", COUNTS_ROUNDS)
    limit = target.session.contract.silent_limit
    assert limit is not None
    assert 50 < limit < 61  # less what passes for real meanwhile
    played = target.session.play(scenario(Connect("A"), LetTimePass(600.0), Connect("B")))
    told = [event for event in played.events if isinstance(event, TimePassed | Ended)]
    assert [type(event) for event in told] == [TimePassed, Ended, TimePassed]
    assert isinstance(told[0], TimePassed)
    assert 50 < told[0].seconds < 61
    assert verdict(target, "TIME-01").outcome == "pass"


@pytest.mark.slow
def test_a_limit_is_seen_in_its_time_behind_many_ticks(pool: SessionPool) -> None:
    target = opened(pool, "", TICKS_APART)
    began = time.monotonic()
    played = target.session.play(scenario(Connect("A"), LetTimePass(600.0), Connect("B")))
    real = time.monotonic() - began
    told = [event for event in played.events if isinstance(event, TimePassed | Ended)]
    assert kinds(played, TimePassed, Ended) == [TimePassed, Ended, TimePassed]
    assert isinstance(told[0], TimePassed)
    assert 20 - real < told[0].seconds < 22


def counted(target: OpenTarget, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What of the running server is let expire from here on."""
    clock = target.session.server().clock
    assert clock is not None
    expire, expired = clock.expire, list[object]()

    def noted(tasks: Iterable[Task] | None = None) -> Limit | None:
        expired.append(one := expire(tasks))
        return one

    monkeypatch.setattr(clock, "expire", noted)
    return expired


def test_who_waits_by_turns_is_at_rest_once_it_is_back(pool: SessionPool, monkeypatch: pytest.MonkeyPatch) -> None:
    target = opened(pool, "", TAKES_TURNS)
    expired = counted(target, monkeypatch)
    look = target.session.play(scenario(Settle("there"))).look("there")
    assert look is not None
    assert look.still == "quiet"
    assert 4 < len(expired) < 60


@pytest.mark.slow
def test_ticks_may_be_late_while_a_server_is_looked_at(pool: SessionPool, monkeypatch: pytest.MonkeyPatch) -> None:
    target = opened(pool, "", TICKS_APART)
    expired = counted(target, monkeypatch)
    played = target.session.play(scenario(Connect("A"), Settle("there")))
    look = played.look("there")
    assert look is not None
    assert look.connection("A") is not None
    assert played.skipped > 15
    assert len(expired) < 120


def test_what_rests_on_skipped_time_is_played_once_in_real_time(pool: SessionPool) -> None:
    found = verdict(opened(pool, TOO_LONG), "RESP-07")
    assert found.outcome == "fail"
    assert found.in_real_time
    assert confirmed(found) == "always (3/3, one in real time)"


def test_what_shows_only_where_time_is_skipped_is_no_failure(pool: SessionPool) -> None:
    found = verdict(opened(pool, SEES_THROUGH), "RESP-07")
    assert found.outcome == "inconclusive"
    assert "not when they passed in real time" in found.reason


def test_where_time_is_real_the_report_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatecrash.instruments.clock.available", lambda: "ptrace: not permitted")
    (tmp_path / "run").mkdir()
    with SessionPool(tmp_path / "run", sanitized=False) as opened_here:
        target = opened(opened_here, HANGS_UP)
        assert target.session.server().clock is None
        said = [note for note in target.prepared.notes if "in real time" in note]
    assert [note.partition(": ")[2] for note in said] == ["ptrace: not permitted."]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "source"),
    [
        pytest.param("TIME-09", SLEEPS_FOR_EACH, id="sleeps"),
        pytest.param("TIME-10", LOOKS_ROUND, id="wake-ups"),
        pytest.param("TIME-14", WAITS_FOR_MORE, id="where it waits"),
    ],
)
def test_a_rule_about_time_is_held_to_real_time(rule: str, source: str, pool: SessionPool) -> None:
    (pool.folder.parent / "server.py").write_text(source)
    target = pool.open(str(pool.folder.parent / "server.py"))
    assert target is not None
    target.session.suppose(replace(target.session.contract, concurrency="thread"))
    found = verdict(target, rule)
    assert (found.outcome, found.confirmed, found.in_real_time) == ("fail", (3, 3), True)
