"""What a lone client gets no answer to is no measure: a rule that had nothing else to go by has not held."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatecrash.engine.preparation import OpenTarget
from gatecrash.engine.profiles import profile
from gatecrash.engine.properties import properties
from gatecrash.engine.suite_run import try_property
from gatecrash.model.contract import Contract
from gatecrash.model.prepared import Prepared
from gatecrash.model.scenario import Connect, Receive, Send, scenario
from gatecrash.model.transcript import Transcript
from gatecrash.model.verdicts import Case, Plain, Verdict
from gatecrash.oracles.yardstick import unmeasured
from gatecrash.protocols.http import get_request, post_request
from gatecrash.rulebook import load
from tests.needs import need
from tests.sessions import discovered_session_of

PAGE, LARGE, POST = get_request("/"), get_request("/large"), post_request("/echo")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ANSWERED, NOTHING = Plain(ANSWER, None, answered=True), Plain(b"", None, answered=False)
HALF = Plain(ANSWER[:-1], None, answered=False)


def weighed(rule: str, *asked: tuple[bytes, Plain | None]) -> str | None:
    """Why clients that sent these, and what a lone client gets for it, say nothing of the rule."""
    names = "ABCDEF"[: len(asked)]
    steps = [(Connect(name), Send(name, sent), Receive(name)) for name, (sent, _) in zip(names, asked, strict=True)]
    plain = {sent: known for sent, known in asked if known is not None}
    return unmeasured(
        load().get(rule).measure, Case(Transcript(scenario(*steps), ()), Contract(protocol="http"), plain)
    )


@pytest.mark.parametrize("rule", ["RESP-02", "RESP-11", "RESP-28", "RESP-26", "RESP-04", "RESP-13", "LIFE-11"])
def test_nothing_is_no_measure(rule: str) -> None:
    assert weighed(rule, (LARGE, NOTHING)) == (
        "a lone client got no answer to GET /large either, so there is nothing to measure by"
    )
    assert weighed(rule, (LARGE, ANSWERED)) is None


def test_half_an_answer_measures_its_head_only() -> None:
    assert weighed("RESP-28", (LARGE, HALF)) == (
        "a lone client got no whole answer to GET /large either (39 bytes came), so there is nothing to measure by"
    )
    assert weighed("RESP-04", (LARGE, HALF)) is None


def test_what_was_never_asked_plainly_is_not_said_to_be_unanswered() -> None:
    assert weighed("RESP-28", (LARGE, None)) is None


def test_of_a_crowd_one_that_can_be_measured_is_enough() -> None:
    assert weighed("RESP-19", (POST, NOTHING), (PAGE, ANSWERED)) is None
    assert weighed("RESP-19", (POST, NOTHING), (LARGE, NOTHING)) is not None


def test_what_others_ask_between_two_that_are_compared_does_not_matter() -> None:
    assert weighed("RESP-24", (PAGE, ANSWERED), (POST, NOTHING)) is None
    assert weighed("RESP-25", (POST, NOTHING), (PAGE, ANSWERED)) is None
    assert weighed("RESP-10", (POST, NOTHING), (PAGE, ANSWERED)) is None
    assert weighed("RESP-10", (PAGE, ANSWERED), (POST, NOTHING)) is not None


def test_each_request_of_a_pipeline_is_to_be_answered_alone() -> None:
    sent = PAGE + POST
    played = Transcript(scenario(Connect("A"), Send("A", sent), Receive("A")), ())
    plain = {sent: ANSWERED, PAGE: ANSWERED, POST: NOTHING}
    assert unmeasured(load().get("RESP-17").measure, Case(played, Contract(protocol="http"), plain)) is not None


def test_a_rule_that_compares_with_nothing_is_always_measured() -> None:
    assert weighed("ACC-01", (PAGE, NOTHING)) is None


#: Rules about HTTP's answers that are measured by nothing a lone client gets, each with the reason.
BY_THEMSELVES = {
    "RESP-01": "whether a lone client gets an answer is what it asks",
    "RESP-22": "a crash is a crash, whatever anybody got",
    "RESP-30": "what the contract promises is asked for by one client alone",
}


def test_a_rule_about_answers_says_what_a_lone_client_must_have_got() -> None:
    assert {rule.id for rule in load().rules if rule.area == "response" and rule.measure is None} == set(BY_THEMSELVES)


#: Answers GET at once, but for the large page; whoever sends a body, or asks for that, waits for ever.
HANGS = """
def serve(client):
    request = client.recv(65536)
    while request and (request.startswith(b"GET /large ") or b"ontent-" in request or b"CONTENT-" in request):
        request = client.recv(65536)
    if request:
        client.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    client.close()
main(serve)
"""
PROMISES = Contract.of(
    protocol="http",
    large_path="/large",
    post_path="/echo",
    written=frozenset({"protocol", "large_path", "post_path"}),
)


def verdicts(folder: Path, body: str, contract: Contract, *rules: str) -> dict[str, Verdict]:
    with discovered_session_of(folder, body, contract) as session:
        opened = OpenTarget(session, Prepared("server.py", session.contract, {}))
        tried = [one for one in properties() if one.rule in rules]
        made = [verdict for one in tried for verdict in try_property(one, opened, "plain", profile("quick"))]
    return {verdict.rule: verdict for verdict in made if verdict.rule in rules}


def test_an_empty_yardstick_is_not_observable_and_never_a_pass(tmp_path: Path) -> None:
    need("borrowed sockets")
    said = verdicts(tmp_path, HANGS, PROMISES, "RESP-01", "RESP-11", "RESP-26", "RESP-28", "RESP-30")
    assert {rule: one.outcome for rule, one in said.items()} == {
        "RESP-01": "fail",
        "RESP-11": "pass",
        "RESP-26": "not_observable",
        "RESP-28": "not_observable",
        "RESP-30": "fail",
    }
    assert said["RESP-28"].reason == (
        "a lone client got no answer to GET /large either, so there is nothing to measure by"
    )
    assert "POST /echo" in said["RESP-26"].reason


#: How correct servers treat a POST that they do not take, or do not look into.
CORRECT = {
    "refuses with 501": ("HTTP/1.1", "501 Not Implemented"),
    "refuses with 405": ("HTTP/1.1", "405 Method Not Allowed"),
    "refuses with 400": ("HTTP/1.1", "400 Bad Request"),
    "has no such page": ("HTTP/1.1", "404 Not Found"),
    "answers without a look at the body": ("HTTP/1.1", "200 OK"),
    "speaks HTTP/1.0": ("HTTP/1.0", "200 OK"),
}
ANSWERS = """
def serve(client):
    request = b""
    while b"\\r\\n\\r\\n" not in request:
        data = client.recv(65536)
        if not data:
            return client.close()
        request += data
    status = b"{status}" if not request.startswith((b"GET / ", b"HEAD / ")) else b"200 OK"
    body = b"" if request.startswith(b"HEAD") else b"ok"
    client.sendall(b"{version} " + status + b"\\r\\nConnection: close\\r\\nContent-Length: 2\\r\\n\\r\\n" + body)
    client.shutdown(socket.SHUT_WR)
    while client.recv(65536):
        pass
    client.close()
main(serve)
"""


@pytest.mark.parametrize("how", CORRECT)
def test_a_server_that_says_something_to_everybody_holds_all_three(tmp_path: Path, how: str) -> None:
    version, status = CORRECT[how]
    body = ANSWERS.format(version=version, status=status)
    said = verdicts(tmp_path, body, Contract(), "RESP-01", "RESP-30", "RESP-31")
    assert {rule: one.outcome for rule, one in said.items()} == dict.fromkeys(("RESP-01", "RESP-30", "RESP-31"), "pass")
