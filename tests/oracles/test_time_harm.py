"""What a time limit does to others and leaves behind, on transcripts made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gatecrash.model import labels
from gatecrash.model.scenario import Connect, LetTimePass, Receive, Send
from gatecrash.model.snapshot import Snapshot
from gatecrash.model.transcript import Connected, Ended, Event, ServerEnded, TimePassed, Transcript
from gatecrash.model.verdicts import Finding
from tests.oracles.played import GET, OK, Word, asks, closes, comes, ends, gets, looks, played, ruled, sends, word
from tests.sequences import Part, look, nothing

CUT_OFF: Part = (Receive("B"), [ends("B")])


def passes(seconds: float, *events: Event) -> Part:
    return LetTimePass(seconds), [TimePassed(0, seconds / 2), *events, TimePassed(0, seconds / 2)]


def another(second: Part, last: list[Part], *gone: Event, end: ServerEnded | None = None) -> Transcript:
    """A waits; B comes and begins; time passes, in which these are let go; B goes on; C comes."""
    begun = [comes("A"), passes(27), comes("B"), passes(6, *gone), sends("B", GET), second]
    return played(begun, last, ends=end)


def ended_by_another() -> Transcript:
    """Its end is A's, too, who had waited for a while."""
    return played(comes("A"), passes(27), comes("B"), (Send("B", GET), [LET_GO]), CUT_OFF, ends=ServerEnded(0, -11))


def alone(last: Part) -> list[Part]:
    """C comes and is answered; D does what B did, while nobody else is there."""
    return [*asks("C"), comes("D"), passes(6), sends("D", GET), last]


LET_GO = Ended(0, "A", "FIN")
SERVED, THEN = gets("B", OK), asks("C")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(another(SERVED, THEN, LET_GO), "held", id="both are served"),
        pytest.param(another(CUT_OFF, THEN, LET_GO), "broken", id="B is cut off"),
        pytest.param(another(SERVED, asks("C", b""), LET_GO), "broken", id="C gets nothing"),
        pytest.param(another(CUT_OFF, [comes("C")], LET_GO, end=ServerEnded(0, -14)), "broken", id="the server ends"),
        pytest.param(another(CUT_OFF, alone(gets("D", OK)), LET_GO), "broken", id="B is cut off, D is not"),
        pytest.param(
            another(CUT_OFF, alone((Receive("D"), [ends("D")])), LET_GO), "not exercised", id="alone it is cut off, too"
        ),
        pytest.param(
            played(comes("A"), passes(27, LET_GO), comes("B"), passes(27, ends("B")), sends("B", GET), CUT_OFF),
            "not exercised",
            id="the time of B is over, too",
        ),
        pytest.param(another(CUT_OFF, alone(gets("D", OK)), ends("B")), "broken", id="B is let go in the place of A"),
        pytest.param(
            another(CUT_OFF, alone(gets("D", OK)), LET_GO, ends("B")), "broken", id="B is let go with A, and D is not"
        ),
        pytest.param(
            another(CUT_OFF, alone((Receive("D"), [ends("D")])), ends("B")), "not exercised", id="B and D are let go"
        ),
        pytest.param(ended_by_another(), "not exercised", id="what B says ends the server"),
        pytest.param(another(SERVED, THEN), "not exercised", id="nobody is let go"),
        pytest.param(another(CUT_OFF, THEN), "not exercised", id="nobody is let go, and B is not served"),
        pytest.param(played(comes("A"), passes(600, LET_GO)), "not exercised", id="nobody else is there"),
        pytest.param(played(comes("A"), passes(600, LET_GO), asks("B")), "held", id="who comes then is served"),
        pytest.param(nothing(), "not exercised", id="nothing happens"),
    ],
)
def test_a_limit_ends_one_connection(made: Transcript, expected: Word) -> None:
    assert word(ruled("TIME-04", made)) == expected


def test_when_it_was_is_told() -> None:
    there, late = (
        ruled("TIME-04", another(CUT_OFF, THEN, LET_GO)),
        ruled("TIME-04", another(SERVED, asks("C", b""), LET_GO)),
    )
    assert isinstance(there, Finding)
    assert isinstance(late, Finding)
    assert there.got == "when A was let go after 30 s, B got not a byte, then the connection was closed"
    assert late.got == "A was let go after 30 s; then C got not a byte"


def crowd(names: Sequence[str], *, gone: Sequence[str] | None = None) -> list[Part]:
    ended = [Ended(0, name, "FIN") for name in (names if gone is None else gone)]
    return [*map(comes, names), passes(600, *ended), *map(closes, names)]


def twice(
    first: Snapshot, second: Snapshot, *, gone: Sequence[str] | None = None, refused: Sequence[str] = ""
) -> Transcript:
    """`refused`: who comes with the second crowd, and is turned away at once."""
    before, after = looks(labels.FIRST_CROWD, first), looks(labels.SECOND_CROWD, second)
    away: list[Part] = [(Connect(name), [Connected(0, name), ends(name)]) for name in refused]
    return played(crowd("ABCD"), before, away, crowd("EFGH", gone=gone), after)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(twice(look(), look()), "held", id="nothing is left"),
        pytest.param(twice(look(), look(descriptors=8)), "broken", id="four descriptors are left"),
        pytest.param(twice(look(descriptors=8), look(descriptors=8)), "held", id="a pool was filled by the first ones"),
        pytest.param(twice(look(), look(descriptors=6)), "held", id="a log file was opened"),
        pytest.param(twice(look(), look(zombies=(21, 22, 23, 24))), "broken", id="four zombies are left"),
        pytest.param(twice(look(), look(children=(21, 22, 23, 24))), "broken", id="four children are left"),
        pytest.param(twice(look(), look(descriptors=8), gone=""), "not exercised", id="nobody is let go"),
        pytest.param(twice(look(), look(descriptors=8), gone="EF"), "not exercised", id="some are still there"),
        pytest.param(twice(look(), look(), refused="XY"), "held", id="two more were turned away at once"),
        pytest.param(twice(look(), look(descriptors=8), refused="XY"), "broken", id="those who were let go count"),
        pytest.param(twice(look(), look(still="restless", descriptors=8)), "not proven", id="it is never still"),
        pytest.param(twice(look(), look(running=False)), "not exercised", id="it has gone"),
        pytest.param(nothing(), "not exercised", id="nothing happens"),
    ],
)
def test_a_limit_leaves_nothing_behind(made: Transcript, expected: Word) -> None:
    assert word(ruled("TIME-05", made)) == expected
