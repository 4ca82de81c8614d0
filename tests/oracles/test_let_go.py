"""Clients that a time limit of the server's has ended: of them no rule says that they miss something."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatecrash.language import stated
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Receive, Scenario, Send
from gatecrash.model.transcript import Connected, Ended, Event, Got, NotSent, Sent, TimePassed, Transcript
from gatecrash.model.verdicts import Finding, Held, NotExercised
from gatecrash.oracles.let_go import excused, let_go, waited_for_in_vain
from tests.oracles.played import GET, OK
from tests.sequences import transcript

HTTP, ECHO = Contract(protocol="http"), Contract(protocol="echo")
CAME, WAITED, ENDED = Connected(0, "A"), TimePassed(0, 10.0), Ended(0, "A", "FIN")
MISSING = Finding("RESP-01", "an answer", stated("{client} got not a byte", client="A"))


def heard(*events: Event) -> Transcript:
    return transcript((Connect("A"), list(events)), (Send("A", GET), []), (Receive("A"), []))


def said(data: bytes) -> Sent:
    return Sent(0, "A", data, True, len(data))


def test_who_was_silent_and_has_been_ended_was_let_go_after_so_long() -> None:
    assert let_go(heard(CAME, WAITED, TimePassed(0, 2.5), ENDED), HTTP) == {"A": 12.5}


def test_half_a_request_is_owed_nothing() -> None:
    assert let_go(heard(CAME, said(GET[:9]), WAITED, ENDED), HTTP) == {"A": 10.0}


@pytest.mark.parametrize("told", [False, True], ids=["answered while it sends", "answered behind it"])
def test_who_is_answered_before_it_has_said_all_is_not_waited_for(told: bool) -> None:
    refused, half = Got(1, "A", b"HTTP/1.1 400 Bad Request\r\n\r\n"), replace(said(GET[:9]), step=1)
    came = [half, refused] if told else [refused, half]
    slept = transcript((Connect("A"), [CAME]), (Send("A", GET[:9]), [*came, replace(WAITED, step=1), ENDED]))
    assert let_go(slept, HTTP) == {"A": 10.0}
    assert waited_for_in_vain(slept, HTTP) == {}


def test_who_is_told_of_the_timeout_or_answered_in_full_was_waited_for() -> None:
    timeout = Got(0, "A", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
    assert waited_for_in_vain(heard(CAME, said(GET[:9]), WAITED, timeout, ENDED), HTTP) == {"A": 10.0}
    assert waited_for_in_vain(heard(CAME, said(GET), Got(0, "A", OK), WAITED, ENDED), HTTP) == {"A": 10.0}
    assert waited_for_in_vain(heard(CAME, WAITED, ENDED), HTTP) == {"A": 10.0}


def test_an_answer_that_says_timeout_does_not_hide_it() -> None:
    timeout = Got(0, "A", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
    assert let_go(heard(CAME, said(GET[:9]), WAITED, timeout, ENDED), HTTP) == {"A": 10.0}


def test_a_kept_connection_that_is_ended_in_the_end_was_let_go() -> None:
    assert let_go(heard(CAME, said(GET), Got(0, "A", OK), WAITED, ENDED), HTTP) == {"A": 10.0}


def test_whoever_waits_for_an_answer_is_not_let_go_but_left_without_one() -> None:
    assert let_go(heard(CAME, said(GET), WAITED, ENDED), HTTP) == {}
    assert let_go(heard(CAME, said(b"hello"), WAITED, ENDED), ECHO) == {}


def test_an_answer_that_slept_before_it_came_is_an_answer() -> None:
    assert let_go(heard(CAME, said(GET), WAITED, Got(0, "A", OK), ENDED), HTTP) == {}


@pytest.mark.parametrize("told", [False, True], ids=["read after it had slept", "read before"])
def test_who_has_just_sent_what_the_server_reads_after_a_sleep_was_not_let_go(told: bool) -> None:
    sent, slept = replace(said(GET[:9]), step=1), TimePassed(1, 10.0)
    refused, ended = Got(1, "A", b"HTTP/1.1 400 Bad Request\r\n\r\n"), replace(ENDED, step=1)
    events = [sent, slept, refused, ended] if told else [slept, refused, ended, sent]
    played = Scenario((Connect("A"), Send("A", GET[:9]), Receive("A")))
    assert let_go(Transcript(played, (CAME, *events)), HTTP) == ({"A": 10.0} if told else {})


def test_where_no_time_passed_nobody_was_let_go() -> None:
    assert let_go(heard(CAME, said(GET[:9]), ENDED), HTTP) == {}


def test_a_finding_that_speaks_of_a_client_who_was_let_go_says_nothing() -> None:
    gone = heard(CAME, WAITED, ENDED, NotSent(0, "A", GET, "EPIPE"))
    ruling = excused(MISSING, gone, HTTP)
    assert isinstance(ruling, NotExercised)
    assert ruling.why == "A had been silent for 10 s of the server's own time, and was let go"


def test_a_finding_of_another_client_and_what_held_stay_as_they_are() -> None:
    gone = heard(CAME, WAITED, ENDED)
    other = Finding("RESP-01", "an answer", stated("{client} got not a byte", client="B"))
    assert excused(other, gone, HTTP) is other
    assert excused(MISSING, heard(CAME, said(GET), WAITED, ENDED), HTTP) is MISSING
    held = Held()
    assert excused(held, gone, HTTP) is held
