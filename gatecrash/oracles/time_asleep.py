"""Answers that sleep: whether four clients at once take what one takes, or what four take one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gatecrash.language import stated
from gatecrash.model.scenario import Close, LetTimePass
from gatecrash.model.transcript import TimePassed, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.passing import time_was_real
from gatecrash.oracles.service import first_unserved
from gatecrash.oracles.unseen import nobody_came, server_gone, unserved_elsewhere
from gatecrash.text import duration

#: Seconds of its own time that an answer takes at least, when the server is said to sleep.
_A_SLEEP = 0.1
#: Of the longest answer's time for each of them: so much of it at once is one after the other, too; so little is not.
#: What lies between is no proof: on a busy machine a part of a short sleep passes before anybody can skip it.
_NEARLY_ALL, _CLEARLY_LESS = 0.8, 0.65


@oracle("TIME-09")
def a_sleep_stops_nobody_else(case: Case) -> Ruling:
    """Clients that ask at once wait together: what passes is not the sum of what passes for each of them alone."""
    transcript, steps = case.transcript, case.transcript.scenario.steps
    pauses = [number for number, step in enumerate(steps) if isinstance(step, LetTimePass)]
    clients = transcript.scenario.clients
    if len(pauses) < 2:
        return NotExercised(stated("no time was let pass"))
    if not all(transcript.connected(name) for name in clients):
        return nobody_came()
    if transcript.server_ended is not None:
        return server_gone(transcript)
    if (missing := first_unserved(case, clients)) is not None:
        return unserved_elsewhere(missing.client)
    if (real := time_was_real(transcript)) is not None:
        return real
    count = len(clients) // 2
    alone, together = _alone(transcript, clients[:count], pauses[0]), _passed(transcript, pauses[0], pauses[1])
    apart = sum(alone)
    if apart < count * _A_SLEEP or together < _A_SLEEP:
        return NotExercised(stated("its answers take no time of their own: it does not sleep"))
    part = together / (count * max(alone))
    if part < _CLEARLY_LESS:
        return Held()
    if part < _NEARLY_ALL:
        return NotExercised(stated("how long its answers take varies too much to be compared"))
    expected = stated("{count} clients that ask at once do not wait for one another", count=count)
    got = stated(
        "{count} clients that asked at once waited for {together} of the server's own time; one after the other "
        "they take {apart}",
        count=count,
        together=duration(together),
        apart=duration(apart),
    )
    return Finding("TIME-09", expected, got)


def _alone(transcript: Transcript, clients: Sequence[str], until: int) -> list[float]:
    """Seconds of the server's own time that each of these, who came one after the other, was there for.

    What is written down only in the pause behind them belongs to the last one.
    """
    steps = transcript.scenario.steps
    left = [number for number, step in enumerate(steps) if isinstance(step, Close) and step.client in clients]
    return [_passed(transcript, after, end) for after, end in pairwise([-1, *left[:-1], until])]


def _passed(transcript: Transcript, after: int, until: int) -> float:
    """Seconds of the server's own time that passed behind one step, up to and in another; what was let pass apart."""
    passed = sum(e.seconds for e in transcript.events if isinstance(e, TimePassed) and after < e.step <= until)
    pause = transcript.scenario.steps[until]
    return passed - pause.seconds if isinstance(pause, LetTimePass) else passed
