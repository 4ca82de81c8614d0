"""What a crash has to do with what was found: the cause of a client's misfortune, or of none."""

from __future__ import annotations

from gatecrash.language import stated
from gatecrash.model.contract import Contract
from gatecrash.model.transcript import ServerEnded
from gatecrash.model.verdicts import Case, Finding
from gatecrash.oracles.invariants import with_cause
from tests.oracles.played import asks, played

CRASH = ServerEnded(0, -11)


def _found(answer: bytes) -> Finding:
    case = Case(played(asks("A", answer), asks("B", b""), ends=CRASH), Contract.of(protocol="http"))
    got = stated("{client} got {number} bytes behind the end of the answer", client="A", number=2)
    return with_cause(case, Finding("RESP-10", "an answer without a body", got))


def test_a_crash_is_not_the_cause_of_what_is_wrong_with_a_whole_answer() -> None:
    found = _found(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert found.lines == ("besides, a process of the server was ended by SIGSEGV",)


def test_a_crash_is_the_cause_of_an_answer_that_is_cut_short() -> None:
    found = _found(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    assert found.lines == ("the cause is a memory fault (MEM-03): a process of the server was ended by SIGSEGV",)
