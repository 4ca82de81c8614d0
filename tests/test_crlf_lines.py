"""An echo of lines that CR LF ends, and nothing else: it is known for that, and tried with such lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.profiles import profile
from gatecrash.engine.suite_run import try_all
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, HalfClose, Receive, Send, scenario
from gatecrash.model.verdicts import merge
from gatecrash.protocols import plain_request, protocol_of
from gatecrash.protocols.line_echo import LONGEST, as_lines, with_crlf
from gatecrash.rulebook import load
from tests.sessions import ITERATIVE, discovered_session_of

#: As twisted.protocols.basic.LineReceiver does by default.
LINE_RECEIVER = r"""
def serve(client):
    kept = b""
    try:
        while data := client.recv(4096):
            *lines, kept = (kept + data).split(b"\r\n")
            for line in lines:
                client.sendall(line + b"\r\n")
    except (ConnectionResetError, BrokenPipeError):
        pass
    client.close()
main(serve)
"""
ANY_LINE_END = LINE_RECEIVER.replace(r'b"\r\n"', r'b"\n"')
CRLF = Contract.of(protocol="echo", echo="lines", line_end="crlf")


@pytest.mark.parametrize(
    ("body", "echo", "line_end"), [(LINE_RECEIVER, "lines", "crlf"), (ANY_LINE_END, "bytes", "lf")], ids=["crlf", "lf"]
)
def test_discovery_learns_what_ends_a_line(tmp_path: Path, body: str, echo: str, line_end: str) -> None:
    with discovered_session_of(tmp_path, body, Contract()) as session:
        assert (session.contract.protocol, session.contract.echo.unit) == ("echo", echo)
        assert session.contract.echo.line_end == line_end


def test_what_its_author_has_written_is_not_learnt(tmp_path: Path) -> None:
    written = Contract.of(protocol="echo", echo="bytes", written=frozenset({"protocol", "echo"}))
    with discovered_session_of(tmp_path, LINE_RECEIVER, written) as session:
        assert (session.contract.echo.unit, session.contract.echo.line_end) == ("bytes", "lf")


def test_such_an_echo_breaks_no_rule_of_the_stream(tmp_path: Path) -> None:
    program = tmp_path / "lines.py"
    program.write_text(ITERATIVE + LINE_RECEIVER)
    with SessionPool(tmp_path) as pool:
        opened = pool.open(str(program))
        assert opened is not None
        tried = {rule.id for rule in load().select(("stream", "ACC-01", "ACC-03", "LIFE-05"))}
        verdicts = merge(try_all(opened, "plain", lambda rule: profile("glance") if rule.id in tried else None))
    outcomes = {rule: verdict.outcome for rule, verdict in verdicts.items()}
    assert "fail" not in outcomes.values(), outcomes
    assert {"STREAM-01", "STREAM-02", "STREAM-03", "STREAM-11", "ACC-03"} <= {
        r for r, o in outcomes.items() if o == "pass"
    }


@given(st.lists(st.binary(min_size=1, max_size=12) | st.just(b"x" * 1200), min_size=1, max_size=5))
def test_every_line_of_a_client_ends_with_cr_lf(parts: list[bytes]) -> None:
    steps = [Connect("A"), *(Send("A", part) for part in parts), HalfClose("A"), Receive("A", "end")]
    fitted = protocol_of(CRLF).fitted(scenario(*steps))
    said = fitted.sent_by("A")
    lines = said.split(b"\r\n")
    assert lines.pop() == b""
    assert b"\r" not in b"".join(lines)
    assert b"\n" not in b"".join(lines)
    for line in lines:
        assert line
        assert line == line.strip()
        assert len(line) + 2 <= LONGEST
    assert len(said) <= sum(map(len, parts)) + 2


@pytest.mark.parametrize(
    ("lines", "ended"),
    [
        (b"gate\n", b"gat\r\n"),
        (b"gate\ncrash", b"gat\r\ncrash"),
        (b"x\n", b"x\r\n"),
        (b"x\ngate\n", b"x.gat\r\n"),
        (b"x\ny\n", b"x.\r\n"),
        (b"a b\n", b"a.\r\n"),
        (b"x\n.", b"x.."),
    ],
)
def test_the_cr_takes_the_place_of_a_lines_last_byte(lines: bytes, ended: bytes) -> None:
    assert with_crlf(lines) == ended
    assert with_crlf(as_lines(lines, ends=lines.endswith(b"\n"))) == ended


def test_a_client_asks_with_a_line_that_ends_so_and_is_owed_nothing_before() -> None:
    request, spoken = plain_request(CRLF), protocol_of(CRLF)
    assert request.endswith(b"now\r\n")
    assert len(request) == len(plain_request(Contract(protocol="echo")))
    assert spoken.may_expect(request)
    assert not spoken.may_expect(request[:-1])
    assert not spoken.may_expect(b"gate\n")
    assert spoken.wordy_request.count(b"\r\n") == spoken.wordy_request.count(b"\n")
