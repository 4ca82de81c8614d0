"""Whether an answer waited for a time limit, on transcripts made by hand."""

from __future__ import annotations

import pytest

from gatecrash.model.blocked import BlockedTask, Descriptor
from gatecrash.model.scenario import Receive, Send
from gatecrash.model.transcript import Ended, Event, Got, Sent, TimePassed
from gatecrash.model.verdicts import Finding
from tests.oracles.answering import GET, OK, here, kind, ruling
from tests.sequences import Part

PLACE = BlockedTask(7, 7, "server", "blocked", "recvfrom", Descriptor(4, "socket"), limit=10.0)
WAITED = TimePassed(0, 10.0, where=(PLACE,), on_client="A")
SLEPT = TimePassed(0, 1.0, where=(PLACE,))
WHOLE = Sent(0, "A", GET, True, len(GET))
ANSWER, END = Got(0, "A", OK), Ended(0, "A", "FIN")


def asked(*came: Event, sent: Sent = WHOLE, before: tuple[Event, ...] = ()) -> list[Part]:
    return [here(), (Send("A", GET), [*before, sent]), (Receive("A"), list(came))]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param(asked(ANSWER, END), "held", id="at once"),
        pytest.param(asked(SLEPT, ANSWER, END), "held", id="after a sleep"),
        pytest.param(asked(ANSWER, WAITED, END), "held", id="a limit ends the connection behind it"),
        pytest.param(asked(ANSWER, END, before=(WAITED,)), "held", id="the request was read after the limit"),
        pytest.param(asked(WAITED, ANSWER, END), "broken", id="when the limit is over"),
        pytest.param(asked(SLEPT, WAITED, ANSWER), "broken", id="when the limit is over, and after a sleep"),
        pytest.param(asked(TimePassed(0, 10.0, skipped=False), ANSWER), "unseen", id="time is real"),
        pytest.param(asked(WAITED, END), "unseen", id="never"),
        pytest.param(asked(), "unseen", id="nobody knows"),
        pytest.param(asked(ANSWER, sent=Sent(0, "A", GET, None, None)), "unseen", id="nobody looked what was read"),
        pytest.param(asked(WAITED, ANSWER, sent=Sent(0, "A", GET, True, 9)), "unseen", id="a part was read"),
    ],
)
def test_an_answer_does_not_wait_for_a_limit(parts: list[Part], expected: str) -> None:
    assert kind(ruling("TIME-14", *parts)) == expected


def test_how_long_it_waited_and_where_is_told() -> None:
    found = ruling("TIME-14", *asked(SLEPT, WAITED, ANSWER))
    assert isinstance(found, Finding)
    assert "waited for more; its answer came 11 s later, by the server's own clock" in found.got
    assert found.evidence == (PLACE,)
