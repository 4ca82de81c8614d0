"""Clients that wait until a time limit ends them, on transcripts made by hand."""

from __future__ import annotations

from typing import Literal

import pytest

from gatecrash.model import labels
from gatecrash.model.scenario import LetTimePass
from gatecrash.model.transcript import Ended, Event, Got, ServerEnded, Still, TimePassed, Transcript
from gatecrash.model.verdicts import Finding, NotExercised
from gatecrash.protocols.http import post_request
from tests.oracles.played import GET, OK, Word, closes, comes, gets, looks, played, ruled, sends, word
from tests.sequences import CHILD, Part, look, nothing

RULES = ("TIME-01", "TIME-02", "TIME-06", "TIME-13")
TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
Kind = Literal["silent", "half", "body", "answered"]
POST = post_request("/echo")


def waits(
    client: str,
    kind: Kind = "silent",
    *,
    after: float | None = 30,
    how: Literal["FIN", "RST"] = "FIN",
    still: Still = "quiet",
    told: bytes = b"",
    read: bool = True,
    skipped: bool = True,
    late: bool = False,
) -> list[Part]:
    """A client of this kind, for whom 600 s pass, and that is let go `after` some of them (None: it is not)."""
    said: list[Part] = []
    if kind in ("half", "body"):
        said = [sends(client, GET[:9] if kind == "half" else POST[:-1], read=read)]
    if kind == "answered":
        said = [sends(client, GET), gets(client, OK)]
    passed: list[Event] = [TimePassed(0, after or 600, skipped, late=late)]
    passed += [Got(0, client, told)] if told else []
    passed += [] if after is None else [Ended(0, client, how), TimePassed(0, 600 - after, skipped)]
    seen = look(still=still, where=(CHILD,))
    return [comes(client), *said, (LetTimePass(600), passed), looks(labels.had_its_time(client), seen), closes(client)]


SILENT_STAYS, HALF_STAYS = waits("A", after=None), waits("B", "half", after=None)
REAL: list[Part] = [comes("A"), (LetTimePass(600), [TimePassed(0, 5, skipped=False)])]


@pytest.mark.parametrize("rule", RULES)
def test_where_nothing_happened_nothing_held(rule: str) -> None:
    for made in (nothing(), played(comes("A"), closes("A")), played(REAL)):
        assert isinstance(ruled(rule, made, idle_limit=30.0), NotExercised)


@pytest.mark.parametrize(
    ("made", "silent", "half"),
    [
        pytest.param(played(waits("A"), waits("B", "half")), "held", "held", id="both are let go"),
        pytest.param(played(SILENT_STAYS, waits("B", "half")), "broken", "held", id="the silent one stays"),
        pytest.param(played(waits("A"), HALF_STAYS), "held", "broken", id="half a request stays"),
        pytest.param(played(SILENT_STAYS, HALF_STAYS), "not exercised", "not exercised", id="it has no limits"),
        pytest.param(
            played(waits("A", "answered", after=None), waits("B", "half")), "broken", "held", id="one is kept"
        ),
        pytest.param(
            played(waits("A"), waits("B", "half", after=None, told=TIMEOUT)), "held", "held", id="408, and it stays"
        ),
        pytest.param(played(waits("A"), waits("B", "body")), "held", "held", id="half a body"),
        pytest.param(played(waits("A"), waits("B", "body", after=None)), "held", "broken", id="half a body stays"),
        pytest.param(played(waits("A")), "held", "not exercised", id="nobody says half a request"),
        pytest.param(
            played(waits("A", after=None, still="resting"), waits("B", "half")),
            "not exercised",
            "held",
            id="something wakes by itself",
        ),
        pytest.param(
            played(waits("A", after=None, late=True), waits("B", "half")),
            "not exercised",
            "held",
            id="its ticks were late, and it may count them",
        ),
        pytest.param(
            played(waits("A", after=20, skipped=False), ends=ServerEnded(0, 1)),
            "not exercised",
            "not exercised",
            id="the server has gone",
        ),
    ],
)
def test_a_limit_holds_for_every_kind_of_client(made: Transcript, silent: Word, half: Word) -> None:
    assert (word(ruled("TIME-01", made)), word(ruled("TIME-02", made))) == (silent, half)


def test_both_clients_are_told_of() -> None:
    ruling = ruled("TIME-02", played(waits("A"), HALF_STAYS))
    assert isinstance(ruling, Finding)
    assert ruling.got == (
        "B said half a request, and is still waited for after 10 minutes; A said nothing, and was let go after 30 s"
    )
    assert ruling.evidence == (CHILD,)


def test_half_a_body_is_told_from_half_a_head() -> None:
    ruling = ruled("TIME-02", played(waits("A"), waits("B", "body", after=None)))
    assert isinstance(ruling, Finding)
    assert ruling.got.startswith("B said a request but for the end of its body, and is still waited for after 10 min")


def test_that_nobody_was_let_go_is_said() -> None:
    ruling = ruled("TIME-01", played(SILENT_STAYS))
    assert isinstance(ruling, NotExercised)
    assert ruling.why == "no time limit of the server's ended anybody in 10 minutes"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(played(waits("A"), waits("B", "half")), "held", id="both see FIN"),
        pytest.param(played(waits("A", how="RST")), "broken", id="a silent one sees RST"),
        pytest.param(played(waits("A", "answered", how="RST")), "broken", id="one that was answered sees RST"),
        pytest.param(played(waits("A", "half", how="RST", read=False)), "not exercised", id="its half was not read"),
        pytest.param(played(SILENT_STAYS), "not exercised", id="nobody is let go"),
    ],
)
def test_a_limit_ends_a_connection_with_fin(made: Transcript, expected: Word) -> None:
    assert word(ruled("TIME-06", made)) == expected


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(played(waits("A"), waits("B", "half")), "held", id="all are let go"),
        pytest.param(played(waits("A"), HALF_STAYS), "broken", id="half a request stays"),
        pytest.param(played(waits("A", after=None, still="resting")), "perhaps broken", id="something wakes by itself"),
        pytest.param(played(waits("A", after=None, late=True)), "perhaps broken", id="its ticks were late"),
        pytest.param(played(waits("B", "half", after=None, told=TIMEOUT)), "held", id="408, and it stays"),
    ],
)
def test_a_promised_limit_is_kept(made: Transcript, expected: Word) -> None:
    assert word(ruled("TIME-13", made, idle_limit=30.0)) == expected
