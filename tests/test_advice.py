"""The usual mistake that a report tells is one that the evidence fits; where none fits, there is none."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import pytest

from gatecrash.model.blocked import BlockedTask, Descriptor
from gatecrash.model.complaints import assertion, complaints, errors, exceptions
from gatecrash.model.confinement import LimitHit, LimitName
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Receive, ReceiveDatagrams, Scenario, SendDatagram
from gatecrash.model.transcript import (
    CrashedProcess,
    Event,
    Got,
    SanitizerReport,
    Sent,
    ServerEnded,
    Silent,
    Transcript,
)
from gatecrash.model.verdicts import Case, Difference, Finding, Verdict
from gatecrash.oracles.invariants import with_cause
from gatecrash.oracles.service import its_words
from gatecrash.protocols.echo import difference
from gatecrash.results.advice import fitting
from gatecrash.rulebook import Condition, Rule, Seen, load, mentioned
from tests.oracles.played import comes, ends, gets, played, ruled, sends, silence

RULES = load().rules
FAULTY = Path(__file__).parents[1] / "servers" / "faulty"
CATALOGUE = Path(__file__).parents[1] / "gatecrash" / "locale" / "gatecrash.pot"
#: What others say in findings: the sanitizers, and the kernel of its calls.
OF_OTHERS = re.compile(
    r"Assertion|overflow|shift|division|param|stpcpy|out of bounds|misaligned|str|mem|printf|puts|ato|free|scanf|wait"
    r"|underflows|of size|is /"
)


# -- conditions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "seen", "holds"),
    [
        ("language c", Seen(language="c"), True),
        ("language c | python", Seen(language="other"), False),
        ("blocked in epoll | poll", Seen(blocked=frozenset({"epoll_pwait"})), True),
        ("blocked in accept", Seen(blocked=frozenset({"futex"})), False),
        ("not blocked in accept", Seen(blocked=frozenset({"futex"})), True),
        ("uses strlen", Seen(mentions=frozenset({"strlen"})), True),
        ("uses strlen", Seen(mentions=None), False),
        ("lacks wait | waitpid", Seen(mentions=frozenset({"waitpid"})), False),
        ("lacks wait | waitpid", Seen(mentions=frozenset()), True),
        ("lacks wait", Seen(mentions=None), False),
        ("threads share a connection", Seen(shared=frozenset({"a connection"})), True),
        ("threads share a connection", Seen(), False),
        ("ended exit", Seen(ended="exit error"), True),
        ("ended exit 0", Seen(ended="exit error"), False),
        ("signal SIGPIPE", Seen(signals=frozenset({"SIGSEGV"})), False),
        ("exception any", Seen(exceptions=frozenset({"KeyError"})), True),
        ("exception any", Seen(), False),
        ("error EINVAL", Seen(errors=frozenset({"EINVAL"})), True),
    ],
)
def test_a_condition_holds_of_what_was_seen(condition: str, seen: Seen, holds: bool) -> None:
    assert Condition.parse(condition).holds(seen) is holds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weather fine", "begins with no known kind"),
        ("always", "begins with no known kind"),
        ("language rust", "says language 'rust'; allowed are c, python, other"),
        ("signal SIGNONE", "says signal 'SIGNONE'"),
        ("blocked in bed", "says blocked in 'bed'"),
        ("uses two words", "says uses 'two words'"),
    ],
)
def test_a_condition_that_says_nothing_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Condition.parse(text)


def test_a_name_is_looked_for_outside_of_comments_and_strings() -> None:
    source = '// strlen\n/* sizeof */ puts("waitpid"); setsockopt(fd, SO_REUSEADDR | SO_REUSEPORT);'
    wanted = {"strlen", "sizeof", "waitpid", "puts", "SO_REUSEADDR|SO_REUSEPORT", "setsock"}
    assert mentioned(source, "c", wanted) == {"puts", "SO_REUSEADDR|SO_REUSEPORT"}
    script = '"""os.fork"""\nimport http.server\nsignal.signal(1, 2)  # wait\n'
    assert mentioned(script, "python", {"fork", "http.server", "signal.signal", "wait"}) == {
        "http.server",
        "signal.signal",
    }


def test_words_of_a_finding_that_a_condition_asks_for_are_words_that_are_said() -> None:
    said = CATALOGUE.read_text(encoding="utf-8").replace('"\n"', "").replace('\\"', '"')
    asked = {
        value
        for rule in RULES
        for mistake in rule.mistakes
        for one in mistake.when
        if one.kind in ("said", "expected")
        for value in one.values
    }
    template = re.sub(r"\{[^}]*\}|[0-9]+(\.[0-9]+)*", "0", said)
    written = {words: re.sub(r"[0-9]+(\.[0-9]+)*", "0", words) for words in asked}
    unknown = {words for words, sought in written.items() if sought not in template and not OF_OTHERS.search(words)}
    assert unknown == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_what_a_planted_mistake_is_written_in_contradicts_no_advice_on_it(rule: Rule) -> None:
    """One of the faulty servers of each rule has a source that one of its mistakes may be about."""
    paths = [path for name in rule.faulty if (path := FAULTY / name).is_file()]
    assert any(map(partial(may_be_about, rule), paths)) or not paths


def may_be_about(rule: Rule, path: Path) -> bool:
    language = "python" if path.suffix == ".py" else "c"
    uses = mentioned(path.read_text(encoding="utf-8"), language, load().asked_of_source)
    seen = Seen(language=language, mentions=uses)
    fixed = [[one for one in m.when if one.kind in ("language", "uses", "lacks")] for m in rule.mistakes]
    return any(all(one.holds(seen) for one in some) for some in fixed)


# -- what a program says of its troubles -----------------------------------------------------------------------------

PYTHON = """\
Traceback (most recent call last):
  File "server.py", line 9, in <module>
    text = data.decode()
UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte
"""
JAVA = """\
Exception in thread "main" java.net.SocketException: Broken pipe
\tat java.base/sun.nio.ch.SocketDispatcher.write0(Native Method)
"""


@pytest.mark.parametrize(
    ("output", "names"),
    [
        (PYTHON, ("UnicodeDecodeError",)),
        (JAVA, ("SocketException",)),
        ("node:events:497\nError: write EPIPE\n    at afterWriteDispatched (node:internal)\n", ("Error",)),
        ("terminate called after throwing an instance of 'std::out_of_range'\n", ("out_of_range",)),
        ("listening on 127.0.0.1:8080\nGET / 200\n", ()),
        ("Served: 3\nWarning: slow\n", ()),
    ],
)
def test_exceptions_are_known_by_their_tracebacks(output: str, names: tuple[str, ...]) -> None:
    assert exceptions(output) == names


def test_an_error_of_a_call_is_known_by_its_words() -> None:
    assert errors("sendto: Invalid argument\n") == {"EINVAL"}
    assert errors("OSError: [Errno 98] Address already in use\n") == {"EADDRINUSE"}
    assert errors("GET / HTTP/1.1: ok\n") == frozenset()
    assert complaints("hello\nsendto: Invalid argument\nhello\nsendto: Invalid argument\n") == (
        "sendto: Invalid argument",
    )


def test_an_assertion_is_known_by_its_words() -> None:
    said = "server: server.c:12: serve: Assertion `n > 0' failed."
    assert assertion(f"listening\n{said}\n") == said
    assert assertion("listening\n") == ""


# -- what is told ----------------------------------------------------------------------------------------------------


def verdict(rule: str, *, output: str = "", events: tuple[Event, ...] = (), **finding: object) -> Verdict:
    found = replace(Finding(rule, "", ""), **finding)  # type: ignore[arg-type]
    return Verdict(rule, "fail", finding=found, transcript=Transcript(Scenario(()), events, output=output))


def first(rule: str, made: Verdict, contract: Contract) -> str:
    """The beginning of the mistake that a report tells; "" for none."""
    found = fitting(load().get(rule), made, contract)
    return " ".join(found[0].text.split()) if found else ""


def test_who_dies_of_an_exception_is_not_told_of_sigpipe() -> None:
    ended = ServerEnded(0, 1)
    raised = verdict("LIFE-06", output=PYTHON, events=(ended,))
    assert first("LIFE-06", raised, Contract(source="python")) == ""
    broken_pipe = verdict("LIFE-06", output=PYTHON.replace("UnicodeDecodeError", "BrokenPipeError"), events=(ended,))
    assert first("LIFE-06", broken_pipe, Contract(source="python")).startswith("BrokenPipeError")
    killed = verdict("LIFE-06", events=(CrashedProcess(0, 7, 13),))
    assert first("LIFE-06", killed, Contract(source="c")).startswith("SIGPIPE")
    assert first("LIFE-06", verdict("LIFE-06", output=JAVA, events=(ended,)), Contract()) == ""


def test_threads_that_wait_for_the_bytes_of_one_connection_were_given_the_address_of_one_variable() -> None:
    threads = tuple(BlockedTask(7, tid, "x", "blocked", "read", Descriptor(5, "socket")) for tid in (8, 9))
    rests = BlockedTask(7, 7, "x", "blocked", "accept", Descriptor(3, "socket"))
    in_c = Contract(source="c", concurrency="thread")
    assert "address of the loop's variable" in first(
        "STREAM-10", verdict("STREAM-10", evidence=(rests, *threads)), in_c
    )
    assert first("STREAM-10", verdict("STREAM-10", evidence=(rests, threads[0])), in_c) == ""
    jobs = tuple(replace(thread, descriptor=Descriptor(5, "pipe")) for thread in threads)
    assert first("STREAM-10", verdict("STREAM-10", evidence=(rests, *jobs)), in_c) == ""
    workers = tuple(replace(thread, pid=thread.tid) for thread in threads)
    assert first("STREAM-10", verdict("STREAM-10", evidence=workers), in_c) == ""


def test_who_ends_with_its_first_client_is_told_of_the_loop_and_of_one_shot() -> None:
    left = verdict("ACC-01", events=(ServerEnded(0, 0),))
    (mistake,) = fitting(load().get("ACC-01"), left, Contract(source="c"))
    assert "outside of any loop" in " ".join(mistake.text.split())
    assert "one_shot = true" in mistake.text
    assert "accept(" in (mistake.c or "")


@pytest.mark.parametrize(
    ("rule", "exception", "told"),
    [
        ("ACC-05", "ConnectionResetError", "recv and send raise ConnectionResetError"),
        ("RESP-02", "IndexError", "One recv is taken for one request. It gave only a part"),
        ("LIFE-05", "IndexError", "A client that leaves makes recv give no bytes"),
        ("LIFE-05", "ConnectionResetError", "One client's error reaches the main loop"),
        ("LIFE-11", "BlockingIOError", "The buffer for what is sent is full"),
        ("STREAM-04", "BlockingIOError", "The buffer for what is sent is full"),
    ],
)
def test_an_exception_is_told_of_with_what_raises_it(rule: str, exception: str, told: str) -> None:
    output = PYTHON.replace("UnicodeDecodeError", exception)
    assert told in first(rule, verdict(rule, output=output, events=(ServerEnded(0, 1),)), Contract(source="python"))


def test_a_line_that_is_waited_for_is_known_by_readline_whoever_waits() -> None:
    asleep = verdict("STREAM-03", evidence=(BlockedTask(1, 1, "python3", "blocked", "epoll_wait"),))
    in_python = Contract(source="python", mentions=("readline",))
    assert first("STREAM-03", asleep, in_python).startswith("readline() waits until a line has ended")
    assert first("STREAM-03", asleep, Contract(source="python", mentions=())) == ""


def test_a_checksum_that_overflows_is_not_told_of_the_range_of_a_number() -> None:
    shift = verdict("MEM-02", got="a.c:7: runtime error: left shift of 72602671 by 5 places cannot be represented")
    assert "unsigned" in first("MEM-02", shift, Contract(source="c"))
    exponent = verdict("MEM-02", got="a.c:7: runtime error: shift exponent 99 is too large")
    assert "without a look at its range" in first("MEM-02", exponent, Contract(source="c"))


def test_a_crash_that_a_sanitizer_has_caught_is_told_of_like_one_that_ends_the_process() -> None:
    caught = SanitizerReport(0, "signal", "==1==ERROR: AddressSanitizer: SEGV on unknown address 0x0")
    assert "may be NULL" in first("MEM-03", verdict("MEM-03", events=(caught,)), Contract(source="c"))


def test_a_file_that_is_left_open_is_told_of_close_for_that_file() -> None:
    leaks = verdict("RES-01", evidence=("process 7: descriptor 9 is /www/index.html",))
    assert first("RES-01", leaks, Contract(source="c")).startswith("A file that was opened for an answer")
    leaks = verdict("RES-01", evidence=("process 7: descriptor 9 is a socket",))
    assert first("RES-01", leaks, Contract(source="c")).startswith("A descriptor that was opened for a client")


def test_another_clients_bytes_come_from_what_all_clients_share() -> None:
    extra = difference(b"aaa", b"aaabbb")
    assert extra is not None
    assert "buffer that is static, global" in first("STREAM-10", verdict("STREAM-10", got=extra.line()), Contract())


def test_edge_triggering_is_spoken_of_where_it_is_used() -> None:
    asleep = (BlockedTask(1, 1, "java", "blocked", "epoll_wait"),)
    assert first("ACC-02", verdict("ACC-02", evidence=asleep), Contract()) == ""
    mine = Contract(source="c", mentions=("EPOLLET",))
    assert first("ACC-02", verdict("ACC-02", evidence=asleep), mine).startswith("One accept for each EPOLLET")


CUT = Difference(b"ab\0cd", b"ab", 2)


@pytest.mark.parametrize("rule", ["STREAM-02", "DGRAM-01"])
def test_strlen_is_spoken_of_where_the_bytes_end_at_a_nul(rule: str) -> None:
    in_c, in_python = Contract(source="c"), Contract(source="python")
    assert "strlen" in first(rule, verdict(rule, difference=CUT), in_c)
    assert first(rule, verdict(rule, difference=Difference(b"abcd", b"ab", 2)), in_c) == ""
    decoding = verdict(rule, output=PYTHON, events=(ServerEnded(0, 1),))
    assert "strlen" not in first(rule, decoding, in_python)
    assert "decode" in first(rule, decoding, in_python)


def test_an_address_without_room_is_known_by_the_error_of_sendto() -> None:
    silent = verdict("DGRAM-01", output="sendto: Invalid argument\n")
    assert "recvfrom" in first("DGRAM-01", silent, Contract(source="c", mentions=("recvfrom",)))


def test_a_chunk_size_in_decimal_is_not_told_of_content_length() -> None:
    chunk = verdict("RESP-09", expected="a chunk size in hexadecimal and CRLF")
    assert "Content-Length" not in first("RESP-09", chunk, Contract(source="c"))
    assert "hexadecimal" in first("RESP-09", chunk, Contract(source="c"))
    none = verdict("RESP-09", got="A got an answer with neither length nor chunks, and the connection stays open")
    assert first("RESP-09", none, Contract(source="c")).startswith("No Content-Length")


def test_who_watches_its_clients_is_told_of_the_hangup() -> None:
    spins = verdict("LIFE-08")
    assert "POLLHUP" in first("LIFE-08", spins, Contract(source="c", mentions=("poll", "recv")))
    assert first("LIFE-08", spins, Contract(source="c", mentions=("recv",))).startswith("The loop goes on while recv")


# -- what a finding says of the cause --------------------------------------------------------------------------------


ASSERTED = "server: server.c:12: serve: Assertion `n > 0' failed.\n"


@pytest.mark.parametrize(
    ("status", "output", "kind", "got"),
    [
        (-6, ASSERTED, "an assertion that failed", f"SIGABRT: {ASSERTED.strip()}"),
        (-6, "*** stack smashing detected ***: terminated\n", "a crash", "SIGABRT: *** stack smashing detected"),
        (-8, "", "a crash", "SIGFPE: a division of integers"),
        (-11, "", "a memory fault", "SIGSEGV"),
    ],
)
def test_a_crash_is_called_what_it_was(status: int, output: str, kind: str, got: str) -> None:
    case = Case(Transcript(Scenario(()), (ServerEnded(0, status, output),), output=output), Contract())
    said = with_cause(case, Finding("LIFE-05", "a client is served", "it was not")).lines[0]
    assert said.startswith(f"the cause is {kind} (MEM-03)")
    assert got in said


def test_what_a_server_that_lives_complains_of_is_told() -> None:
    lives = Transcript(Scenario(()), (), output="listening\nsendto: Invalid argument\n")
    assert its_words(lives) == ("meanwhile it printed: sendto: Invalid argument",)
    assert its_words(replace(lives, output="listening\nGET / 200\n")) == ()
    ended = replace(lives, events=(ServerEnded(0, 1),))
    assert its_words(ended) == ("its last words: listening\nsendto: Invalid argument",)


def echoed(sent: bytes, came: bytes) -> Finding:
    parts = (comes("A"), sends("A", sent), gets("A", came), (Receive("A"), [silence("A")]))
    found = ruled("STREAM-03", played(*parts), "echo")
    assert isinstance(found, Finding)
    return found


def test_an_echo_of_lines_is_not_suggested_where_the_bytes_end_at_a_nul() -> None:
    assert "echo of lines" in echoed(b"one\ntwo", b"one\n").lines[-1]
    assert not any("echo of lines" in line for line in echoed(b"one\n\0two", b"one\n").lines)


@pytest.mark.parametrize(
    ("came", "output", "hinted"),
    [(b"x" * 1024, "", True), (b"y" * 1024, "", False), (b"x" * 1024, "recvfrom: Bad address\n", False)],
)
def test_a_smaller_datagram_is_suggested_where_a_smaller_buffer_explains_it(
    came: bytes, output: str, hinted: bool
) -> None:
    sent = b"x" * 2048
    events = (Sent(0, "A", sent, None, None), Got(1, "A", came), Silent(1, "A", True, "quiet"))
    steps = (SendDatagram("A", sent), ReceiveDatagrams("A", 1))
    made = Transcript(Scenario(steps), events, output=output, sent={"A": sent})
    found = ruled("DGRAM-04", made, "udp")
    assert isinstance(found, Finding)
    assert any("write max_datagram" in line for line in found.lines) is hinted


def test_an_echo_that_ends_is_told_by_its_messages_not_by_their_size() -> None:
    block = b"x" * 4096
    parts = (comes("A"), sends("A", block), gets("A", block), sends("A", block), gets("A", b"", ends("A", "FIN")))
    found = ruled("STREAM-11", played(*parts), "echo")
    assert isinstance(found, Finding)
    assert found.got == "after the first message nothing more came back, then the connection was closed"


@pytest.mark.parametrize("limit", get_args(LimitName))
def test_what_is_advised_fits_the_limit_that_was_hit(limit: LimitName) -> None:
    got = f"{LimitHit(limit, 64, 65).said}: it was ended"
    finding = Finding("RES-07", "it gets by with what it was given", got)
    told = fitting(load().get("RES-07"), Verdict("RES-07", "fail", finding=finding), Contract(source="c"))
    words = {
        "memory": "Memory is taken for each client",
        "output": "prints each time round",
        "cpu": "asks again at once",
        "cpu_together": "asks again at once",
    }
    assert [words[limit] in one.text for one in told] == ([True] if limit in words else [])
