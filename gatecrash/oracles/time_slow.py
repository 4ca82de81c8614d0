"""A client that is slow, and does what it can: it is served, however long that takes."""

from __future__ import annotations

from dataclasses import replace

from gatecrash.language import stated
from gatecrash.model.scenario import LetTimePass, Receive, Send
from gatecrash.model.transcript import Got, NotSent, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.passing import time_was_real
from gatecrash.oracles.service import as_ruling, unserved
from gatecrash.oracles.unseen import affair_of, answered_early
from gatecrash.text import duration

_CLIENTS = 2  # the one that does the same at once, and the slow one


@oracle("TIME-03")
def slow_but_active_client_is_served(case: Case) -> Ruling:
    """Who sends, or reads, a piece every moment is served as one who does it at once."""
    transcript = case.transcript
    if len(transcript.scenario.clients) != _CLIENTS or not _pauses(transcript):
        return _NOT_SLOW
    quick, slow = transcript.scenario.clients
    if (instead := unserved(case, quick)) is not None:
        return _nobody_is(transcript, quick, instead.got)
    if transcript.server_ended is not None:
        return affair_of("TIME-04", transcript.server_ended.line())
    reads = _reads_in_pieces(transcript, slow)
    expected = (
        stated("a client that reads a piece of its answer every moment gets all of it")
        if reads
        else stated("a client that sends a piece of its request every moment is answered in the end")
    )
    ruling = as_ruling("TIME-03", expected, unserved(case, slow))
    if not isinstance(ruling, Finding):
        return time_was_real(transcript) or _was_slow(transcript, slow) or _ticked_late(transcript) or Held()
    pauses = _pauses(transcript)
    limit = case.contract.longest_limit
    if limit is not None and limit <= max(pauses):
        return NotExercised(
            stated("it lets go of who does nothing for {time}, which is shorter than the pauses", time=duration(limit))
        )
    told = {"got": ruling.got, "pause": duration(max(pauses)), "time": duration(_slow_for(transcript, slow))}
    got = (
        stated("{got}; it read a piece every {pause}, for {time} in all", **told)
        if reads
        else stated("{got}; it had sent a piece every {pause}, for {time} in all", **told)
    )
    return replace(ruling, got=got)


def _nobody_is(transcript: Transcript, quick: str, got: str) -> NotExercised:
    """Why nothing is said: not even who does the same without a pause is served."""
    kept_off = any(isinstance(event, NotSent) for event in transcript.of(quick))
    if kept_off and transcript.received(quick):
        return answered_early(quick)
    return NotExercised(
        stated("{client}, who does the same without a pause, is not served either: {got}", client=quick, got=got)
    )


_NOT_SLOW = NotExercised(stated("no client sent its request in pieces, or read its answer so, with time between them"))


def _pauses(transcript: Transcript) -> list[float]:
    return [step.seconds for step in transcript.scenario.steps if isinstance(step, LetTimePass)]


def _slow_for(transcript: Transcript, client: str) -> float:
    """Seconds of the pauses that began while its connection was there."""
    ended = transcript.ended_at(client)
    there = transcript.scenario.steps[: None if ended is None else ended + 1]
    return sum(step.seconds for step in there if isinstance(step, LetTimePass))


def _ticked_late(transcript: Transcript) -> NotExercised | None:
    """Why a limit may not have been seen that the server counts in ticks; None where each came in its time."""
    if any(map(transcript.ticked_late, range(len(transcript.scenario.steps)))):
        return NotExercised(
            stated("it wakes so often by itself that its ticks came late here, and it may count them up to a limit")
        )
    return None


def _reads_in_pieces(transcript: Transcript, client: str) -> bool:
    reads = (step for step in transcript.scenario.steps if isinstance(step, Receive) and step.client == client)
    return sum(step.at_most is not None for step in reads) > 1


def _was_slow(transcript: Transcript, client: str) -> NotExercised | None:
    """Why this client's answer says nothing: it did not wait for one, or was not slow."""
    own = [step for step in transcript.scenario.steps if getattr(step, "client", "") == client]
    if _reads_in_pieces(transcript, client):
        last = max(n for n, step in enumerate(transcript.scenario.steps) if isinstance(step, LetTimePass))
        if any(isinstance(event, Got) and event.step > last for event in transcript.of(client)):
            return None
        return NotExercised(stated("{client} had all of its answer before it had been slow", client=client))
    if sum(isinstance(step, Send) for step in own) > 1 and any(isinstance(step, Receive) for step in own):
        return None
    return _NOT_SLOW
