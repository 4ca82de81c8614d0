"""Answers that sleep, on transcripts made by hand: at once they take what one takes, or the sum of all."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gatecrash.model.scenario import LetTimePass, Receive
from gatecrash.model.transcript import Event, Got, ServerEnded, TimePassed, Transcript
from gatecrash.model.verdicts import Finding
from tests.oracles.played import GET, OK, Word, asks, closes, comes, played, ruled, sends, silence, word
from tests.sequences import Part, nothing

RULE = "TIME-09"
PAUSE = 1.0


def pause(before: float = 0.0, *events: Event) -> Part:
    """A second passes; what passed before it and was not yet written down is written down with it."""
    return LetTimePass(PAUSE), [*events, TimePassed(0, before + PAUSE)]


def waits(client: str, seconds: float) -> Part:
    passed = [TimePassed(0, seconds)] if seconds else []
    return Receive(client), [*passed, Got(0, client, OK)]


def slept(
    apart: Sequence[float], together: Sequence[float], *, unwritten: float = 0.0, ends: ServerEnded | None = None
) -> Transcript:
    """Four clients one after the other, each of whom waits so long, and four at once."""
    one_by_one = [part for name, seconds in zip("ABCD", apart, strict=True) for part in _visit(name, seconds)]
    ask = [part for name in "EFGH" for part in (comes(name), sends(name, GET, read=None))]
    take = [waits(name, seconds) for name, seconds in zip("EFGH", together, strict=True)]
    return played(one_by_one, pause(), ask, take, pause(unwritten), ends=ends)


def _visit(name: str, seconds: float) -> list[Part]:
    return [comes(name), sends(name, GET, read=None), waits(name, seconds), closes(name)]


SECONDS = (2.0, 2.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(slept(SECONDS, (2.0, 0.0, 0.0, 0.0)), "held", id="all sleep at once"),
        pytest.param(slept(SECONDS, (2.0, 0.0, 2.0, 0.0)), "held", id="two and two"),
        pytest.param(slept(SECONDS, SECONDS), "broken", id="one after the other"),
        pytest.param(slept(SECONDS, (0.0, 0.0, 0.0, 0.0), unwritten=8.0), "broken", id="written down at the end"),
        pytest.param(slept(SECONDS, (0.0, 0.0, 0.0, 0.0)), "not exercised", id="the second time it has it in store"),
        pytest.param(slept((0.05,) * 4, (0.05,) * 4), "not exercised", id="it hardly sleeps"),
        pytest.param(slept((0.2,) * 4, (0.2,) * 4), "broken", id="short sleeps, one after the other"),
        pytest.param(slept((0.2,) * 4, (0.2, 0.0, 0.0, 0.0)), "held", id="short sleeps at once"),
        pytest.param(slept((0.05, 0.2, 0.1, 0.05), (0.2, 0.1, 0.1, 0.0)), "held", id="less was seen of some"),
        pytest.param(slept((0.2,) * 4, (0.2, 0.2, 0.1, 0.1)), "not exercised", id="less was seen of those at once"),
        pytest.param(slept((9.0, 1.0, 5.0, 2.0), (9.0, 0.0, 0.0, 0.0)), "held", id="as long as it likes"),
        pytest.param(slept(SECONDS, SECONDS, ends=ServerEnded(0, 1)), "not exercised", id="it leaves"),
        pytest.param(played(asks("A"), asks("B")), "not exercised", id="no time passes"),
        pytest.param(played(pause(), pause()), "not exercised", id="nobody comes"),
        pytest.param(nothing(), "not exercised", id="nothing happens"),
    ],
)
def test_a_sleep_stops_nobody_else(made: Transcript, expected: Word) -> None:
    assert word(ruled(RULE, made, concurrency="thread")) == expected


def test_where_time_is_real_nothing_is_said() -> None:
    real: Part = (LetTimePass(PAUSE), [TimePassed(0, 0.5, skipped=False)])
    visits = [part for name in "AB" for part in _visit(name, 0.0)]
    assert word(ruled(RULE, played(visits[:4], real, visits[4:], real), concurrency="thread")) == "not exercised"


def test_a_client_that_is_not_served_is_another_rules_affair() -> None:
    missing: Part = (Receive("B"), [silence("B")])
    there: list[Part] = [comes("B"), sends("B", GET, read=None), missing]
    assert word(ruled(RULE, played(_visit("A", 2.0), pause(), there, pause()), concurrency="thread")) == "not exercised"


def test_what_is_told_has_both_times() -> None:
    ruling = ruled(RULE, slept(SECONDS, SECONDS), concurrency="thread")
    assert isinstance(ruling, Finding)
    assert ruling.expected == "4 clients that ask at once do not wait for one another"
    assert ruling.got == (
        "4 clients that asked at once waited for 8 s of the server's own time; one after the other they take 8 s"
    )
