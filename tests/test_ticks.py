"""A timed wait that ended for nothing is not waited out again; one that did something always is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gatecrash.instruments.quiescence import Quiet, Spinning, settle
from gatecrash.instruments.real_time.ticks import Situation, TickMemory, Ticks
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Close, Connect, Receive, Send, Settle, scenario
from tests.nursery import Nursery, running_nursery
from tests.sessions import session_of

NAPS = "import select\nprint(1, flush=True)\nwhile True:\n    select.poll().poll(300)\n"
OPENS_A_FILE_EACH_TIME = (
    "import os, select\nprint(1, flush=True)\nwhile True:\n    select.poll().poll(300)\n    os.open('/', os.O_RDONLY)\n"
)
SPEAKS_LATE = """
import select
def serve(client):
    while data := client.recv(4096):
        client.sendall(data)
        if not select.select([client], [], [], 0.3)[0]:
            client.sendall(b"late")
    client.close()
main(serve)
"""
ECHO = Contract(protocol="echo", written=frozenset({"protocol"}))


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    yield from running_nursery()


def seconds_to_settle(nursery: Nursery, ticks: Ticks) -> float:
    start = time.monotonic()
    assert isinstance(settle(nursery.census, lambda: None, ticks=ticks), Quiet)
    return time.monotonic() - start


def test_a_wait_that_ended_for_nothing_is_known(nursery: Nursery) -> None:
    nursery.python(NAPS)
    ticks = Ticks(hasty=True)
    seconds_to_settle(nursery, ticks)
    assert not ticks.early
    assert seconds_to_settle(nursery, ticks) < 0.2
    assert ticks.early


def test_the_patient_wait_every_time(nursery: Nursery) -> None:
    nursery.python(NAPS)
    ticks = Ticks()
    seconds_to_settle(nursery, ticks)
    seconds_to_settle(nursery, ticks)
    assert ticks.memory.idle
    assert not ticks.early


def test_a_tick_that_opens_a_descriptor_is_never_taken_for_idle(nursery: Nursery) -> None:
    nursery.python(OPENS_A_FILE_EACH_TIME)
    ticks = Ticks(hasty=True)
    for _ in range(3):
        seconds_to_settle(nursery, ticks)
    assert not ticks.early


def test_zombies_are_waited_for_unless_in_a_hurry(nursery: Nursery) -> None:
    nursery.python(NAPS.replace("while", "import os\nif os.fork() == 0: os._exit(0)\nwhile"))
    ticks = Ticks(hasty=True)
    seconds_to_settle(nursery, ticks)
    ticks.hasty = False
    seconds_to_settle(nursery, ticks)
    assert not ticks.early
    ticks.hasty = True
    seconds_to_settle(nursery, ticks)
    assert ticks.early


SPINS = "print(1, flush=True)\nwhile True: pass\n"


def test_a_task_that_spun_before_is_not_watched_for_as_long_again(nursery: Nursery) -> None:
    nursery.python(SPINS)
    ticks = Ticks(hasty=True)
    assert isinstance(settle(nursery.census, lambda: None, ticks=ticks), Spinning)
    assert not ticks.early
    assert isinstance(settle(nursery.census, lambda: None, ticks=ticks), Spinning)
    assert ticks.early


@pytest.mark.parametrize("ticks", [Ticks(), Ticks(hasty=True, situation=lambda: Situation("another"))])
def test_it_is_watched_where_it_must_be_proven_or_never_spun(nursery: Nursery, ticks: Ticks) -> None:
    nursery.python(SPINS)
    ticks = replace(ticks, memory=TickMemory(spun={None}))
    before = sum(task.cpu_ns for task in nursery.census.tasks())
    assert isinstance(settle(nursery.census, lambda: None, ticks=ticks), Spinning)
    assert not ticks.early
    assert sum(task.cpu_ns for task in nursery.census.tasks()) - before > 0.2e9


def test_what_is_said_late_is_heard_however_often_it_was_played(tmp_path: Path) -> None:
    steps = scenario(Connect("A"), Send("A", b"x"), Receive("A"), Settle("rest"), Close("A"))
    with session_of(tmp_path, SPEAKS_LATE, ECHO) as session:
        heard = [session.play(steps, hasty=True).received("A") for _ in range(3)]
    assert heard == [b"xlate"] * 3


def test_on_a_fresh_server_no_look_is_early(tmp_path: Path) -> None:
    body = "import select\ndef serve(client):\n    while True: select.select([], [], [], 0.2)\nmain(serve)\n"
    steps = scenario(Connect("A"), Settle("rest"))
    with session_of(tmp_path, body, ECHO) as session:
        plays = [session.play(steps, fresh=True, hasty=True) for _ in range(2)]
    assert not any(play.early for play in plays)
