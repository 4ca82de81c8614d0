"""An echo that keeps a byte of everybody: rules about other things are judged by what a lone client of it gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatecrash.engine.judge import judge
from gatecrash.engine.plain_answers import PlainAnswers
from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.profiles import profile
from gatecrash.engine.suite_run import try_all
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Receive, Scenario, Send, scenario
from gatecrash.model.transcript import Connected, Ended, Got, Transcript
from gatecrash.model.verdicts import EVERYTHING, Finding, Held, Plain, merge
from gatecrash.protocols import ApplicationProtocol, protocol_of, visit
from gatecrash.protocols.echo import ECHO_PAYLOAD
from gatecrash.rulebook import load
from tests.sessions import ITERATIVE, session_of

ECHO = Contract.of(protocol="echo")
#: As the example of Python's documentation does: one line, stripped, and good-bye.
STRIPPED = """
harm = False

def serve(client):
    global harm
    lines = client.makefile("rb")
    try:
        line = lines.readline(10000)
        {rude}
        client.sendall(line.rstrip()[:40 if harm else None])
    except (ConnectionResetError, BrokenPipeError):
        {rude_late}
    lines.close()
    client.close()
main(serve)
"""
NOTICED = 'harm = harm or not line.endswith(b"\\n")'
POLITE = STRIPPED.format(rude="pass", rude_late="pass")
WORSE = STRIPPED.format(rude=NOTICED, rude_late="harm = True")
DEAD = STRIPPED.format(rude='assert line.endswith(b"\\n")', rude_late="raise")
LEFT_ALONE = ("ACC-01", "ACC-17", "LIFE-04", "LIFE-05", "LIFE-06", "LIFE-09", "TIME-12", "RES-01")


def outcomes_on(folder: Path, body: str, rules: tuple[str, ...]) -> dict[str, str]:
    program = folder / "stripped.py"
    program.write_text(ITERATIVE + body)
    with SessionPool(folder) as pool:
        opened = pool.open(str(program))
        assert opened is not None
        verdicts = merge(try_all(opened, "plain", lambda rule: profile("quick") if rule.id in rules else None))
    return {rule: verdicts[rule].outcome for rule in rules}


def test_a_byte_that_nobody_gets_back_is_no_other_rules_affair(tmp_path: Path) -> None:
    assert outcomes_on(tmp_path, POLITE, LEFT_ALONE) == dict.fromkeys(LEFT_ALONE, "pass")


@pytest.mark.parametrize("body", [WORSE, DEAD], ids=["serves worse", "ends"])
def test_who_serves_worse_after_a_departure_breaks_its_rule(tmp_path: Path, body: str) -> None:
    assert outcomes_on(tmp_path, body, ("LIFE-05",)) == {"LIFE-05": "fail"}


def test_a_whole_echo_is_measured_by_nobody(tmp_path: Path) -> None:
    whole = "def serve(client):\n    client.sendall(client.recv(4096))\n    client.close()\nmain(serve)\n"
    with session_of(tmp_path, whole, ECHO) as session:
        two = scenario(visit("A", ECHO), visit("B", ECHO))
        assert isinstance(judge(session, load().get("ACC-01"), two).ruling, Held)
        assert not session.plain.for_scenario(two)


def test_what_a_lone_client_gets_is_asked_of_a_fresh_server() -> None:
    target = Target()
    answers, asked = PlainAnswers(target), scenario(Connect("A"), Send("A", ECHO_PAYLOAD), Receive("A"))
    assert answers.learn_short(target.play(asked))
    assert target.started == 1
    assert not answers.learn_short(target.play(asked))  # it is known by now
    assert answers.for_scenario(asked)[ECHO_PAYLOAD] == Plain(ECHO_PAYLOAD[:-1], "FIN", answered=False)
    unheard = scenario(Connect("A"), Send("A", ECHO_PAYLOAD * 2))  # it waits for nothing
    assert not answers.learn_short(target.play(unheard))


class Target:
    """A server that keeps the last byte."""

    protocol: ApplicationProtocol = protocol_of(ECHO)
    met = 0
    started = 0

    def fresh(self) -> object:
        self.started += 1
        return self

    def play(self, scenario: Scenario, *, fresh: bool = False) -> Transcript:
        events = (Connected(0, "A"), Got(2, "A", scenario.sent_by("A")[:-1]), Ended(2, "A", "FIN"))
        return Transcript(scenario, events)


@pytest.mark.parametrize(
    ("received", "alone", "expected"),
    [
        (ECHO_PAYLOAD, None, True),
        (ECHO_PAYLOAD[:-1], None, False),
        (ECHO_PAYLOAD[:-1], Plain(ECHO_PAYLOAD[:-1], "FIN", answered=False), True),
        (ECHO_PAYLOAD[:-2], Plain(ECHO_PAYLOAD[:-1], "FIN", answered=False), False),
        (ECHO_PAYLOAD[:-2], Plain(ECHO_PAYLOAD[:-1], "FIN", answered=False, varies=EVERYTHING), True),
        (ECHO_PAYLOAD[:-1], Plain(ECHO_PAYLOAD, "FIN", answered=True, varies=EVERYTHING), False),
        (b"", Plain(b"", "FIN", answered=False), False),
        (b"", Plain(ECHO_PAYLOAD[:-1], "FIN", answered=False, varies=EVERYTHING), False),
    ],
)
def test_served_is_who_gets_back_all_or_what_a_lone_client_does(
    received: bytes, alone: Plain | None, expected: bool
) -> None:
    echo = protocol_of(ECHO)
    assert echo.served(ECHO_PAYLOAD, received, ended=True, alone=alone, unasked=None) is expected


def test_an_echo_in_upper_case_is_measured_too(tmp_path: Path) -> None:
    upper = Contract.of(protocol="echo", echo="upper")
    body = POLITE.replace("line.rstrip()", "line.rstrip().upper()")
    two = scenario(visit("A", upper), visit("B", upper))
    with session_of(tmp_path, body, upper) as session:
        assert isinstance(judge(session, load().get("ACC-01"), two).ruling, Held)
        assert isinstance(judge(session, load().get("STREAM-02"), two).ruling, Finding)
