"""What is said of a rule that no example broke."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatecrash.engine.seen import Seen, unbroken
from gatecrash.model.verdicts import Finding, NotExercised

_FINDING = Finding("RESP-01", expected="an answer", got="A got nothing", conclusive=False)
_HELD = Seen(examples=20, exercised=12)


def test_a_rule_that_held_in_some_examples_passes() -> None:
    assert unbroken(_HELD).outcome == "pass"
    assert unbroken(_HELD).reason == ""
    assert "only what did was compared" in unbroken(replace(_HELD, compared_less=True)).reason


@pytest.mark.parametrize(
    ("doubt", "outcome", "says"),
    [
        ({"overrun": "it was ended"}, "not_observable", "it was ended"),
        ({"unstarted": "it does not listen"}, "inconclusive", "it does not listen"),
        ({"broken_off": "10 s are over"}, "inconclusive", "not tried to its end: time: 10 s are over"),
        ({"unproved": [_FINDING]}, "inconclusive", "A got nothing, but patience ran out before it was proven"),
        ({"unproved": [_FINDING], "flooded": "A got 9 MB"}, "inconclusive", "A got 9 MB"),
        ({"unheard": "reports were removed"}, "not_observable", "reports were removed"),
        ({"unrepeated": _FINDING}, "inconclusive", "A got nothing: seen on a server that then served nobody more"),
    ],
)
def test_what_held_in_others_is_no_pass_where_one_example_leaves_a_doubt(
    doubt: dict[str, object], outcome: str, says: str
) -> None:
    came = unbroken(replace(_HELD, **doubt))  # type: ignore[arg-type]
    assert came.outcome == outcome
    assert says in came.reason


def test_who_was_never_put_to_the_test_says_why_and_what_proves_nothing_comes_first() -> None:
    nothing, unproven = NotExercised("no child was forked"), NotExercised("it was never still", unproven=True)
    assert unbroken(Seen(examples=2, unexercised=[nothing, nothing])).outcome == "not_observable"
    both = unbroken(Seen(examples=2, unexercised=[nothing, unproven]))
    assert (both.outcome, both.reason) == ("inconclusive", "it was never still")
    assert unbroken(Seen()).outcome == "inconclusive"


def test_time_that_ran_out_before_any_example_was_played_is_said_as_that() -> None:
    came = unbroken(Seen(examples=1, broken_off="10 s are over"))
    assert came.late
    assert came.reason == "not tried: time: 10 s are over"


@pytest.mark.parametrize(
    ("others", "outcome"),
    [
        ([], "not_applicable"),
        ([NotExercised("nobody came")], "not_observable"),
        ([NotExercised("it was never still", unproven=True)], "inconclusive"),
    ],
)
def test_a_rule_does_not_apply_where_no_example_found_what_it_is_about(
    others: list[NotExercised], outcome: str
) -> None:
    absent = NotExercised("it prints nothing", absent=True)
    came = unbroken(Seen(examples=1 + len(others), unexercised=[absent, *others]))
    assert came.outcome == outcome
