"""A server's own life: how it starts when it cannot, how it stops, and that it sleeps when there is nothing to do."""

from __future__ import annotations

from gatecrash.language import joined, marked, stated
from gatecrash.oracles import oracle
from gatecrash.oracles.startup import started
from gatecrash.scenario import Close, HalfClose, Reset
from gatecrash.text import last_words
from gatecrash.transcript import Snapshot, Transcript
from gatecrash.verdicts import Case, Finding

_DOING = {
    "quiet": marked("asleep"),
    "spinning": marked("busy"),
    "resting": marked("asleep for a while"),
    "restless": marked("busy"),
}


@oracle("LIFE-01")
def failed_start_is_told_by_the_status(case: Case) -> Finding | None:
    """A start that came to nothing, because the port was taken, ended with another exit status than 0.

    The status is that of the first process, which may have ended before the port was asked for, where nobody knows.
    """
    start = started(case.transcript, "taken")
    if start is None or start.listening or start.status != 0:
        return None
    words = (stated("its words: {output}", output=last_words(start.output)),) if start.output.strip() else ()
    expected, known = stated("an exit status other than 0, because it could not start"), case.contract.background
    return Finding("LIFE-01", expected, stated("exit status 0"), words, conclusive=known != "unknown")


@oracle("LIFE-02")
def sigterm_ends_it(case: Case) -> Finding | None:
    """SIGTERM was delivered, and the main process is neither gone nor about to go."""
    look = case.transcript.look("after SIGTERM")
    if look is None or not look.running:
        return None
    doing = stated(_DOING[look.still])
    got = stated("process {pid} is alive and {doing}, and no client is there", pid=look.main, doing=doing)
    settled = look.still in ("quiet", "spinning")
    return Finding("LIFE-02", stated("SIGTERM ends the server"), got, look.where, conclusive=settled)


@oracle("LIFE-03")
def sigterm_ends_everything(case: Case) -> Finding | None:
    """When the first process has gone, nothing it had started lives or listens; no client was there to be served.

    Processes of the same rank, whose common parent has ended, were not started by the one that got the signal.
    """
    before, after = case.transcript.look("before SIGTERM"), case.transcript.look("after SIGTERM")
    if before is None or after is None or after.running or not _first_process_listens(before):
        return None
    others = _beside(before)
    live = [pid for pid in after.live if pid not in others | _descendants(after, others)]
    if not live:
        return None
    left = ", ".join(map(str, live))
    listens = stated(", and still listens") if after.listener is not None else ""
    got = stated("the first process has gone, process {pid} lives on{listens}", pid=left, listens=listens)
    settled = after.still in ("quiet", "spinning")
    return Finding(
        "LIFE-03", stated("SIGTERM ends everything the server started"), got, after.where, conclusive=settled
    )


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
def idle_server_sleeps(case: Case) -> Finding | None:
    """With no client, or with clients that say nothing, the server comes to rest."""
    return _spins("LIFE-07", case, stated("the server sleeps while there is nothing to do"))


@oracle("LIFE-08")
def client_that_left_is_forgotten(case: Case) -> Finding | None:
    """After a client has left, or said that it has finished, the server comes to rest.

    One that spins while the client is there, and says nothing, has the mistake of LIFE-07.
    """
    if not any(case.transcript.sent.values()) and _spins_before_anybody_leaves(case.transcript):
        return None
    return _spins("LIFE-08", case, stated("the server comes to rest after a client has left"))


def _spins_before_anybody_leaves(transcript: Transcript) -> bool:
    steps = transcript.scenario.steps
    left = next((n for n, step in enumerate(steps) if isinstance(step, HalfClose | Close | Reset)), len(steps))
    return any(look.step < left and look.snapshot.still == "spinning" for look in transcript.looks())


def _spins(rule: str, case: Case, expected: str) -> Finding | None:
    for look in case.transcript.looks():
        seen = look.snapshot
        if seen.still == "spinning":
            got = stated("it wants a processor for {share:.0%} of the time, and nothing comes of it", share=seen.share)
            return Finding(rule, expected, joined((got, f"({look.label})"), " "), seen.where)
    return None
