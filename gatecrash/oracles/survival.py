"""A long life: many clients, clients that leave at the worst moment, a stop and continue, clients that are slow."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from gatecrash.language import stated
from gatecrash.oracles import oracle
from gatecrash.oracles.invariants import MEMORY_FAULTS
from gatecrash.oracles.service import Unserved, as_finding, unserved
from gatecrash.scenario import HalfClose
from gatecrash.text import last_words, size_of
from gatecrash.transcript import Event, Got, ServerEnded, Transcript
from gatecrash.verdicts import Case, Finding

_SIGPIPE = 13
_AGAIN = 16  # times an answer comes again before nobody takes it for a coincidence


@oracle("LIFE-04")
def late_client_is_served_like_the_first(case: Case) -> Finding | None:
    """Of many clients, one after another, each is served."""
    clients = case.transcript.scenario.clients
    by_client = _by_client(case.transcript)
    for number, client in enumerate(clients, 1):
        alone = replace(case, transcript=replace(case.transcript, events=tuple(by_client[client])))
        missing = unserved(alone, client)
        if missing is None:
            continue
        if number == 1:
            return None
        served = (
            stated("1 client was served") if number == 2 else stated("{number} clients were served", number=number - 1)
        )
        finding = as_finding("LIFE-04", stated("the server serves its hundredth client like its first"), missing)
        return (
            None
            if finding is None
            else replace(finding, got=stated("{served}, then {got}", served=served, got=finding.got))
        )
    return None


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
def departure_costs_one_connection(case: Case) -> Finding | None:
    """After clients have left in the middle, a good one is served.

    A server that died of *sending* to somebody who had left (SIGPIPE, EPIPE) has the mistake of LIFE-06.
    """
    if _died_of_sending(case.transcript):
        return None
    return _last_is_served("LIFE-05", case, stated("a client is served after others have left in the middle"))


def _died_of_sending(transcript: Transcript) -> bool:
    end = transcript.server_ended
    return end is not None and (end.status == -_SIGPIPE or "BrokenPipeError" in end.output)


@oracle("LIFE-06")
def departure_before_the_answer_costs_one_connection(case: Case) -> Finding | None:
    """After a client has left just before it was answered, a good one is served."""
    return _last_is_served(
        "LIFE-06", case, stated("a client is served after another has left before its answer was sent")
    )


@oracle("LIFE-09")
def stop_and_continue_is_survived(case: Case) -> Finding | None:
    """After SIGSTOP and SIGCONT a new client is served. A server that died of sending has the mistake of LIFE-06."""
    if _died_of_sending(case.transcript):
        return None
    return _last_is_served("LIFE-09", case, stated("a client is served after the server was stopped and went on"))


@oracle("LIFE-12")
def odd_bytes_end_nobody(case: Case) -> Finding | None:
    """After clients have sent bytes that mean nothing, the server is there.

    One that leaves with status 0 was told to, as far as anybody knows. A memory fault is another rule's affair.
    """
    end = case.transcript.server_ended
    if end is None or end.status == 0 or _died_of_sending(case.transcript) or -end.status in MEMORY_FAULTS:
        return None
    evidence = (stated("its last words: {output}", output=last_words(end.output)),) if end.output.strip() else ()
    return Finding("LIFE-12", stated("the server goes on, whatever bytes a client sends"), end.line(), evidence)


@oracle("LIFE-13")
def finished_client_is_left_alone(case: Case) -> Finding | None:
    """A client that had its answer and has finished is sent megabytes, and no end of them is seen.

    They are nobody's answer: the one it got comes again and again, or they are more than an echo was ever given.
    """
    flood = case.transcript.flooded
    if flood is None:
        return None
    client = flood.client
    finished = next((n for n, s in enumerate(case.transcript.scenario.steps) if s == HalfClose(client)), None)
    if finished is None or flood.step < finished:
        return None
    got = [(e.step, e.data) for e in case.transcript.of(client) if isinstance(e, Got)]
    answer = b"".join(data for step, data in got if step < finished)
    behind = b"".join(data for step, data in got if step > finished)
    again = behind.count(answer) if answer else 0
    if again < _AGAIN and case.contract.protocol != "echo":
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
    look = case.transcript.look(f"{client} has finished")
    return Finding("LIFE-13", expected, told, look.where if look is not None else ())


def _last_is_served(rule: str, case: Case, expected: str) -> Finding | None:
    last = case.transcript.scenario.clients[-1]
    if case.transcript.datagrams(last) and case.contract.protocol == "udp":
        return None
    return as_finding(rule, expected, _fact(unserved(case, last), case.transcript))


@oracle("LIFE-10")
def half_a_request_blocks_nobody(case: Case) -> Finding | None:
    """The good client is served although others stopped in the middle of their requests."""
    return _served_beside(
        "LIFE-10", case, stated("a client is served although another has sent half a request and waits")
    )


@oracle("LIFE-11")
def slow_reader_blocks_nobody(case: Case) -> Finding | None:
    """The good client is served although another one does not read what it asked for."""
    return _served_beside("LIFE-11", case, stated("a client is served although another one does not read its answer"))


def _served_beside(rule: str, case: Case, expected: str) -> Finding | None:
    """Only silence counts: a server may turn somebody away while it is busy."""
    good = case.transcript.scenario.clients[-1]
    if case.transcript.end(good) is not None:
        return None
    return as_finding(rule, expected, _fact(unserved(case, good), case.transcript))


def _fact(missing: Unserved | None, transcript: Transcript) -> Unserved | None:
    """A server that provably spins for nothing keeps its client waiting as certainly as one that sleeps."""
    if missing is None:
        return None
    silence = transcript.silence(missing.client)
    spins = silence is not None and silence.still == "spinning"
    return replace(missing, proven=True) if spins else missing
