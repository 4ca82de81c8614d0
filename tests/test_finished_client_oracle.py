"""LIFE-13 on transcripts made by hand: what is sent to a client that has its answer and has ended its side."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gatecrash.model.contract import Contract, Protocol
from gatecrash.model.scenario import Close, Connect, HalfClose, Receive, Send, Settle
from gatecrash.model.transcript import Connected, Ended, Event, Flooded, Got, Looked, Silent
from gatecrash.model.verdicts import Case, Finding
from tests.ruling import finding as finding_in
from tests.sequences import CHILD, Part, look, transcript

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def judged(before: Sequence[Event], after: Sequence[Event], protocol: Protocol = "http") -> Finding | None:
    parts: list[Part] = [
        (Connect("A"), [Connected(0, "A")]),
        (Send("A", b"hello"), []),
        (Receive("A"), before),
        (HalfClose("A"), []),
        (Receive("A", "end"), after),
        (Settle("A has finished"), [Looked(0, "A has finished", look(where=(CHILD,)))]),
        (Close("A"), []),
    ]
    return finding_in("LIFE-13", Case(transcript(*parts), Contract(protocol=protocol)))


@pytest.mark.parametrize("protocol", ["http", "echo", "greeting", "none"])
def test_the_same_answer_again_and_again_breaks_it(protocol: Protocol) -> None:
    found = judged([Got(0, "A", _ANSWER)], [Got(0, "A", _ANSWER * 40), Flooded(0, "A", 41 * len(_ANSWER))], protocol)
    assert found is not None
    assert found.conclusive
    assert found.got.endswith("the same answer 40 times")
    assert found.evidence == (CHILD,)


def test_of_an_echo_any_flood_is_more_than_it_was_given() -> None:
    found = judged([Got(0, "A", b"hello")], [Got(0, "A", bytes(1000)), Flooded(0, "A", 1005)], "echo")
    assert found is not None
    assert found.got == "A had 5 bytes and finished, and has been sent 1000 bytes since"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([Got(0, "A", _ANSWER)], [Ended(0, "A", "FIN")], id="it closes"),
        pytest.param([Got(0, "A", _ANSWER)], [Silent(0, "A", True, "quiet")], id="it says nothing more"),
        pytest.param([Got(0, "A", _ANSWER)], [Got(0, "A", _ANSWER), Ended(0, "A", "FIN")], id="one answer to the end"),
        pytest.param([Got(0, "A", _ANSWER), Flooded(0, "A", 9)], [], id="the answer itself has no end"),
        pytest.param([], [Got(0, "A", bytes(5000)), Flooded(0, "A", 5000)], id="a long answer behind the end"),
    ],
)
def test_what_is_no_repetition_does_not(before: Sequence[Event], after: Sequence[Event]) -> None:
    assert judged(before, after) is None


def test_of_a_flood_the_beginning_is_kept_and_everything_else_as_it_was() -> None:
    large, small = b"x" * (1 << 20), b"of B"
    seen = transcript(
        (Connect("A"), [Connected(0, "A")]),
        (Receive("A"), [Got(0, "A", large), Got(0, "B", small), Got(0, "A", large), Flooded(0, "A", 2 << 20)]),
    )
    kept = seen.trimmed()
    assert (kept.received("A"), kept.received("B")) == (large[: 1 << 16], small)
    assert kept.flooded == seen.flooded
    unflooded = transcript((Receive("A"), [Got(0, "A", large)]))
    assert unflooded.trimmed() is unflooded
