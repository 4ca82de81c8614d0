"""What is said of a server does not depend on who said it first: how many workers there are, and in which order."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from gatecrash.engine import worker_pool
from gatecrash.engine.events import RuleJudged, listen
from gatecrash.engine.recorder import Recorder
from gatecrash.engine.run import Run
from gatecrash.engine.run_request import RunRequest
from gatecrash.engine.worker_pool import WorkerPool, work_items
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Send, scenario
from gatecrash.model.verdicts import Finding, Verdict
from gatecrash.paths import tree_root
from gatecrash.protocols import plain_request
from gatecrash.rulebook import load
from tests.sessions import session_of
from tests.test_trial import ECHO
from tests.test_untried import RULES, results

FORKING = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def said_of(server: str, area: str, folder: Path, *, jobs: int) -> dict[str, tuple[str, str, str, str | None]]:
    """Of each rule what was said, why, what was got, and what is hidden behind it."""
    folder.mkdir()
    rules = load().select(("ACC-0*", area))
    request = RunRequest(str(tree_root() / "servers" / "faulty" / server), rules, profile="glance", jobs=jobs)
    judged = listen(Run(request, folder).events()).judgements
    verdicts = [one.verdict for one in judged]
    return {
        one.rule: (one.outcome, str(one.reason), "" if one.finding is None else str(one.finding.got), one.hides)
        for one in verdicts
    }


@pytest.mark.slow
@FORKING
@pytest.mark.parametrize(("server", "area"), [("echo_once.c", "stream"), ("bare_lf.c", "RESP-*0*")])
def test_one_record_comes_of_one_worker_and_of_two_in_any_order(
    server: str, area: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = said_of(server, area, tmp_path / "one", jobs=1)
    assert one == said_of(server, area, tmp_path / "two", jobs=2)
    monkeypatch.setattr(worker_pool, "work_items", lambda *args, **words: work_items(*args, **words)[::-1])
    assert one == said_of(server, area, tmp_path / "reversed", jobs=2)


def test_of_two_findings_alike_the_rulebooks_order_chooses() -> None:
    def broken(got: str) -> Verdict:
        return Verdict("FORK-02", "fail", finding=Finding("FORK-02", "none", got))

    told = [RuleJudged("LIFE-09", "plain", (broken("second"),)), RuleJudged("ACC-03", "plain", (broken("first"),))]
    for events in (told, told[::-1]):
        recorder = Recorder(RunRequest("server", load().rules))
        for event in events:
            recorder.hear(event)
        (judgement,) = recorder.record(interrupted=False).judgements
        assert judgement.verdict.finding is not None
        assert judgement.verdict.finding.got == "first"


def test_what_was_known_of_a_lone_client_is_asked_again_for_the_next_rule(tmp_path: Path) -> None:
    with session_of(tmp_path, ECHO, Contract(protocol="http")) as session:
        session.plain.learn(scenario(Connect("A"), Send("A", b"GET / HTTP/1.0\r\n\r\n")))
        session.leak_watch.patience = session.wear_patience = 0
        session.outlived = 1000
        assert session.plain._known
        session.begin()
        assert not session.plain._known
        assert session.running is None
        assert session.leak_watch.patience
        assert session.wear_patience
        assert not session.outlived


def test_hypothesis_draws_nothing_that_it_found_in_a_source(tmp_path: Path) -> None:
    """In a process of its own: what is switched off stays off."""
    (tmp_path / "remarkable.py").write_text("NUMBER = 8273645546372\n")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import remarkable
from hypothesis import given, settings, strategies as st
from gatecrash.engine.chance import draw_from_no_source
drawn = []
@settings(max_examples=20, database=None, derandomize=True)
@given(st.lists(st.integers(), min_size=100))
def draw(numbers): drawn.extend(numbers)
for switch in (lambda: None, draw_from_no_source):
    switch()
    drawn.clear()
    draw()
    print(remarkable.NUMBER in drawn or -remarkable.NUMBER in drawn)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tree_root())
    assert ran.stdout.split() == ["True", "False"], ran.stderr


@FORKING
@pytest.mark.parametrize(("stretched", "late"), [(False, True), (True, False)])
def test_what_a_busy_machine_took_is_added_to_the_time_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretched: bool, late: bool
) -> None:
    monkeypatch.setattr(WorkerPool, "_kept_waiting", lambda workers: 600.0)
    monkeypatch.setattr(worker_pool, "MOST_STRETCHED", 10_000)

    def sleeps(*_: object, **__: object) -> tuple[Verdict, ...]:
        time.sleep(0.2)
        return ()

    monkeypatch.setattr(worker_pool, "try_property", sleeps)
    found = results(tmp_path, 1, until=time.monotonic() + 0.3, stretched=stretched)
    assert any(one.late for one in found) == late
    assert {one.item.rule for one in found} == set(RULES)


def test_what_a_lone_client_gets_is_asked_before_anything_that_may_harm_the_server(tmp_path: Path) -> None:
    body = """
def serve(client):
    if not client.recv(4096).startswith(b"GET / HTTP"): os._exit(1)
    client.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    client.close()
main(serve)
"""
    request = plain_request(Contract(protocol="http"))
    with session_of(tmp_path, body, Contract(protocol="http")) as session:
        session.plain.learn(scenario(Connect("A"), Send("A", b"no\r\n\r\n"), Connect("B"), Send("B", request)))
        assert session.plain._known[request].answered
