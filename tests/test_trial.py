"""A trial blames what shows on a fresh server, shrinks it, and says how often it shows."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.errors import FlakyFailure

from gatecrash.engine.judge import Example
from gatecrash.engine.profiles import Profile, profile
from gatecrash.engine.rule_broken import RuleBroken
from gatecrash.engine.session import Session
from gatecrash.engine.trial import Trial
from gatecrash.errors import TargetError
from gatecrash.model.contract import Contract
from gatecrash.model.launch import Launch
from gatecrash.model.scenario import (
    Close,
    Connect,
    LetTimePass,
    LiftLimit,
    LimitDescriptors,
    Receive,
    Scenario,
    Send,
    Settle,
    Step,
    played_by,
    scenario,
)
from gatecrash.model.transcript import Transcript
from gatecrash.model.verdicts import Finding, Held, NotExercised, Ruling, Verdict
from gatecrash.rulebook import load
from tests.needs import need
from tests.sessions import discovered_session_of, session_of

FEW = Profile("few", examples=40, seconds=20.0, shrink_seconds=5.0)
CUTS_AT_NUL = """
def serve(client):
    while data := client.recv(4096):
        client.sendall(data.split(b"\\0")[0])
    client.close()
main(serve)
"""
ECHO = (
    "def serve(client):\n    while data := client.recv(4096): client.sendall(data)\n    client.close()\nmain(serve)\n"
)
LEAVES_AFTER_FIVE = """
served = 0
def serve(client):
    global served
    served += 1
    while data := client.recv(4096):
        client.sendall(data)
    client.close()
    if served == 5:
        sys.exit(1)
main(serve)
"""


def echoes(payload: bytes) -> Scenario:
    return scenario(Connect("A"), Send("A", payload), Receive("A"), Close("A"))


def trial_on(session: Session, rule: str = "STREAM-01", profile: Profile = FEW) -> Trial:
    return Trial(load().get(rule), session, profile)


def test_a_failure_shrinks_to_the_smallest_scenario_and_is_replayed(tmp_path: Path) -> None:
    with discovered_session_of(
        tmp_path, CUTS_AT_NUL, Contract(protocol="echo", written=frozenset({"protocol"}))
    ) as session:
        trial = trial_on(session)
        with pytest.raises(RuleBroken) as broken:
            trial.verify(st.binary(min_size=1, max_size=30).map(echoes))
    assert broken.value.scenario == echoes(b"\x00")
    assert trial.verdict is not None
    assert (trial.verdict.outcome, trial.verdict.confirmed) == ("fail", (3, 3))


def test_what_is_to_be_played_surely_is_played_first_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    always, seen = [echoes(b"always"), echoes(b"and this")], list[Scenario]()

    def judged(scenario: Scenario, **_: object) -> Example:
        seen.append(scenario)
        return Example(Held(), Transcript(scenario, ()))

    def examples_of(limit: int) -> list[Scenario]:
        seen.clear()
        trial = trial_on(session)
        monkeypatch.setattr(trial, "_judge", judged)
        trial.verify(st.sampled_from([*always, echoes(b"by chance")]), examples=limit, surely=always)
        return list(seen)

    with session_of(tmp_path, ECHO, Contract(protocol="echo")) as session:
        assert examples_of(9) == [*always, echoes(b"by chance")]
        assert len(examples_of(2)) == 2  # no room beside them: all is left to chance


def test_a_replay_that_proves_nothing_is_made_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be looked at has not held."""
    broken, suspected = Finding("STREAM-01", "all", "half"), Finding("STREAM-01", "all", "half", conclusive=False)
    unseen = NotExercised("nobody came")
    played = scenario(Connect("A"))

    def shown(*rulings: Ruling | TargetError) -> tuple[int, int]:
        """Of three replays, and how many there were."""
        left = list(rulings)

        def judged(*_: object, **__: object) -> Example:
            ruling = left.pop(0)
            if isinstance(ruling, TargetError):
                raise ruling
            return Example(ruling, Transcript(played, ()))

        monkeypatch.setattr(trial, "_judge", judged)
        return trial.replay(played, 3), len(rulings) - len(left)

    with session_of(tmp_path, ECHO, Contract(protocol="echo")) as session:
        trial = trial_on(session)
        assert shown(broken, broken, broken) == (3, 3)
        assert shown(broken, Held(), broken, broken) == (2, 3)
        assert shown(unseen, broken, suspected, TargetError("no start"), broken, broken) == (3, 6)
        assert shown(*(unseen,) * 7) == (0, 6)
        assert shown(replace(broken, rule="ACC-01"), broken, broken) == (2, 3)


def test_a_correct_server_passes_with_every_example_played(tmp_path: Path) -> None:
    with discovered_session_of(tmp_path, ECHO, Contract(protocol="echo", written=frozenset({"protocol"}))) as session:
        trial = trial_on(session)
        trial.verify(st.binary(min_size=1, max_size=30).map(echoes))
    assert trial.verdict is not None
    assert (trial.verdict.outcome, trial.verdict.examples) == ("pass", FEW.examples)


def test_a_busy_machine_takes_no_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time the clock is read, a minute has passed: as for one who hardly ever gets a processor."""
    minutes = itertools.count()
    with discovered_session_of(tmp_path, ECHO, Contract(protocol="echo", written=frozenset({"protocol"}))) as session:
        trial = trial_on(session)
        monkeypatch.setattr("gatecrash.engine.trial.time", SimpleNamespace(monotonic=lambda: 60.0 * next(minutes)))
        trial.verify(st.binary(min_size=1, max_size=30).map(echoes))
    assert trial.verdict is not None
    assert (trial.verdict.outcome, trial.verdict.examples) == ("pass", FEW.examples)


@pytest.mark.usefixtures("real_time")
def test_a_server_that_sleeps_long_is_played_fewer_examples(tmp_path: Path) -> None:
    body = ECHO.replace("client.sendall(data)", "time.sleep(0.3), client.sendall(data)")
    with discovered_session_of(tmp_path, body, Contract(protocol="echo", written=frozenset({"protocol"}))) as session:
        trial = trial_on(session, profile=Profile("brief", examples=40, seconds=0.5, shrink_seconds=5.0))
        trial.verify(st.binary(min_size=1, max_size=30).map(echoes))
    assert trial.verdict is not None
    assert trial.verdict.outcome == "pass"
    assert trial.verdict.examples < 10


@pytest.mark.usefixtures("real_time")
def test_a_scenario_that_takes_too_long_is_not_tried(tmp_path: Path) -> None:
    body = ECHO.replace("client.sendall(data)", "time.sleep(0.3), client.sendall(data)")
    with discovered_session_of(tmp_path, body, Contract(protocol="echo", written=frozenset({"protocol"}))) as session:
        trial = trial_on(session)
        session.scenario_seconds = 0.1
        trial.verify(st.binary(min_size=1, max_size=30).map(echoes), examples=3)
    assert trial.verdict is not None
    assert (trial.verdict.outcome, trial.verdict.late) == ("inconclusive", True)
    assert trial.verdict.reason.startswith("not tried: time: the server alone took")


def test_a_failure_that_depends_on_luck_is_a_finding_and_no_fault_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hypothesis complains when what held once is broken later; its replays say how often it shows."""
    with discovered_session_of(
        tmp_path, CUTS_AT_NUL, Contract(protocol="echo", written=frozenset({"protocol"}))
    ) as session:
        trial = trial_on(session)
        as_usual = trial._settings

        def flaky(limit: int) -> Callable[[Any], Any]:
            def run(test: Callable[[], None]) -> Callable[[], None]:
                def complain() -> None:
                    with pytest.raises(RuleBroken) as broken:
                        as_usual(limit)(test)()
                    raise FlakyFailure("inconsistent results", [broken.value])

                return complain

            return run

        monkeypatch.setattr(trial, "_settings", flaky)
        with pytest.raises(RuleBroken) as broken:
            trial.verify(st.binary(min_size=1, max_size=30).map(echoes))
    assert broken.value.scenario == echoes(b"\x00")
    assert trial.verdict is not None
    assert (trial.verdict.outcome, trial.verdict.confirmed) == ("fail", (3, 3))


def test_what_others_did_before_is_not_blamed_on_a_scenario(tmp_path: Path) -> None:
    with discovered_session_of(
        tmp_path, LEAVES_AFTER_FIVE, Contract(protocol="echo", written=frozenset({"protocol"}))
    ) as session:
        trial = trial_on(session)
        trial.verify(st.binary(min_size=1, max_size=30).map(echoes))
    assert trial.verdict is not None
    assert trial.verdict.outcome == "pass"


# -- a server that wears out ------------------------------------------------------------------------------------------


STOPS_AFTER_FOUR_ODD_ONES = """
odd = 0
def serve(client):
    global odd
    while odd == 4:
        signal.pause()
    while data := client.recv(4096):
        client.sendall(data)
        odd += data[:1] == b"!"
    client.close()
main(serve)
"""
WRITTEN = Contract(protocol="echo", written=frozenset({"protocol"}))


def leaves_after(count: int) -> str:
    return LEAVES_AFTER_FIVE.replace("served == 5", f"served == {count}")


def tried_all(session: Session, rule: str, scenario: Scenario, examples: int) -> Trial:
    """The trial of a rule whose examples differ in nothing but what their last client is called."""
    trial = Trial(load().get(rule), session, replace(FEW, examples=examples, seconds=600.0))
    last = st.integers(1, 10_000).map(lambda number: visit_of(f"L{number}", b"hello\n"))
    with suppress(RuleBroken):
        trial.verify(last.map(lambda steps: Scenario((*scenario.steps, *steps))))
    return trial


def visit_of(client: str, payload: bytes) -> tuple[Step, ...]:
    return tuple(played_by(client, step) for step in echoes(payload).steps)


@pytest.mark.parametrize("served", [150, 151], ids=["between two scenarios", "in the middle of one"])
def test_a_server_that_leaves_after_many_clients_breaks_that_rule_and_no_other(tmp_path: Path, served: int) -> None:
    with discovered_session_of(tmp_path, leaves_after(served), WRITTEN) as session:
        trial = tried_all(session, "STREAM-01", echoes(b"hello\n"), 100)
    assert trial.verdict is not None
    assert trial.verdict.outcome == "pass"
    (worn,) = trial.others.values()
    assert (worn.rule, worn.outcome) == ("LIFE-04", "fail")
    assert worn.finding is not None
    assert worn.finding.got.startswith(f"{served} clients were served, then C{served + 1} ")


def test_the_rule_about_many_clients_shows_the_crowd_that_was_too_large(tmp_path: Path) -> None:
    with discovered_session_of(tmp_path, leaves_after(150), WRITTEN) as session:
        visits = [step for number in range(100) for step in visit_of(f"V{number}", b"hello\n")]
        trial = tried_all(session, "LIFE-04", Scenario(tuple(visits)), 3)
    assert trial.verdict is not None
    assert (trial.verdict.outcome, trial.verdict.confirmed) == ("fail", (3, 3))


def test_a_server_that_stopped_in_front_of_us_is_not_said_to_keep_the_rule(tmp_path: Path) -> None:
    """Four clients together stop it, of which no scenario has more than one: no fresh server shows that."""
    with discovered_session_of(tmp_path, STOPS_AFTER_FOUR_ODD_ONES, WRITTEN) as session:
        trial = tried_all(session, "STREAM-01", echoes(b"!\n"), 20)
    assert trial.verdict is not None
    assert trial.verdict.outcome == "inconclusive"
    assert trial.verdict.reason.startswith("not a byte came back to L")
    assert trial.verdict.reason.endswith(": seen on a server that then served nobody more, but on no fresh one")
    assert trial.others == {}


@pytest.mark.usefixtures("real_time")
def test_a_verdict_that_rests_on_time_alone_is_inconclusive(tmp_path: Path) -> None:
    body = "def serve(client): client.recv(9); time.sleep(60)\nmain(serve)\n"
    contract = Contract(protocol="echo", written=frozenset({"protocol"}))
    with session_of(tmp_path, body, contract, patience=0.3) as session:
        trial = Trial(load().get("STREAM-01"), session, FEW)
        trial.verify(st.just(echoes(b"hello\n")))
    assert trial.verdict is not None
    assert trial.verdict.outcome == "inconclusive"


TICKING_ASYNCIO = """
import asyncio, sys
async def serve(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
async def main():
    await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    while True:
        await asyncio.sleep(0.1)
asyncio.run(main())
"""


def test_a_server_whose_tick_hides_its_longer_pause_is_not_blamed(tmp_path: Path) -> None:
    """asyncio puts accept off for a second when descriptors have run out; this loop also wakes each 0.1 s."""
    program = tmp_path / "server.py"
    program.write_text(TICKING_ASYNCIO)
    launch = Launch((sys.executable, str(program), "{port}"), tmp_path)
    contract = Contract(protocol="echo", concurrency="event_loop")
    shortage = scenario(
        LimitDescriptors(0), Connect("A"), Send("A", b"x", until_read=False), Settle("limited", within=0.6),
        LiftLimit(), Close("A"), Connect("B"), Send("B", b"y"), Receive("B"),
    )  # fmt: skip
    with Session({"plain": launch}, contract) as session:
        trial = Trial(load().get("ACC-08"), session, profile("glance"))
        trial.verify(st.just(shortage), fresh=True)
        assert trial.verdict is not None
        assert trial.verdict.outcome == "pass", trial.verdict.reason


# -- the probe, which is the first example ---------------------------------------------------------------------------


def tried_with_probe(folder: Path, body: str, probe: bytes, drawn: bytes, examples: int = 40) -> Verdict:
    with discovered_session_of(folder, body, Contract(protocol="echo", written=frozenset({"protocol"}))) as session:
        few = replace(FEW, examples=examples)
        trial = Trial(load().get("STREAM-01"), session, few, probe=lambda contract: echoes(probe))
        with suppress(RuleBroken):
            trial.verify(st.just(echoes(drawn)))
    assert trial.verdict is not None
    return trial.verdict


def test_a_probe_that_holds_hides_nothing_though_another_example_is_broken(tmp_path: Path) -> None:
    verdict = tried_with_probe(tmp_path, CUTS_AT_NUL, b"hello", b"\x00b")
    assert (verdict.outcome, verdict.scenario, verdict.hides) == ("fail", echoes(b"\x00b"), "")


def test_behind_a_broken_probe_nothing_is_seen(tmp_path: Path) -> None:
    verdict = tried_with_probe(tmp_path, CUTS_AT_NUL, b"\x00b", b"hello")
    assert (verdict.outcome, verdict.scenario, verdict.confirmed) == ("fail", echoes(b"\x00b"), (3, 3))
    assert verdict.finding is not None
    assert verdict.hides == f"STREAM-01 is broken ({verdict.finding.got}), so this cannot be seen"


def test_the_smaller_of_the_probe_and_what_was_drawn_is_shown(tmp_path: Path) -> None:
    verdict = tried_with_probe(tmp_path, CUTS_AT_NUL, b"\x00 and more", b"\x00")
    assert verdict.scenario == echoes(b"\x00")
    assert verdict.hides


def test_the_probe_is_one_of_the_examples_and_is_not_played_twice(tmp_path: Path) -> None:
    verdict = tried_with_probe(tmp_path, ECHO, b"hello", b"hello")
    assert (verdict.outcome, verdict.examples, verdict.hides) == ("pass", 1, "")


def test_of_one_example_the_probe_is_the_one(tmp_path: Path) -> None:
    verdict = tried_with_probe(tmp_path, CUTS_AT_NUL, b"hello", b"\x00", examples=1)
    assert (verdict.outcome, verdict.examples) == ("pass", 1)


def test_a_trial_without_a_probe_says_nothing_of_what_is_hidden_behind_it(tmp_path: Path) -> None:
    with session_of(tmp_path, ECHO, Contract(protocol="echo", written=frozenset({"protocol"}))) as session:
        trial = trial_on(session)
        trial.verify(st.just(echoes(b"hello")))
    assert trial.verdict is not None
    assert trial.verdict.hides is None


ANSWERS_IN_A_PAUSE = r"""
def serve(client):
    client.settimeout(2)
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            data += client.recv(4096)
    except TimeoutError:
        pass
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    client.close()
main(serve)
"""


def test_what_a_client_alone_sees_of_a_pause_is_seen_in_real_time_too(tmp_path: Path) -> None:
    need("clock")
    halves = (Send("A", b"GET / HTTP/1.1\r\n"), LetTimePass(3.0), Send("A", b"Host: a\r\n\r\n"))
    contract = Contract.of(protocol="http", written=frozenset({"protocol"}))
    with discovered_session_of(tmp_path, ANSWERS_IN_A_PAUSE, contract) as session:
        trial = Trial(load().get("TIME-11"), session, FEW)
        with pytest.raises(RuleBroken):
            trial.verify(st.just(scenario(Connect("A"), *halves, Receive("A", "announced"))))
    assert trial.verdict is not None
    assert (trial.verdict.confirmed, trial.verdict.in_real_time) == ((3, 3), True)
