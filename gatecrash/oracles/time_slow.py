"""A client that is slow, and does what it can: it is served, however long that takes."""

from __future__ import annotations

from dataclasses import replace

from gatecrash.language import stated
from gatecrash.model.scenario import LetTimePass, Receive, Send
from gatecrash.model.transcript import Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.passing import time_was_real
from gatecrash.oracles.service import as_ruling, unserved
from gatecrash.oracles.unseen import affair_of, not_served_first
from gatecrash.text import duration

_CLIENTS = 2  # the one that says the same pieces at once, and the slow one


@oracle("TIME-03")
def slow_but_active_client_is_served(case: Case) -> Ruling:
    """Who sends a piece every moment, for most of a minute, is served as one who sends the same pieces at once."""
    transcript = case.transcript
    if len(transcript.scenario.clients) != _CLIENTS or not _pauses(transcript):
        return NotExercised(stated("no client sent its request in pieces with time between them"))
    quick, slow = transcript.scenario.clients
    if unserved(case, quick) is not None:
        return not_served_first(quick)
    if transcript.server_ended is not None:
        return affair_of("TIME-04", transcript.server_ended.line())
    expected = stated("a client that sends a piece of its request every moment is answered in the end")
    ruling = as_ruling("TIME-03", expected, unserved(case, slow))
    if not isinstance(ruling, Finding):
        return time_was_real(transcript) or _asked(transcript, slow) or Held()
    pauses = _pauses(transcript)
    got = stated(
        "{got}; it had sent a piece every {pause}, for {time} in all",
        got=ruling.got,
        pause=duration(max(pauses)),
        time=duration(sum(pauses)),
    )
    return replace(ruling, got=got)


def _pauses(transcript: Transcript) -> list[float]:
    return [step.seconds for step in transcript.scenario.steps if isinstance(step, LetTimePass)]


def _asked(transcript: Transcript, client: str) -> NotExercised | None:
    """Why this client's answer says nothing: it did not wait for one, or sent all at once."""
    own = [step for step in transcript.scenario.steps if getattr(step, "client", "") == client]
    if sum(isinstance(step, Send) for step in own) > 1 and any(isinstance(step, Receive) for step in own):
        return None
    return NotExercised(stated("no client sent its request in pieces with time between them"))
