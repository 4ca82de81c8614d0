"""A server's own time limits: who says nothing is let go in the end, as others are, and with a FIN.

Whether a server has limits at all is its own affair (RFC 9112 9.5: no requirement on their length, or existence), save
where its contract promises one. So what is judged is that a limit which was seen to end one client holds for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatecrash.language import joined, marked, stated
from gatecrash.model import labels
from gatecrash.model.facts import Facts
from gatecrash.model.scenario import LetTimePass
from gatecrash.model.snapshot import Snapshot
from gatecrash.model.transcript import Connected, Ended, Got, Sent, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.let_go import waited_for_in_vain
from gatecrash.oracles.passing import no_limit_seen, time_was_real
from gatecrash.oracles.unseen import nobody_came, server_gone
from gatecrash.protocols import protocol_of
from gatecrash.text import duration

Kind = Literal["silent", "half", "body", "answered"]
_HALVES: tuple[Kind, ...] = ("half", "body")
_DID = {
    "silent": marked("said nothing"),
    "half": marked("said half a request"),
    "body": marked("said a request but for the end of its body"),
    "answered": marked("was answered, and said nothing more"),
}


@dataclass(frozen=True)
class _Waiting:
    """A client that did nothing while time passed. `after`: seconds until it was let go, or None; `told`: by words.

    `late`: the server has ticks that did not all come, and may count them.
    """

    client: str
    kind: Kind
    seconds: float
    after: float | None
    told: bool
    late: bool
    look: Snapshot | None

    @property
    def over(self) -> bool:
        """Whether it knows that nobody waits for it any more."""
        return self.after is not None or (self.told and self.kind in _HALVES)


@oracle("TIME-01")
def silent_client_is_let_go(case: Case) -> Ruling:
    """A client that says nothing, from the start or behind its answer, is let go as others are."""
    expected = stated("a client that says nothing is let go in the end, as others are")
    return _ruled("TIME-01", case, ("silent", "answered"), expected)


@oracle("TIME-02")
def half_a_request_is_not_waited_for(case: Case) -> Ruling:
    """A client that said half a request gets 408 or the end, as others who say nothing do."""
    expected = stated("408, or the end, for a client that says half a request, as others are let go")
    return _ruled("TIME-02", case, _HALVES, expected)


def _ruled(rule: str, case: Case, kinds: tuple[Kind, ...], expected: str) -> Ruling:
    waiting = _all_waiting(case)
    if isinstance(waiting, NotExercised):
        return waiting
    gone = next((one for one in waiting if one.after is not None), None)
    if gone is None:
        return no_limit_seen(case.transcript)
    own = [one for one in waiting if one.kind in kinds]
    left = next((one for one in own if not one.over), None)
    if left is not None:
        return _still_there(rule, expected, left, gone)
    return Held() if own else NotExercised(stated("nobody of this kind waited"))


def _still_there(rule: str, expected: str, left: _Waiting, gone: _Waiting) -> Ruling:
    """Proven where the server rests without a time limit: then it waits for this client for ever."""
    if left.look is None or left.look.still != "quiet" or left.late:
        return NotExercised(
            stated("something of the server's wakes by itself, and may yet end {client}", client=left.client)
        )
    other = _was_let_go(gone)
    got = joined((_is_there(left), other), "; ")
    return Finding(rule, expected, got, left.look.where, facts=Facts("connection"))


def _is_there(left: _Waiting) -> str:
    return stated(
        "{client} {did}, and is still waited for after {time}",
        client=left.client,
        did=stated(_DID[left.kind]),
        time=duration(left.seconds),
    )


def _was_let_go(gone: _Waiting) -> str:
    assert gone.after is not None
    return stated(
        "{client} {did}, and was let go after {time}",
        client=gone.client,
        did=stated(_DID[gone.kind]),
        time=duration(gone.after),
    )


@oracle("TIME-13")
def promised_limit_is_kept(case: Case) -> Ruling:
    """Whoever did nothing for as long as the contract says has been let go, whatever was said before."""
    waiting = _all_waiting(case)
    if isinstance(waiting, NotExercised):
        return waiting
    left = next((one for one in waiting if not one.over), None)
    if left is None:
        return Held()
    expected = stated("a client that does nothing for {time} is let go", time=duration(case.contract.idle_limit or 0))
    where = left.look.where if left.look is not None else ()
    quiet = left.look is not None and left.look.still == "quiet" and not left.late
    return Finding("TIME-13", expected, _is_there(left), where, conclusive=quiet, facts=Facts("connection"))


@oracle("TIME-06")
def timed_out_connection_ends_with_fin(case: Case) -> Ruling:
    """A connection that a time limit ended, with nothing unread on it, ended with FIN."""
    waiting = _all_waiting(case)
    if isinstance(waiting, NotExercised):
        return waiting
    gone = [one for one in waiting if one.after is not None]
    if not gone:
        return no_limit_seen(case.transcript)
    reset = next((one for one in gone if case.transcript.end(one.client) == "RST"), None)
    if reset is None:
        return Held()
    if not _all_read(case.transcript, reset.client):
        return NotExercised(stated("not all that {client} had sent was read", client=reset.client))
    got = stated("{let_go}, by a reset (RST)", let_go=_was_let_go(reset))
    expected = stated("a connection that has been idle for too long ends with FIN")
    return Finding("TIME-06", expected, got, facts=Facts("connection"))


def _all_read(transcript: Transcript, client: str) -> bool:
    """Closing with unread input makes the kernel send a reset: that is RESP-13's affair."""
    sent = [event for event in transcript.of(client) if isinstance(event, Sent)]
    answered = any(isinstance(event, Got) for event in transcript.of(client))
    return not sent or bool(sent[-1].read) or answered


def _all_waiting(case: Case) -> list[_Waiting] | NotExercised:
    """Every client that was connected while time passed, unless its connection had ended before."""
    transcript = case.transcript
    if transcript.server_ended is not None:
        return server_gone(transcript)
    if (real := time_was_real(transcript)) is not None:
        return real
    gone = waited_for_in_vain(transcript, case.contract)
    found = [one for name in transcript.scenario.clients if (one := _waiting(case, name, gone)) is not None]
    return found or nobody_came()


def _waiting(case: Case, client: str, gone: dict[str, float]) -> _Waiting | None:
    transcript, protocol = case.transcript, protocol_of(case.contract)
    came = next((event.step for event in transcript.of(client) if isinstance(event, Connected)), None)
    steps = enumerate(transcript.scenario.steps)
    waits = next((n for n, s in steps if isinstance(s, LetTimePass) and came is not None and n > came), None)
    end = next((event for event in transcript.of(client) if isinstance(event, Ended)), None)
    if came is None or waits is None or (end is not None and client not in gone):
        return None
    sent = b"".join(e.data for e in transcript.of(client) if isinstance(e, Sent) and e.step < waits)
    got = b"".join(e.data for e in transcript.of(client) if isinstance(e, Got) and e.step < waits)
    half: Kind = "body" if protocol.lacks_body(sent) else "half"
    kind: Kind = half if sent and not protocol.may_expect(sent) else "answered" if got else "silent"
    if kind not in _HALVES and sent and not protocol.complete(sent, got):
        return None
    told = any(isinstance(event, Got) and event.step >= waits for event in transcript.of(client))
    look = transcript.look(labels.had_its_time(client))
    return _Waiting(client, kind, transcript.passed(waits), gone.get(client), told, transcript.ticked_late(waits), look)
