"""A connection that had to end at once, and ended only when a time limit of the server's own was over."""

from __future__ import annotations

from gatecrash.language import stated
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.facts import Facts
from gatecrash.model.transcript import TimePassed, Transcript
from gatecrash.model.verdicts import Finding
from gatecrash.oracles.service import passed_before_end, while_it_waited
from gatecrash.text import duration

#: Seconds: who gives a client this long to close first is polite.
_POLITE = 2.0
_SLEEPS = ("nanosleep", "clock_nanosleep")


def ended_late(rule: str, transcript: Transcript, client: str, expected: str, stays: str) -> Finding | None:
    """The finding that a connection was left to a time limit, `stays` open until then; None where it was not.

    Whoever sleeps before it closes waits for nobody: of it nothing is said.
    """
    seconds = passed_before_end(transcript, client)
    ended = transcript.ended_at(client)
    if seconds < _POLITE or ended is None or transcript.server_ended is not None:
        return None
    if any(place.call in _SLEEPS for place in _where(transcript, ended)):
        return None
    got = stated(
        "{stays}, until a time limit of the server's own ends it, {time} later",
        stays=stays,
        time=duration(round(seconds, 1)),
    )
    return Finding(rule, expected, got, while_it_waited(transcript, client), facts=Facts("time limit"))


def _where(transcript: Transcript, ended: int) -> tuple[BlockedTask, ...]:
    """In which call a task was whose limit came last, by the step in which the connection ended."""
    passed = [event for event in transcript.events if isinstance(event, TimePassed) and event.step <= ended]
    return passed[-1].where if passed else ()
