"""A server at rest that wakes again and again to look whether there is something to do."""

from __future__ import annotations

from gatecrash.language import stated
from gatecrash.model.scenario import LetTimePass
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.passing import time_was_real
from gatecrash.oracles.unseen import server_gone

#: Wake-ups a second of one task. Well-known programs wake 10 times (Redis, uvicorn) or 20 (the Java VM) at rest.
OFTEN = 25.0


@oracle("TIME-10")
def a_server_at_rest_sleeps(case: Case) -> Ruling:
    """In the last time that is let pass, when all else is over, no task of the server's wakes too often."""
    transcript = case.transcript
    pauses = [n for n, step in enumerate(transcript.scenario.steps) if isinstance(step, LetTimePass)]
    if not pauses:
        return NotExercised(stated("no time was let pass"))
    if transcript.server_ended is not None:
        return server_gone(transcript)
    if (real := time_was_real(transcript)) is not None:
        return real
    wakes = transcript.wakes(pauses[-1])
    if wakes <= OFTEN:
        return Held()
    expected = stated("a server that has nothing to do wakes {times:g} times a second at most", times=OFTEN)
    got = stated("it woke {times:.0f} times a second by its own clock, for nothing", times=wakes)
    return Finding("TIME-10", expected, got)
