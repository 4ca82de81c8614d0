"""A failure is looked at once more in real time: it shows, it does not, or nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gatecrash.engine import confirming
from gatecrash.engine.session import Session
from gatecrash.errors import TooSlow
from gatecrash.model.scenario import scenario
from gatecrash.model.verdicts import Finding, Held, NotExercised, Ruling
from gatecrash.rulebook import load

BROKEN = Finding("RES-01", "as many as before", "4 more")
OTHER = Finding("FORK-02", "no zombie", "a zombie")
GONE = NotExercised("no child held a client's connection")
SLOW = TooSlow("the server alone took 13 s of one scenario")


@pytest.mark.parametrize(
    ("rulings", "shows"),
    [
        ([BROKEN], True),
        ([Held(), BROKEN], True),
        ([GONE, BROKEN], True),
        ([Held(), Held()], False),
        ([SLOW, Held()], False),
        ([SLOW, SLOW], None),
        ([GONE, GONE], None),
        ([OTHER, SLOW], None),
    ],
    ids=["it shows", "late", "when seen", "it does not", "once", "too slow", "not seen", "another one"],
)
def test_only_what_was_seen_to_hold_in_real_time_speaks_against_it(
    monkeypatch: pytest.MonkeyPatch, rulings: list[Ruling | TooSlow], shows: bool | None
) -> None:
    left: Iterator[Ruling | TooSlow] = iter(rulings)

    def judged(*_: Any, **__: Any) -> SimpleNamespace:
        ruling = next(left)
        if isinstance(ruling, TooSlow):
            raise ruling
        return SimpleNamespace(ruling=ruling, finding=ruling if isinstance(ruling, Finding) else None)

    monkeypatch.setattr(confirming, "judge", judged)
    session = cast(Session, SimpleNamespace())
    assert confirming.shows_in_real_time(session, load().get("RES-01"), scenario(), "plain", 12.0) is shows
