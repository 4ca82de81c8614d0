"""Whether the time that a scenario lets pass did pass for the server: only then its own limits were put to the test."""

from __future__ import annotations

from gatecrash.language import stated
from gatecrash.model.scenario import LetTimePass
from gatecrash.model.transcript import TimePassed, Transcript
from gatecrash.model.verdicts import NotExercised
from gatecrash.text import duration

#: What is lost of a time that was skipped: to the work that went on meanwhile, and to rounding.
_NEARLY = 0.98


def time_was_real(transcript: Transcript) -> NotExercised | None:
    """Why less time has passed than the scenario lets pass; None where all of it did.

    Where a server's time cannot be skipped, it is waited for as long as anybody's patience, and no longer.
    """
    for number, step in enumerate(transcript.scenario.steps):
        if not isinstance(step, LetTimePass) or transcript.passed(number) >= _NEARLY * step.seconds:
            continue
        time = duration(step.seconds)
        if any(isinstance(e, TimePassed) and e.step == number and not e.skipped for e in transcript.events):
            return NotExercised(stated("its time is real here, and {time} of it are not waited for", time=time))
        return NotExercised(
            stated("{time} did not pass: the server did not come to rest, or wakes too often", time=time), unproven=True
        )
    return None


def no_limit_seen(transcript: Transcript) -> NotExercised:
    """Nobody was let go: whether the server has a limit at all nobody asks, save where its contract promises one."""
    longest = max((s.seconds for s in transcript.scenario.steps if isinstance(s, LetTimePass)), default=0.0)
    return NotExercised(stated("no time limit of the server's ended anybody in {time}", time=duration(longest)))
