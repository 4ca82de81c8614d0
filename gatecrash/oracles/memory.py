"""Memory: what the sanitizers and the kernel say of the server's processes, whatever clients do to it."""

from __future__ import annotations

import signal

from gatecrash.language import stated
from gatecrash.model.transcript import DatagramsDropped, Ended, Got, Sent, Transcript
from gatecrash.model.verdicts import Case, Held, NotExercised, Ruling, broken_here
from gatecrash.oracles import oracle
from gatecrash.oracles.invariants import broken_invariants

_SIGCHLD = 1 << (signal.SIGCHLD - 1)
_UNTOLD = NotExercised(stated("it ignores SIGCHLD, so the kernel forgets at once how a child has ended"))


@oracle("MEM-01")
def memory_is_its_own(case: Case) -> Ruling:
    """AddressSanitizer has seen an access outside the server's memory."""
    return _of("MEM-01", case)


@oracle("MEM-02")
def behaviour_is_defined(case: Case) -> Ruling:
    """UndefinedBehaviorSanitizer has seen something that C leaves undefined."""
    return _of("MEM-02", case)


@oracle("MEM-03")
def nobody_dies_of_a_memory_fault(case: Case) -> Ruling:
    """A process of the server was ended by SIGSEGV, SIGBUS, SIGABRT, SIGFPE or SIGILL."""
    ruling = _of("MEM-03", case)
    return _UNTOLD if isinstance(ruling, Held) and _children_end_unseen(case) else ruling


def _children_end_unseen(case: Case) -> bool:
    """Whether children may have ended of whom nobody knows how: wait(2), Notes, SIGCHLD that is ignored."""
    looks = [look.snapshot for look in case.transcript.looks()]
    ignores = any(p.pid == look.main and p.ignored & _SIGCHLD for look in looks for p in look.processes)
    if not ignores:
        return False
    seen = {pid for look in looks for pid in look.live}
    return case.contract.concurrency == "fork" or bool(seen - set(looks[-1].live))


def _of(rule: str, case: Case) -> Ruling:
    """Held, if the server took in what a client sent, or the client itself, and came to no harm of any kind.

    Whether a sanitizer would have spoken nobody here knows: without one the first two are not asked (`judging`).
    """
    broken = broken_invariants(case)
    own = next((finding for finding in broken if finding.rule == rule), None)
    if own is not None:
        return own
    if broken:
        first = broken[0]
        return NotExercised(broken_here(first.rule, first))
    if not _took_in(case.transcript):
        return NotExercised(stated("no process of the server was seen to accept a client or to read what one sent"))
    return Held()


def _took_in(transcript: Transcript) -> bool:
    """Whether a process of the server was seen to have accepted a client, or to have read from one."""
    sides = [side for look in transcript.looks() for side in look.snapshot.connections]
    return (
        any(isinstance(event, Got) or (isinstance(event, Sent) and event.consumed) for event in transcript.events)
        or any(side.accepted for side in sides)
        or _ended_by_it(transcript)
        or _datagrams_were_read(transcript)
    )


def _ended_by_it(transcript: Transcript) -> bool:
    """Whether an accepted connection was closed: one in the accept queue is reset only when its listener goes."""
    ends = {event.how for event in transcript.events if isinstance(event, Ended)}
    looks = transcript.looks()
    listens = transcript.server_ended is None and bool(looks) and looks[-1].snapshot.listener is not None
    return "FIN" in ends or ("RST" in ends and listens)


def _datagrams_were_read(transcript: Transcript) -> bool:
    """Whether datagrams were sent, the kernel dropped none, and none waits."""
    sent = any(isinstance(event, Sent) and event.port is not None for event in transcript.events)
    dropped = any(isinstance(event, DatagramsDropped) and event.at_server for event in transcript.events)
    looks = [look.snapshot.datagram for look in transcript.looks()]
    return sent and not dropped and bool(looks) and looks[-1] is not None and not looks[-1].unread
