"""A server's own life: how it starts when it cannot, how it stops, and that it sleeps when there is nothing to do."""

from __future__ import annotations

from collections.abc import Sequence
from signal import Signals

from gatecrash.language import joined, marked, stated
from gatecrash.model import labels
from gatecrash.model.facts import Facts
from gatecrash.model.scenario import Close, Connect, HalfClose, Reset, Scenario, Signal
from gatecrash.model.signals import MEMORY_FAULTS
from gatecrash.model.transcript import Looked, Snapshot, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.seen import accepted, leaves
from gatecrash.oracles.startup import started
from gatecrash.oracles.unseen import affair_of, never_looked, never_still, nobody_left, server_gone
from gatecrash.text import last_words

#: An assertion that fails (SIGABRT) is a way to say that it could not start, a memory fault is none.
_CRASHES = MEMORY_FAULTS - {Signals.SIGABRT}

_DOING = {
    "quiet": marked("asleep"),
    "spinning": marked("busy"),
    "resting": marked("asleep for a while"),
    "restless": marked("busy"),
}


@oracle("LIFE-01")
def failed_start_is_told_by_the_status(case: Case) -> Ruling:
    """A start that came to nothing, because the port was taken, ended with another exit status than 0.

    The status is that of the first process, which may have ended before the port was asked for, where nobody knows.
    One that runs on, listens all the same or crashes gives no status: what a taken port may lead to is ACC-11's affair.
    """
    start = started(case.transcript, "taken")
    if start is None:
        return NotExercised(stated("the server was not started while its port was taken"))
    if start.listening:
        return affair_of("ACC-11", stated("it came to listen although its port was taken"))
    if start.status is None:
        return NotExercised(stated("it did not end although its port was taken"), unproven=not start.proven)
    if -start.status in _CRASHES:
        crash = stated("it was ended by {signal} when its port was taken", signal=Signals(-start.status).name)
        return affair_of("ACC-11", crash)
    if start.status != 0:
        return Held()
    words = (stated("its words: {output}", output=last_words(start.output)),) if start.output.strip() else ()
    expected, known = stated("an exit status other than 0, because it could not start"), case.contract.background
    return Finding("LIFE-01", expected, stated("exit status 0"), words, conclusive=known != "unknown")


@oracle("LIFE-02")
def sigterm_ends_it(case: Case) -> Ruling:
    """SIGTERM was delivered, and the main process is neither gone nor about to go."""
    told = _told_to_end(case.transcript)
    if isinstance(told, NotExercised):
        return told
    _, look = told
    if not look.running:
        end = case.transcript.server_ended
        crashed = end is not None and -end.status in MEMORY_FAULTS
        return affair_of("MEM-03", end.line()) if end is not None and crashed else Held()
    doing = stated(_DOING[look.still])
    got = stated("process {pid} is alive and {doing}, and no client is there", pid=look.main, doing=doing)
    settled = look.still in ("quiet", "spinning")
    return Finding("LIFE-02", stated("SIGTERM ends the server"), got, look.where, conclusive=settled)


@oracle("LIFE-03")
def sigterm_ends_everything(case: Case) -> Ruling:
    """When the first process has gone, nothing it had started lives or listens; no client was there to be served.

    Processes of the same rank, whose common parent has ended, were not started by the one that got the signal.
    """
    told = _told_to_end(case.transcript)
    if isinstance(told, NotExercised):
        return told
    before, after = told
    if after.running:
        return affair_of("LIFE-02", stated("the process that got SIGTERM is alive"))
    if not _first_process_listens(before):
        return NotExercised(stated("the process that got SIGTERM did not start the others"))
    others = _beside(before)
    live = [pid for pid in after.live if pid not in others | _descendants(after, others)]
    if not live:
        return Held()
    left = ", ".join(map(str, live))
    listens = stated(", and still listens") if after.listener is not None else ""
    got = stated("the first process has gone; still there: process {pid}{listens}", pid=left, listens=listens)
    settled = after.still in ("quiet", "spinning")
    return Finding(
        "LIFE-03",
        stated("SIGTERM ends everything the server started"),
        got,
        after.where,
        conclusive=settled,
        facts=Facts(processes=tuple(live)),
    )


def _told_to_end(transcript: Transcript) -> tuple[Snapshot, Snapshot] | NotExercised:
    """The looks before and after SIGTERM at a server that was there to get it."""
    before, after = transcript.look(labels.BEFORE_SIGTERM), transcript.look(labels.AFTER_SIGTERM)
    if before is None or after is None:
        return never_looked(labels.BEFORE_SIGTERM if before is None else labels.AFTER_SIGTERM)
    if not before.running:
        return server_gone(transcript)
    if not any(isinstance(step, Signal) and step.name == "SIGTERM" for step in transcript.scenario.steps):
        return NotExercised(stated("SIGTERM was not sent"))
    return before, after


def _first_process_listens(look: Snapshot) -> bool:
    """Only then the signal went to the one that has to tell the others: a shell that started it has no such duty."""
    pids = {process.pid for process in look.processes}
    return all(process.parent not in pids for process in look.processes if process.pid == look.main)


def _beside(look: Snapshot) -> frozenset[int]:
    """The processes that did not come from the main one."""
    own = _descendants(look, frozenset({look.main or 0}))
    return frozenset(process.pid for process in look.processes) - own - {look.main}


def _descendants(look: Snapshot, roots: frozenset[int]) -> frozenset[int]:
    """Whoever came from these; a parent stands before its children in a look."""
    found = set(roots)
    for process in look.processes:
        found |= {process.pid} if process.parent in found else set()
    return frozenset(found) - roots


@oracle("LIFE-07")
def idle_server_sleeps(case: Case) -> Ruling:
    """With no client, or with clients that say nothing, the server comes to rest.

    One that spins while a client reads nothing has the mistake of LIFE-08.
    """
    looks = case.transcript.looks()
    if any(look.label == labels.FULL and look.snapshot.still == "spinning" for look in looks):
        return affair_of("LIFE-08", stated("it uses a processor while a client reads nothing"))
    return _rests("LIFE-07", case, looks, stated("the server sleeps while there is nothing to do"))


@oracle("LIFE-08")
def client_that_left_is_forgotten(case: Case) -> Ruling:
    """After a client has left, or said that it has finished, or while it reads nothing, the server comes to rest.

    One that spins while the client is there, and says nothing, has the mistake of LIFE-07.
    """
    transcript = case.transcript
    if not any(transcript.sent.values()) and _spins_before_anybody_leaves(transcript):
        return affair_of("LIFE-07", stated("it uses a processor while the client is there and says nothing"))
    left = [
        at for name in transcript.scenario.clients if accepted(transcript, name) for at in [leaves(transcript, name)]
    ]
    since = min((at for at in left if at is not None), default=None)
    looks = transcript.looks()
    spins = any(look.snapshot.still == "spinning" for look in looks)
    if since is None and not spins:
        return nobody_left()
    after = looks if spins or since is None else tuple(look for look in looks if look.step > since)
    first = next((look for look in looks if look.snapshot.still == "spinning"), None)
    if first is not None and _reads_nothing(transcript.scenario, first.step):
        return _rests("LIFE-08", case, after, stated("the server comes to rest while a client reads nothing"))
    if first is not None and _another_stays(transcript, first.step):
        expected = stated("the server comes to rest after a client has left, while another one stays")
        return _rests("LIFE-08", case, after, expected)
    return _rests("LIFE-08", case, after, stated("the server comes to rest after a client has left"))


def _another_stays(transcript: Transcript, at: int) -> bool:
    """Whether the server has the connection of a client then who has not left."""
    there = (name for name in transcript.scenario.clients if accepted(transcript, name))
    return any((gone := leaves(transcript, name)) is None or gone > at for name in there)


def _reads_nothing(scenario: Scenario, at: int) -> bool:
    """Whether a client is connected then that has room for little, and takes nothing of what it asked for."""
    there = (step for step in scenario.steps[:at] if isinstance(step, Connect) and step.small_window)
    gone = {step.client for step in scenario.steps[:at] if isinstance(step, Close | Reset)}
    return any(step.client not in gone for step in there)


def _spins_before_anybody_leaves(transcript: Transcript) -> bool:
    steps = transcript.scenario.steps
    left = next((n for n, step in enumerate(steps) if isinstance(step, HalfClose | Close | Reset)), len(steps))
    return any(look.step < left and look.snapshot.still == "spinning" for look in transcript.looks())


def _rests(rule: str, case: Case, looks: Sequence[Looked], expected: str) -> Ruling:
    """Held where each of these looks found the server asleep. Waking up now and then is no work."""
    for look in looks:
        seen = look.snapshot
        if seen.still == "spinning":
            got = stated("it wants a processor for {share:.0%} of the time, and nothing comes of it", share=seen.share)
            return Finding(rule, expected, joined((got, labels.told(look.label)), " "), seen.where)
    if not looks:
        return NotExercised(stated("the server was not looked at"))
    if not all(look.snapshot.running for look in looks):
        return server_gone(case.transcript)
    moving = next((look.snapshot for look in looks if look.snapshot.still == "restless"), None)
    return Held() if moving is None else never_still(moving)
