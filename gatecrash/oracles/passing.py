"""Whether the time that a scenario lets pass did pass for the server: only then its own limits were put to the test."""

from __future__ import annotations

from gatecrash.language import stated
from gatecrash.model.scenario import LetTimePass
from gatecrash.model.transcript import Transcript
from gatecrash.model.verdicts import NotExercised
from gatecrash.text import duration

#: What is lost of a time that was skipped: to the work that went on meanwhile, and to rounding.
_NEARLY = 0.98


def time_was_real(transcript: Transcript) -> NotExercised | None:
    """Why less time has passed than the scenario lets pass; None where all of it did.

    Where a server's time cannot be skipped, it is waited for as long as anybody's patience, and no longer.
    """
    for number, step in enumerate(transcript.scenario.steps):
        if isinstance(step, LetTimePass) and transcript.passed(number) < _NEARLY * step.seconds:
            return NotExercised(
                stated("its time is real here, and {time} of it are not waited for", time=duration(step.seconds))
            )
    return None
