"""What a look at the whole server adds to the picture: only what is new since the look before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gatecrash.diagrams import phrases
from gatecrash.diagrams.cast import KERNEL, SERVER, child
from gatecrash.diagrams.labels import plain
from gatecrash.diagrams.model import Band
from gatecrash.language import marked, say, spoken
from gatecrash.model.steps import Who
from gatecrash.model.transcript import ClientSide, Looked, Snapshot

if TYPE_CHECKING:
    from gatecrash.diagrams.rows import Drawing

_STILL = {
    "quiet": marked("the server is quiet"),
    "resting": marked("the server waits for a time to pass"),
    "spinning": marked("the server spins"),
    "restless": marked("the server did not come to rest"),
}


_NAMED = 4
_MANY = 4096  # bytes: fewer may only wait for an acknowledgement that the kernel delays


@dataclass
class SeenBefore:
    """What earlier looks have shown already."""

    doing: dict[str, str] = field(default_factory=dict)
    live: set[int] = field(default_factory=set)
    zombies: set[int] = field(default_factory=set)
    descriptors: dict[int, int] = field(default_factory=dict)
    threads: dict[int, int] = field(default_factory=dict)
    main: int | None = None

    def alive(self, who: Who, serving: set[int] | None = None) -> tuple[str, ...]:
        """The lanes of the processes an act on `who` is about, as far as they are known."""
        pids = sorted(self.live - {self.main})
        children = tuple(child(pid) for pid in pids if who != "serving" or pid in (serving or set()))
        if who == "all":
            return (SERVER, *children)
        return children or (SERVER,)


def draw(drawing: Drawing, event: Looked) -> None:
    """One look: a line across, then a mark for everything that is new."""
    look, known = event.snapshot, drawing.known
    label = f" ({event.label})" if event.label else ""
    drawing.rows.append(Band("look", plain(f"{_still(drawing, look)}{label}"), step=event.step))
    if known.main not in (None, look.main):
        known.live, known.zombies = set(), set()
    known.main = look.main
    for side in look.connections:
        if side.accepted:
            drawing.accept(side.client)
    _processes(drawing, look)
    _queue(drawing, look)
    _holders(drawing, look)
    _descriptors(drawing, look)
    _threads(drawing, look)
    _ports(drawing, look)
    blamed = event is drawing.last_look and not drawing.missed
    drawing.blocked(look.where, blamed=blamed, spinning=look.still == "spinning")
    known.live, known.zombies = set(look.live), set(look.zombies)


def _still(drawing: Drawing, look: Snapshot) -> str:
    """How the server was found."""
    still = spoken(_STILL[look.still]) if look.running or drawing.cast.datagram else say("the server is gone")
    if not drawing.cast.observed and not look.processes:
        still = say("a pause")
    if look.still != "spinning":
        return still
    return say("{still}, {share:.0%} of the time on a processor", still=still, share=look.share)


def _processes(drawing: Drawing, look: Snapshot) -> None:
    known = drawing.known
    born = [entry.pid for entry in look.processes if entry.pid not in known.live | known.zombies]
    lanes = tuple(child(pid) for pid in born if pid in drawing.cast.children)
    if lanes:
        many = say("{count} were forked", count=len(lanes))
        drawing.mark(lanes, "forked", say("was forked") if len(lanes) == 1 else many)
    dead = tuple(child(pid) for pid in look.zombies if pid not in known.zombies and pid in drawing.cast.children)
    if dead:
        bad = any(pid in drawing.fault.pids for pid in look.zombies)
        many = say("{count} zombies: ended, not waited for", count=len(dead))
        drawing.mark(dead, "zombie", say("zombie: ended, not waited for") if len(dead) == 1 else many, bad=bad)
    gone = known.live - set(look.live) - set(look.zombies)
    left = tuple(child(pid) for pid in sorted(gone) if pid in drawing.cast.children)
    if left:
        drawing.mark(left, "gone", say("ended and reaped"))
    reaped = tuple(child(pid) for pid in sorted(known.zombies - set(look.zombies)) if pid in drawing.cast.children)
    if reaped:
        drawing.mark(reaped, "gone", say("reaped"))


def _queue(drawing: Drawing, look: Snapshot) -> None:
    if drawing.cast.wire != KERNEL:
        return
    if look.listener is not None and look.listener.depth:
        waiting = [s.client for s in look.connections if not s.accepted and s.state in ("ESTABLISHED", "CLOSE_WAIT")]
        depth, names = look.listener.depth, ", ".join(waiting[:4]) + (" …" if len(waiting) > 4 else "")
        queued = say("{count} in the accept queue", count=depth)
        if waiting:
            queued = say("{count} in the accept queue: {clients}", count=depth, clients=names)
        bad = drawing.fault.facts.about == "accept queue" or any(drawing.fault.blames(name) for name in waiting)
        note = say("backlog {backlog}", backlog=look.listener.backlog)
        drawing.mark(KERNEL, "full" if look.listener.full else "queue", queued, note, bad=bad)
    elif look.listener is None and look.running:
        drawing.mark(KERNEL, "queue", say("nobody listens"), bad=drawing.fault.facts.about == "listening socket")
    _buffers(drawing, look)


def _buffers(drawing: Drawing, look: Snapshot) -> None:
    stuck: dict[tuple[bool, str], list[str]] = {}
    for side in look.connections:
        if state := _stuck(side):
            bad = side.client in drawing.fault.named and not drawing.fault.bytes
            stuck.setdefault((bad, state), []).append(side.client)
    for (bad, state), names in stuck.items():
        who, more = ", ".join(names[:_NAMED]), len(names) - _NAMED
        who = say("{named} and {more} more", named=who, more=more) if more > 0 else who
        drawing.mark(KERNEL, "unread", f"{who}: {state}", bad=bad)


def _stuck(side: ClientSide) -> str:
    """What lies in the buffers of one connection, or what it waits for."""
    if side.unread and side.accepted:
        return say("1 byte not read") if side.unread == 1 else say("{count} bytes not read", count=side.unread)
    if side.state == "CLOSE_WAIT" and side.accepted:
        return say("its FIN has come, the server has not closed")
    if side.unsent >= _MANY:
        return say("{count} bytes wait until it reads", count=side.unsent)
    return ""


def _ports(drawing: Drawing, look: Snapshot) -> None:
    """Another port than the one that was asked for; an address or a backlog that is the fault."""
    if look.asked_port and look.ports and look.asked_port not in look.ports:
        drawing.mark(SERVER, "started", phrases.listens(look.ports[:4], look.asked_port), bad=drawing.fault.found)
    if look.listener is not None and look.listener.address == drawing.fault.facts.address:
        drawing.mark(KERNEL, "queue", say("listens on {address} alone", address=look.listener.address), bad=True)
    if drawing.fault.facts.about == "backlog" and look.listener is not None:
        room = say("room for {count} in the accept queue", count=look.listener.backlog)
        drawing.mark(KERNEL, "queue", room, say("backlog of listen()"), bad=True)


def _holders(drawing: Drawing, look: Snapshot) -> None:
    """A connection that several processes have open, and a child that has the listening socket, where that is asked."""
    about, cast = drawing.fault.facts.about, drawing.cast
    for side in look.connections:
        pids = tuple(dict.fromkeys(pid for pid, _ in side.holders))
        if len(pids) > 1:
            lanes = tuple(cast.lane_of(pid) for pid in pids)
            numbers = sorted({number for _, number in side.holders})
            where = ", ".join(say("descriptor {number}", number=number) for number in numbers)
            bad = drawing.fault.blames(side.client) or about == "connection"
            both = say("both have {client}'s connection open", client=side.client)
            drawing.mark(lanes, "holds", both, where, bad=bad)
    if about == "listening socket":
        holding = tuple(child(pid) for pid in look.listener_holders if pid in cast.children)
        if holding:
            drawing.mark(holding, "holds", say("has the listening socket open as well"), bad=True)


def _descriptors(drawing: Drawing, look: Snapshot) -> None:
    """How many descriptors a process has open, when that has changed and descriptors are what is asked about."""
    for pid, count in look.descriptors:
        before = drawing.known.descriptors.get(pid)
        if before is not None and before != count and pid in (look.main, *drawing.fault.pids):
            bad = pid in drawing.fault.pids and count > before and drawing.fault.facts.about == "descriptors"
            open_now = say("{count} descriptors open (before: {before})", count=count, before=before)
            drawing.mark(drawing.cast.lane_of(pid), "descriptors", open_now, bad=bad)
        drawing.known.descriptors[pid] = count


def _threads(drawing: Drawing, look: Snapshot) -> None:
    """How many threads a process has, when that has changed and threads are what is asked about."""
    for entry in look.processes:
        before = drawing.known.threads.get(entry.pid)
        drawing.known.threads[entry.pid] = entry.threads
        if before not in (None, entry.threads) and drawing.fault.facts.about == "threads":
            now = say("{count} threads (before: {before})", count=entry.threads, before=before)
            drawing.mark(drawing.cast.lane_of(entry.pid), "threads", now, bad=entry.threads > (before or 0))
