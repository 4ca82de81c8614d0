"""A client that reads nothing for minutes: it is let go, or it harms nobody."""

from __future__ import annotations

from dataclasses import replace

from gatecrash.language import stated
from gatecrash.model.scenario import LetTimePass
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.passing import time_was_real
from gatecrash.oracles.survival import is_full, served_beside
from gatecrash.oracles.unseen import nobody_came, server_gone
from gatecrash.text import duration


@oracle("TIME-08")
def who_reads_nothing_harms_nobody(case: Case) -> Ruling:
    """Whoever asks after another one has read nothing for minutes is served; what becomes of that one is left open."""
    transcript, steps = case.transcript, case.transcript.scenario.steps
    pause = next(((n, step.seconds) for n, step in enumerate(steps) if isinstance(step, LetTimePass)), None)
    if pause is None:
        return NotExercised(stated("no time was let pass"))
    step, seconds = pause
    *hogs, _ = transcript.scenario.clients or ("",)
    if not any(transcript.connected(name) and transcript.sent.get(name) for name in hogs):
        return nobody_came()
    if not any(is_full(transcript, name, before=step) for name in hogs):
        return NotExercised(stated("the kernel does not show that a client was sent more than it takes"), unproven=True)
    ended = transcript.server_ended
    if ended is not None and ended.step < step:
        return server_gone(transcript)
    time = duration(seconds)
    ruling = served_beside(
        "TIME-08", case, stated("a client is served after another one has read nothing for {time}", time=time)
    )
    if isinstance(ruling, Held) or ended is None:
        real = time_was_real(transcript)
        ruling = real if real is not None else ruling
    if not isinstance(ruling, Finding):
        return ruling
    return replace(ruling, got=stated("after {time}: {got}", time=time, got=ruling.got))
