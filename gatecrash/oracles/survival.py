"""A long life: many clients, clients that leave at the worst moment, a stop and continue, clients that are slow."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from itertools import takewhile

from gatecrash.language import stated
from gatecrash.model import labels
from gatecrash.model.facts import Facts
from gatecrash.model.scenario import Close, Freeze, HalfClose, Receive, Release, Reset
from gatecrash.model.transcript import (
    Connected,
    DatagramsDropped,
    Event,
    Flooded,
    Got,
    HeldAt,
    NotConnected,
    NotSent,
    Sent,
    ServerEnded,
    Transcript,
)
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import judged_by
from gatecrash.oracles.invariants import memory_fault
from gatecrash.oracles.let_go import answered_after_a_limit
from gatecrash.oracles.seen import accepted, leaves, of_all, unfinished
from gatecrash.oracles.service import Unserved, as_ruling, askers, speaks, unserved, what_came
from gatecrash.oracles.unseen import (
    affair_of,
    never_looked,
    never_made,
    never_still,
    nobody_came,
    nobody_left,
    not_served_first,
    server_gone,
)
from gatecrash.protocols import plain_request, protocol_of
from gatecrash.text import duration, last_words, size_of

_SIGPIPE = 13
_AGAIN = 16  # times an answer comes again before nobody takes it for a coincidence
_HUNDREDTH = 100
_SENDING = affair_of("LIFE-06", stated("it died of sending to a client that had left"))


@oracle("LIFE-04")
def late_client_is_served_like_the_first(case: Case) -> Ruling:
    """Of many clients, one after another, each is served. What it takes is a hundredth."""
    clients = case.transcript.scenario.clients
    by_client = _by_client(case.transcript)
    expected = stated("the server serves its hundredth client like its first")
    for number, client in enumerate(clients, 1):
        alone = replace(case, transcript=replace(case.transcript, events=tuple(by_client[client])))
        ruling = _served("LIFE-04", alone, client, expected)
        if isinstance(ruling, Held):
            continue
        if number == 1:
            return not_served_first(client)
        if isinstance(ruling, NotExercised):
            return ruling
        served = (
            stated("1 client was served") if number == 2 else stated("{number} clients were served", number=number - 1)
        )
        return replace(ruling, got=stated("{served}, then {got}", served=served, got=ruling.got))
    if len(clients) < _HUNDREDTH:
        return NotExercised(stated("{count} clients are too few to tell", count=len(clients)))
    return Held()


def _by_client(transcript: Transcript) -> dict[str, list[Event]]:
    """The events of each client, and the server's end, which concerns them all: one pass over a long transcript."""
    found: dict[str, list[Event]] = defaultdict(list)
    for event in transcript.events:
        found[getattr(event, "client", "")].append(event)
    ends = [event for event in transcript.events if isinstance(event, ServerEnded)]
    for events in found.values():
        events.extend(ends)
    return found


@oracle("LIFE-05")
def departure_costs_one_connection(case: Case) -> Ruling:
    """After clients have left in the middle, a good one is served.

    A server that died of *sending* to somebody who had left (SIGPIPE, EPIPE) has the mistake of LIFE-06.
    """
    transcript = case.transcript
    if _died_of_sending(transcript):
        return _SENDING
    clients = transcript.scenario.clients or ("",)
    asks = (step.client for step in reversed(transcript.scenario.steps) if isinstance(step, Receive))
    last = next(asks, clients[-1])
    others = [name for name in clients if name != last]
    left = [name for name in others if leaves(transcript, name) is not None]
    expected = (
        stated("a client is served that came in the moment in which others left")
        if _stopped(transcript)
        else stated("a client is served after others have left in the middle")
    )
    ruling = _served("LIFE-05", case, last, expected)
    queued = next((name for name in left if not accepted(transcript, name)), None)
    if isinstance(ruling, Finding) and queued is not None and _stopped(transcript):
        return judged_by("ACC-05")  # it was in the queue when it left
    known = any(accepted(transcript, name) for name in left)
    return ruling if known or (left and isinstance(ruling, Finding)) else nobody_left()


def _stopped(transcript: Transcript) -> bool:
    return any(isinstance(step, Freeze) for step in transcript.scenario.steps)


def _died_of_sending(transcript: Transcript) -> bool:
    end = transcript.server_ended
    return end is not None and (end.status == -_SIGPIPE or "BrokenPipeError" in end.output)


@oracle("LIFE-06")
def departure_before_the_answer_costs_one_connection(case: Case) -> Ruling:
    """After a client has left just before it was answered, a good one is served.

    It has left when the server is held at its send, by closing or by a reset: who has only finished reads its answer.
    """
    transcript = case.transcript
    held = [event for event in transcript.events if isinstance(event, HeldAt)]
    if not any(event.reached for event in held):
        unseen = never_made("send")
        return replace(unseen, unproven=not all(event.proven for event in held))
    if not any(_leaves_while_held(transcript, event) for event in held if event.reached):
        return NotExercised(stated("no client left while the server was held before it sent"))
    *others, _ = transcript.scenario.clients
    expected = (
        stated("a client is served after another has left before its answer was sent")
        if len(others) == 1
        else stated("a client is served after {count} have left before their answers were sent", count=len(others))
    )
    return _served("LIFE-06", case, transcript.scenario.clients[-1], expected)


def _leaves_while_held(transcript: Transcript, held: HeldAt) -> bool:
    behind = transcript.scenario.steps[held.step + 1 :]
    return any(
        isinstance(step, Close | Reset) for step in takewhile(lambda step: not isinstance(step, Release), behind)
    )


@oracle("LIFE-09")
def stop_and_continue_is_survived(case: Case) -> Ruling:
    """After SIGSTOP and SIGCONT a new client is served. A server that died of sending has the mistake of LIFE-06.

    What a stop interrupts is a call that waits: the server has to be seen at rest before.
    """
    transcript = case.transcript
    if _died_of_sending(transcript):
        return _SENDING
    before = transcript.look(labels.RUNNING)
    if before is None:
        return never_looked(labels.RUNNING)
    if not before.running:
        return server_gone(transcript)
    if not any(isinstance(step, Freeze) for step in transcript.scenario.steps):
        return NotExercised(stated("the server was not stopped"))
    last = next(reversed(transcript.scenario.clients), "")
    expected = stated("a client is served after the server was stopped and went on")
    ruling = _served("LIFE-09", case, last, expected)
    if isinstance(ruling, Finding) and _lived_until_somebody_left(transcript):
        return judged_by("LIFE-05")
    return never_still(before) if isinstance(ruling, Held) and before.still == "restless" else ruling


def _lived_until_somebody_left(transcript: Transcript) -> bool:
    """Whether the server was seen to go on, and ended, or served nobody more, only when a client had left."""
    after = transcript.look(labels.CONTINUED)
    if after is None or not after.running:
        return False
    if transcript.server_ended is None and after.still not in ("quiet", "resting"):
        return False
    return any(leaves(transcript, name) is not None for name in transcript.scenario.clients[:-1])


@oracle("LIFE-12")
def odd_bytes_end_nobody(case: Case) -> Ruling:
    """After clients have sent bytes that mean nothing, the server is there, and the last one, a good one, is served.

    One that leaves with status 0 was told to, as far as anybody knows; but not by an empty datagram, if that is all:
    there is no word in it. A memory fault is another rule's affair.
    """
    transcript, end = case.transcript, case.transcript.server_ended
    if end is not None:
        return _SENDING if _died_of_sending(transcript) else _ended_by_odd_bytes(transcript, end)
    words = [event.data for event in transcript.events if isinstance(event, Sent)]
    if not (words if protocol_of(case.contract).connectionless else any(words)):
        return NotExercised(stated("no client has sent anything and read"))
    look = transcript.look(labels.SAID)
    if look is None:
        return never_looked(labels.SAID)
    if look.still == "restless":
        return never_still(look)
    if not look.running:
        return server_gone(case.transcript)
    read = any(accepted(transcript, name) for name in transcript.scenario.clients)
    if protocol_of(case.contract).connectionless:
        read = look.datagram is not None and not look.datagram.unread
    if not read:
        return NotExercised(stated("the server has not read what it was sent"))
    return _served_after_odd_bytes(case)


def _served_after_odd_bytes(case: Case) -> Ruling:
    *odd, last = case.transcript.scenario.clients
    if not odd or protocol_of(case.contract).connectionless or last not in askers(case):
        return Held()
    return _served("LIFE-12", case, last, stated("a client is served after others have sent odd bytes"))


def _ended_by_odd_bytes(transcript: Transcript, end: ServerEnded) -> Ruling:
    fault = memory_fault(transcript)
    if fault is not None:
        return affair_of(fault.rule, fault.got)
    words = [event.data for event in transcript.events if isinstance(event, Sent)]
    if end.status == 0 and words and not any(words):
        return Finding("LIFE-12", stated("the server goes on when a datagram comes with nothing in it"), end.line())
    if end.status == 0:
        return NotExercised(stated("it ended with status 0, as if it had been told to"))
    evidence = (stated("its last words: {output}", output=last_words(end.output)),) if end.output.strip() else ()
    return Finding("LIFE-12", stated("the server goes on, whatever bytes a client sends"), end.line(), evidence)


@oracle("LIFE-13")
def finished_client_is_left_alone(case: Case) -> Ruling:
    """A client that had its answer and has finished is sent megabytes, and no end of them is seen.

    They are nobody's answer: the one it got comes again and again, or they are more than an echo was ever given.
    """
    transcript, flood = case.transcript, case.transcript.flooded
    if flood is not None:
        return _flooded(case, flood) or NotExercised(
            stated("{client} was sent more than is kept, and not the same again and again", client=flood.client)
        )
    return of_all(
        (
            unfinished(transcript, client) or Held()
            for client in transcript.scenario.clients
            if (at := _finishes(transcript, client)) is not None and _got_before(transcript, client, at)
        ),
        NotExercised(stated("no client finished after it had its answer")),
    )


def _flooded(case: Case, flood: Flooded) -> Finding | None:
    client, finished = flood.client, _finishes(case.transcript, flood.client)
    if finished is None or flood.step < finished:
        return None
    got = [(e.step, e.data) for e in case.transcript.of(client) if isinstance(e, Got)]
    answer = _got_before(case.transcript, client, finished)
    behind = b"".join(data for step, data in got if step > finished)
    again = behind.count(answer) if answer else 0
    if again < _AGAIN and not protocol_of(case.contract).amount_is_known:
        return None
    expected = stated("nothing more for a client that has its answer and has ended its side")
    told = stated(
        "{client} had {size} and finished, and has been sent {more} since",
        client=client,
        size=size_of(answer),
        more=size_of(behind),
    )
    if again >= _AGAIN:
        told = stated("{told}: the same answer {times} times", told=told, times=again)
    look = case.transcript.look(labels.has_finished(client))
    return Finding("LIFE-13", expected, told, look.where if look is not None else ())


def _finishes(transcript: Transcript, client: str) -> int | None:
    return next((n for n, step in enumerate(transcript.scenario.steps) if step == HalfClose(client)), None)


def _got_before(transcript: Transcript, client: str, step: int) -> bytes:
    return b"".join(e.data for e in transcript.of(client) if isinstance(e, Got) and e.step < step)


@oracle("LIFE-10")
def half_a_request_blocks_nobody(case: Case) -> Ruling:
    """The good client is served although others stopped in the middle of their requests, and are still there."""
    transcript = case.transcript
    *hogs, _ = transcript.scenario.clients or ("",)
    nobody = NotExercised(stated("no client was there that had sent half a request and waited"))
    if not any(transcript.sent.get(name) for name in hogs):
        return nobody
    expected = stated("a client is served although another has sent half a request and waits")
    served = served_beside("LIFE-10", case, expected)
    waits = any(_waits_with_half_a_request(transcript, name) for name in hogs)
    return nobody if isinstance(served, Held) and not waits else served


def _waits_with_half_a_request(transcript: Transcript, client: str) -> bool:
    """What it has sent was read, unless nobody can know that; its connection has not ended."""
    sent = [event for event in transcript.of(client) if isinstance(event, Sent)]
    return bool(sent) and transcript.end(client) is None and all(event.read is not False for event in sent)


@oracle("LIFE-11")
def slow_reader_blocks_nobody(case: Case) -> Ruling:
    """The good client is served although another one does not read what it asked for, and takes no more of it."""
    transcript = case.transcript
    *hogs, _ = transcript.scenario.clients or ("",)
    if not any(transcript.connected(name) and transcript.sent.get(name) for name in hogs):
        return nobody_came()
    ruling = served_beside("LIFE-11", case, stated("a client is served although another one does not read its answer"))
    if isinstance(ruling, Held) and not any(is_full(transcript, name) for name in hogs):
        return NotExercised(stated("the kernel does not show that a client was sent more than it takes"), unproven=True)
    return ruling


def is_full(transcript: Transcript, client: str, *, before: float = math.inf) -> bool:
    """Its connection takes no more: the kernel still keeps what was sent to it, or it could not send all it had to.

    `before` this step: what becomes of the client later is left open.
    """
    look = transcript.look(labels.FULL)
    side = look.connection(client) if look is not None else None
    stuck = 0 < len(transcript.sent.get(client, b"")) < len(transcript.scenario.sent_by(client))
    ended = transcript.ended_at(client)
    there = ended is None or ended >= before
    return there and (stuck or (side is not None and side.accepted and side.unsent > 0))


def served_beside(rule: str, case: Case, expected: str) -> Ruling:
    """Only silence counts: a server may turn somebody away while it is busy. It may not die of it."""
    transcript, good = case.transcript, case.transcript.scenario.clients[-1]
    ruling = _served(rule, case, good, expected)
    late = answered_after_a_limit(transcript, transcript.scenario.clients[:-1])
    if isinstance(ruling, Held) and late is not None and late[0] == good:
        return _kept_waiting(rule, expected, *late)
    if isinstance(ruling, Finding) and transcript.end(good) is not None and transcript.server_ended is None:
        return NotExercised(stated("{client} was turned away, which a busy server may do", client=good))
    return ruling


def _kept_waiting(rule: str, expected: str, client: str, seconds: float) -> Finding:
    got = stated(
        "{client} was answered only when the server had waited for another one in vain, for {time} of its own time",
        client=client,
        time=duration(seconds),
    )
    return Finding(rule, expected, got, facts=Facts("time limit"))


def _served(rule: str, case: Case, client: str, expected: str) -> Ruling:
    """Held where the client came, could ask, and was served."""
    transcript = case.transcript
    if protocol_of(case.contract).connectionless:
        return _answered(rule, case, client, expected)
    if not any(isinstance(event, Connected | NotConnected) for event in transcript.of(client)):
        return nobody_came()
    asked = transcript.scenario.sent_by(client) or not plain_request(case.contract)
    if transcript.connected(client) and not (asked and client in askers(case)):
        return NotExercised(stated("no client has sent anything and read"))
    kept_off = any(isinstance(event, NotSent) for event in transcript.of(client))
    if kept_off and transcript.connected(client) and speaks(case.contract) and not transcript.received(client):
        return as_ruling(rule, expected, _fact(what_came(transcript, client), transcript))
    return as_ruling(rule, expected, _fact(unserved(case, client), transcript))


def _answered(rule: str, case: Case, client: str, expected: str) -> Ruling:
    """The same of a client that sends datagrams: what the kernel dropped is nobody's fault."""
    transcript = case.transcript
    if not any(isinstance(event, Sent) for event in transcript.of(client)):
        return NotExercised(stated("no client has sent a datagram and got an answer"))
    if transcript.datagrams(client):
        return Held()
    if any(isinstance(event, DatagramsDropped) for event in transcript.events):
        return NotExercised(stated("the kernel dropped datagrams, so nothing is said of a missing answer"))
    return as_ruling(rule, expected, _fact(unserved(case, client), transcript))


def _fact(missing: Unserved | None, transcript: Transcript) -> Unserved | None:
    """A server that provably spins for nothing keeps its client waiting as certainly as one that sleeps."""
    if missing is None:
        return None
    silence = transcript.silence(missing.client)
    spins = silence is not None and silence.still == "spinning"
    return replace(missing, proven=True) if spins else missing
