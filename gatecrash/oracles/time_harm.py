"""What a time limit does besides ending one connection: nothing to others, and nothing of it stays behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from gatecrash.language import marked, stated
from gatecrash.model import labels
from gatecrash.model.facts import About, Facts
from gatecrash.model.scenario import LetTimePass, Receive
from gatecrash.model.snapshot import Snapshot
from gatecrash.model.transcript import Connected, Ended, TimePassed, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.children import unreaped
from gatecrash.oracles.let_go import waited_for_in_vain
from gatecrash.oracles.passing import no_limit_seen, time_was_real
from gatecrash.oracles.service import as_ruling, first_unserved, unserved
from gatecrash.oracles.unseen import nobody_came, server_gone, still, unserved_elsewhere
from gatecrash.text import duration

_AS_LONG = 0.8  # of the time in which another one was let go: its own is over then, too
_EARLY = 0.5  # of the time for which the first one is there: who is let go so soon is so by no limit of its own
_FEWEST = 4  # of a kind that stay behind: one or two may be a pool's own, or a log file


@oracle("TIME-04")
def limit_ends_one_connection(case: Case) -> Ruling:
    """Who was there, and active, when the first client was let go is answered, and so is who came after that.

    Whoever was let go by a limit of its own shows no harm, nor does one who fares no better alone.
    """
    transcript = case.transcript
    first, others = _first_and_others(transcript)
    gone = waited_for_in_vain(transcript, case.contract)
    in_its_place = _ended_in_its_place(case, first, others, gone)
    if in_its_place is not None:
        return in_its_place
    if first not in gone:
        return time_was_real(transcript) or no_limit_seen(transcript)
    moment = next(event.step for event in transcript.of(first) if isinstance(event, Ended))
    if transcript.server_ended is not None and not isinstance(transcript.scenario.steps[moment], LetTimePass):
        return server_gone(transcript)  # of what somebody did: no time passed
    there = [name for name in others if _span(transcript, name)[0] < moment <= _span(transcript, name)[1]]
    late, alone = _behind(transcript, others, moment)
    if not there and not late:
        return nobody_came()
    expected = _expected()
    for name in (*there, *late):
        if gone.get(name, 0.0) >= _AS_LONG * gone[first]:
            return NotExercised(stated("the time of {client} was over, too", client=name))
        ruling = as_ruling("TIME-04", expected, unserved(case, name))
        elsewhere = _asks_in_vain(case, name) or (name in there and not _alone_served(case, late, alone))
        if isinstance(ruling, Finding) and elsewhere:
            return unserved_elsewhere(name)
        if isinstance(ruling, Finding):
            return _told(ruling, first, gone[first], late=name in late)
        if isinstance(ruling, NotExercised):
            return ruling
    return Held()


def _first_and_others(transcript: Transcript) -> tuple[str, tuple[str, ...]]:
    """The one that waits for ever, and those that wait for an answer."""
    first, *_ = transcript.scenario.clients or ("",)
    asking = {step.client for step in transcript.scenario.steps if isinstance(step, Receive)}
    return first, tuple(name for name in transcript.scenario.clients if name in asking and name != first)


def _span(transcript: Transcript, client: str) -> tuple[int, int]:
    """The steps with which this client comes, and has its answer."""
    own = [n for n, step in enumerate(transcript.scenario.steps) if getattr(step, "client", "") == client]
    reads = [n for n in own if isinstance(transcript.scenario.steps[n], Receive)]
    return own[0], reads[-1]


def _behind(transcript: Transcript, others: tuple[str, ...], moment: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who came next when the first client had gone, and who then did alone what those did who were there."""
    came = tuple(name for name in others if _span(transcript, name)[0] > moment)
    return came[:1], came[1:]


def _expected() -> str:
    return stated("a time limit ends the connection that it is for, and nobody else's")


def _ended_in_its_place(case: Case, first: str, others: tuple[str, ...], gone: Mapping[str, float]) -> Finding | None:
    """Another one was let go long before its time, which was the first one's, and the first one was still there.

    Only where the last client did the same alone, and was served: then no limit of its own ends who does that.
    """
    transcript = case.transcript
    early = next((name for name in others[:-1] if name in gone and first not in _ended_before(transcript, name)), None)
    if early is None or unserved(case, others[-1]) is not None:
        return None
    whole = _passed(transcript, first, until=early)
    if gone[early] > _EARLY * whole:
        return None
    got = stated(
        "{client} was let go after {time}, when {whole} of {first} were over; {first} was still there",
        client=early,
        time=duration(round(gone[early], 1)),
        whole=duration(round(whole, 1)),
        first=first,
    )
    return Finding("TIME-04", _expected(), got)


def _ended_before(transcript: Transcript, client: str) -> set[str]:
    """Those whose connections had ended by the time this one's did."""
    ends = [event.client for event in transcript.events if isinstance(event, Ended)]
    return set(ends[: ends.index(client)])


def _passed(transcript: Transcript, client: str, *, until: str) -> float:
    """Seconds that passed between the coming of `client` and the end of another one's connection."""
    began = next((n for n, e in enumerate(transcript.events) if isinstance(e, Connected) and e.client == client), 0)
    ended = next(n for n, e in enumerate(transcript.events) if isinstance(e, Ended) and e.client == until)
    return sum(event.seconds for event in transcript.events[began:ended] if isinstance(event, TimePassed))


def _asks_in_vain(case: Case, client: str) -> bool:
    """Whether a lone client gets nothing by what this one sent."""
    plain = case.plain.get(case.transcript.scenario.sent_by(client))
    return plain is not None and not plain.received


def _alone_served(case: Case, late: tuple[str, ...], alone: tuple[str, ...]) -> bool:
    """Whether the last ones were served, unless the server serves nobody by then: that is harm enough."""
    return first_unserved(case, alone) is None or first_unserved(case, late) is not None


def _told(finding: Finding, first: str, idle: float, *, late: bool) -> Finding:
    values = {"client": first, "time": duration(idle), "got": finding.got}
    if late:
        return replace(finding, got=stated("{client} was let go after {time}; then {got}", **values))
    return replace(finding, got=stated("when {client} was let go after {time}, {got}", **values))


@oracle("TIME-05")
def limit_leaves_nothing_behind(case: Case) -> Ruling:
    """After as many clients again were let go no more is open, started or unreaped than after the first ones."""
    transcript = case.transcript
    gone = waited_for_in_vain(transcript, case.contract)
    # Whoever was turned away before any time had passed was never let go, and took no place.
    crowd = tuple(one for one in _second_crowd(transcript) if one in gone or transcript.end(one) is None)
    if not any(name in gone for name in crowd):
        return time_was_real(transcript) or no_limit_seen(transcript)
    left = next((name for name in crowd if name not in gone), None)
    if left is not None:
        return NotExercised(stated("{client} was not let go, though others were", client=left))
    first, second = still(transcript, labels.FIRST_CROWD), still(transcript, labels.SECOND_CROWD)
    if isinstance(first, NotExercised):
        return first
    if isinstance(second, NotExercised):
        return second
    if not (first.running and second.running) or first.main != second.main:
        return server_gone(transcript)
    return _left_behind(first, second, len(crowd)) or Held()


def _second_crowd(transcript: Transcript) -> tuple[str, ...]:
    """The connected clients that came behind the first look."""
    look = next((e.step for e in transcript.looks() if e.label == labels.FIRST_CROWD), None)
    came = [event for event in transcript.events if isinstance(event, Connected)]
    return tuple(event.client for event in came if look is not None and event.step > look)


def _left_behind(first: Snapshot, second: Snapshot, count: int) -> Finding | None:
    """The first kind of thing of which there is one more for every client that was let go."""
    for more, what, about in _kinds(first, second):
        if more >= max(count, _FEWEST):
            got = stated("{more} after {count} clients more were let go", more=stated(what, number=more), count=count)
            expected = stated("a client that is let go leaves nothing behind")
            return Finding("TIME-05", expected, got, second.where, facts=Facts(about, unreaped(second)))
    return None


def _kinds(first: Snapshot, second: Snapshot) -> tuple[tuple[int, str, About | None], ...]:
    """How many more there are of each kind of thing that a client costs."""
    threads = [[(p.pid, p.threads) for p in look.processes if p.pid in look.live] for look in (first, second)]
    return (
        (len(unreaped(second)) - len(unreaped(first)), marked("{number} zombies more"), None),
        (len(second.live) - len(first.live), marked("{number} processes more"), None),
        (_grown(first.descriptors, second.descriptors), marked("{number} descriptors more"), "descriptors"),
        (_grown(*threads), marked("{number} threads more"), "threads"),
        (_grown(first.stacks, second.stacks), marked("{number} stacks of ended threads more"), "threads"),
    )


def _grown(first: Iterable[tuple[int, int]], second: Iterable[tuple[int, int]]) -> int:
    """By how much the counts of the processes that were there before have grown."""
    before = dict(first)
    return sum(max(0, count - before[pid]) for pid, count in second if pid in before)
