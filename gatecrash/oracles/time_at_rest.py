"""A server that nobody asked anything for hours or for weeks of its own time: it is there, and serves."""

from __future__ import annotations

from dataclasses import replace

from gatecrash.language import stated
from gatecrash.model.scenario import LetTimePass
from gatecrash.model.transcript import Transcript
from gatecrash.model.verdicts import Case, Finding, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.passing import time_was_real
from gatecrash.oracles.service import Unserved, as_ruling, ruled, unserved, what_came
from gatecrash.oracles.unseen import nobody_came, not_served_first, server_gone
from gatecrash.protocols import protocol_of
from gatecrash.text import duration


@oracle("TIME-12")
def served_after_a_long_rest(case: Case) -> Ruling:
    """Who asks after a long time in which nobody asked for anything is served, as those before were.

    A server that its clients end is another rule's affair: those who were there first had to be served.
    """
    rest = _rest(case.transcript)
    if rest is None:
        return NotExercised(stated("no time was let pass"))
    step, seconds = rest
    early, late = _clients(case.transcript, step)
    before = next((client for client in early if _missing(case, client) is not None), None)
    if before is not None:
        return not_served_first(before)
    ended = case.transcript.server_ended
    if ended is not None and ended.step < step:
        return server_gone(case.transcript)
    real = time_was_real(case.transcript)
    if ended is None and real is not None:
        return real
    expected = stated("a server that was asked nothing for {time} is there and serves", time=duration(seconds))
    ruling = _ruled(case, late, expected)
    if not isinstance(ruling, Finding):
        return ruling
    return replace(ruling, got=stated("after {time} at rest: {got}", time=duration(seconds), got=ruling.got))


def _ruled(case: Case, clients: tuple[str, ...], expected: str) -> Ruling:
    if not protocol_of(case.contract).connectionless:
        return ruled("TIME-12", expected, case, clients)
    missing = next((missing for client in clients if (missing := _missing(case, client)) is not None), None)
    return as_ruling("TIME-12", expected, missing) if clients else nobody_came()


def _missing(case: Case, client: str) -> Unserved | None:
    """None for a client that was served; of datagrams each is whole by itself."""
    if not protocol_of(case.contract).connectionless:
        return unserved(case, client)
    return None if case.transcript.datagrams(client) else what_came(case.transcript, client)


def _rest(transcript: Transcript) -> tuple[int, float] | None:
    """The longest time that passes: its step, and its seconds."""
    rests = [(n, step.seconds) for n, step in enumerate(transcript.scenario.steps) if isinstance(step, LetTimePass)]
    return max(rests, key=lambda rest: rest[1], default=None)


def _clients(transcript: Transcript, step: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who came before this step, and who behind it."""
    came: dict[str, int] = {}
    for number, one in enumerate(transcript.scenario.steps):
        client = getattr(one, "client", None)
        if client is not None:
            came.setdefault(client, number)
    return tuple(c for c in came if came[c] < step), tuple(c for c in came if came[c] > step)
