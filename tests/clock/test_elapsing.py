"""Waiting in a program's own time ends with what is waited for, and is allowed as much patience as the whole wait."""

from __future__ import annotations

import math

from gatecrash.instruments.patience import Patience
from gatecrash.instruments.quiescence import Quiet, Resting, Span, Stillness, settle
from tests.clock.conftest import Start
from tests.clock.skipping import GENEROUS, Skipping

SPINS_AFTERWARDS = (
    "import time\nprint('up', flush=True)\ntime.sleep(30)\nprint('awake', flush=True)\nwhile True: pass\n"
)
TICKS = "import time\nprint('up', flush=True)\nwhile True: time.sleep(0.5)\n"


def waited(program: Skipping, span: Span, patience: Patience | None = None) -> Stillness:
    return settle(
        *(program.census, lambda: None),
        patience=patience or Patience(GENEROUS),
        pump=program.gates.pump,
        clock=program.clock,
        span=span,
    )


def test_nobody_waits_for_stillness_once_what_is_waited_for_has_come(start: Start) -> None:
    program = start(py=SPINS_AFTERWARDS)
    program.says("up")
    still = waited(program, Span(60.0, enough=lambda: "awake" in program.said()))
    assert isinstance(still, Resting)
    assert "awake" in program.said()
    assert program.clock.skipped < 31


def test_only_the_first_proof_is_held_to_its_part_of_the_patience(start: Start) -> None:
    program = start(py=TICKS)
    program.says("up")
    program.settle()
    still = waited(program, Span(200.0, least=math.inf), Patience(0.02, Patience(GENEROUS)))
    assert isinstance(still, Quiet)
    assert 199 < program.clock.skipped <= 200


def test_no_more_steps_are_made_than_were_asked_for(start: Start) -> None:
    program = start(py=TICKS)
    program.says("up")
    assert isinstance(waited(program, Span(200.0, least=math.inf, most=20)), Quiet)
    assert 9 < program.clock.skipped < 12
