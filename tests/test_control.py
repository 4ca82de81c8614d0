"""Before clients who leave are blamed for what became of another, it is seen whether that needs them to leave."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import strategies as st

from gatecrash.engine.control import without_leaving
from gatecrash.engine.profiles import Profile
from gatecrash.engine.rule_broken import RuleBroken
from gatecrash.engine.trial import Trial
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    HalfClose,
    Receive,
    Reset,
    Scenario,
    Send,
    Settle,
    Step,
    scenario,
)
from gatecrash.rulebook import load
from tests.sessions import discovered_session_of

FEW = Profile("few", examples=3, seconds=600.0, shrink_seconds=0.5)
ECHO = Contract(protocol="echo", written=frozenset({"protocol"}))
LEAVES_AFTER_FIVE = """
served = 0
def serve(client):
    global served
    served += 1
    try:
        while data := client.recv(4096):
            client.sendall(data)
    except ConnectionResetError:
        pass
    client.close()
    if served == 5:
        sys.exit(1)
main(serve)
"""
#: Looks only at the client who came last: who was there before is forgotten, whoever leaves or stays.
FORGETS_THE_FIRST = """
import select
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
newest = None
while True:
    ready, _, _ = select.select([listener] + ([newest] if newest else []), [], [])
    if listener in ready:
        kept, newest = newest, listener.accept()[0]
        continue
    try:
        if data := newest.recv(4096):
            newest.sendall(data)
            continue
    except OSError:
        pass
    newest.close()
    newest = None
"""
DIES_OF_RESET = """
def serve(client):
    while data := client.recv(4096):
        client.sendall(data)
    client.close()
main(serve)
"""


def asks(client: str) -> tuple[Step, ...]:
    return (Send(client, b"hello\n"), Receive(client, "message"))


def leaving(count: int) -> Scenario:
    """So many come and go by a reset, one after the other, then a good one."""
    rude = [step for n in range(count) for step in (Connect(f"R{n}"), Settle("here"), Reset(f"R{n}"), Settle("left"))]
    return scenario(*rude, Connect("A"), *asks("A"), Close("A"))


FIRST_IS_THERE = scenario(Connect("A"), Settle("here"), Connect("B"), Settle("here"), Reset("B"), *asks("A"))


@pytest.mark.parametrize(
    ("program", "tried", "outcome", "reason"),
    [
        (
            *(LEAVES_AFTER_FIVE, leaving(6), "not_observable"),
            "LIFE-04 is broken (5 clients were served, then C6 ",  # it is connected by then, or not yet
        ),
        (FORGETS_THE_FIRST, FIRST_IS_THERE, "not_observable", "A got not a byte, and likewise when nobody left"),
        (DIES_OF_RESET, leaving(1), "fail", ""),
    ],
    ids=["a server that leaves after five", "a server that forgets the first", "a server that dies of a reset"],
)
def test_who_leaves_is_blamed_only_for_what_does_not_come_about_otherwise(
    tmp_path: Path, program: str, tried: Scenario, outcome: str, reason: str
) -> None:
    with discovered_session_of(tmp_path, program, ECHO) as session:
        trial = Trial(load().get("LIFE-05"), session, FEW)
        if outcome == "fail":
            with pytest.raises(RuleBroken):
                trial.verify(st.just(tried), fresh=True)
        else:
            trial.verify(st.just(tried), fresh=True)
    assert trial.verdict is not None
    assert trial.verdict.outcome == outcome
    assert trial.verdict.reason.startswith(reason)
    assert set(trial.others) == ({"LIFE-04"} if "LIFE-04" in reason else set())


def test_all_stay_but_the_first() -> None:
    played = scenario(Connect("A"), Connect("B"), Send("B", b"x"), HalfClose("B"), Reset("B"), *asks("A"), Close("A"))
    assert without_leaving(played) == scenario(Connect("A"), Connect("B"), Send("B", b"x"), *asks("A"), Close("A"))


@pytest.mark.parametrize(
    "played",
    [
        scenario(Connect("B"), Reset("B"), Connect("A"), *asks("A")),
        scenario(Connect("A"), Connect("B"), *asks("B"), Close("B"), *asks("A")),
        scenario(Connect("A"), Connect("B"), *asks("A")),
        scenario(Settle("start")),
    ],
    ids=["the one who asks comes later", "somebody else asks", "nobody leaves", "nobody comes"],
)
def test_where_who_stays_may_be_in_the_way_nothing_is_tried(played: Scenario) -> None:
    assert without_leaving(played) is None
