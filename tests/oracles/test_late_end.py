"""What ends only when a time limit of the server's own is over had to end before, or be answered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gatecrash.model.blocked import BlockedTask
from gatecrash.model.scenario import Connect, HalfClose, Receive, Send
from gatecrash.model.transcript import Connected, Ended, Event, Sent, TimePassed
from gatecrash.model.verdicts import Finding
from gatecrash.oracles.late_end import ended_late
from gatecrash.oracles.let_go import excused
from gatecrash.oracles.service import passed_before_end
from gatecrash.protocols.http import get_request
from tests.oracles.answering import CLOSES, CONTRACT, FIN, GET, OK, RST, Came, gets, here, kind, ruling, says
from tests.sequences import Part, transcript

LIMIT, MOMENT = TimePassed(0, 7.0), TimePassed(0, 1.0)
SLEPT = TimePassed(0, 7.0, where=(BlockedTask(7, 7, "server", "blocked", "clock_nanosleep", limit=7.0),))
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\nok"
OLD = get_request("/").replace(b"HTTP/1.1", b"HTTP/1.0")


@pytest.mark.parametrize(
    ("passed", "late"),
    [([LIMIT], True), ([], False), ([MOMENT], False), ([SLEPT], False)],
    ids=["a limit", "nothing", "a polite moment", "a sleep"],
)
@pytest.mark.parametrize("end", [FIN, RST], ids=["FIN", "RST"])
def test_a_limit_that_ends_a_connection_ends_it_late(passed: list[Event], late: bool, end: Event) -> None:
    played = transcript(here(), says(GET), gets(OK, *passed, end))
    found = ended_late("RESP-14", played, "A", "the end", "A stays")
    assert (found is not None) == late
    if found is not None:
        assert found.got == "A stays, until a time limit of the server's own ends it, 7 s later"
        assert excused(found, played, CONTRACT) == found


def test_what_passed_before_a_client_had_finished_is_another_ones_time() -> None:
    passed, came = TimePassed(0, 7.0), Connected(0, "B")
    steps: list[Part] = [here(), says(GET), gets(OK, passed)]
    late: list[Part] = [(Connect("B"), [came]), (HalfClose("B"), []), (Receive("B"), [Ended(0, "B", "FIN")])]
    assert passed_before_end(transcript(*steps, *late), "B") == 0.0
    assert passed_before_end(transcript(*late[:1], *steps, *late[1:]), "B") == 0.0
    assert passed_before_end(transcript(*late[:2], *steps, *late[2:]), "B") == 7.0


def again(*came: Came) -> list[Part]:
    """A second request on the same connection, behind the first one's answer."""
    second: Part = (Send("A", GET), [Sent(0, "A", GET, None, None)])
    return [here(), says(GET), gets(OK), second, (Receive("A"), list(gets(*came)[1]))]


@pytest.mark.parametrize(
    ("rule", "parts"),
    [
        ("RESP-14", lambda *late: [here(), says(GET), gets(CLOSES, *late, FIN)]),
        ("RESP-09", lambda *late: [here(), says(GET), gets(ENDLESS, *late, FIN)]),
        ("RESP-15", lambda *late: [here(), says(OLD), gets(OK, *late, FIN)]),
        ("RESP-29", lambda *late: [here(), says(GET), gets(OK, *late, FIN)]),
        ("RESP-16", lambda *late: again(*late, FIN)),
    ],
)
def test_what_a_limit_ended_stayed_open(rule: str, parts: Callable[..., list[Part]]) -> None:
    assert kind(ruling(rule, *parts())) == "held"
    late = ruling(rule, *parts(LIMIT))
    assert isinstance(late, Finding)
    assert late.got.endswith("stays open, until a time limit of the server's own ends it, 7 s later")
    assert late.facts.about == "time limit"
