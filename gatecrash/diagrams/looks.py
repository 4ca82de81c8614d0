"""What a look at the whole server adds to the picture: only what is new since the look before."""

from __future__ import annotations

from gatecrash.diagrams import phrases
from gatecrash.diagrams.canvas import Canvas
from gatecrash.diagrams.cast import KERNEL, SERVER, child
from gatecrash.diagrams.labels import plain
from gatecrash.diagrams.model import Band
from gatecrash.language import marked, say, spoken
from gatecrash.model import labels
from gatecrash.model.transcript import ClientSide, Looked, Snapshot

_STILL = {
    "quiet": marked("the server is quiet"),
    "resting": marked("the server waits for a time to pass"),
    "spinning": marked("the server spins"),
    "restless": marked("the server did not come to rest"),
}


_NAMED = 4
_MANY = 4096  # bytes: fewer may only wait for an acknowledgement that the kernel delays


def draw(canvas: Canvas, event: Looked) -> None:
    """One look: a line across, then a mark for everything that is new."""
    look, known = event.snapshot, canvas.known
    label = f" {spoken(labels.told(event.label))}" if event.label else ""
    canvas.rows.append(Band("look", plain(f"{_still(canvas, look)}{label}"), step=event.step))
    if known.main not in (None, look.main):
        known.live, known.zombies = set(), set()
    known.main = look.main
    for side in look.connections:
        if side.accepted:  # by a child that this look is the first to show
            canvas.accept(side.client)
    _processes(canvas, look)
    _queue(canvas, look)
    _holders(canvas, look)
    _descriptors(canvas, look)
    _threads(canvas, look)
    _ports(canvas, look)
    blamed = event is canvas.last_look and not canvas.missed
    canvas.blocked(look.where, blamed=blamed, spinning=look.still == "spinning")
    known.live, known.zombies = set(look.live), set(look.zombies)


def _still(canvas: Canvas, look: Snapshot) -> str:
    """How the server was found."""
    still = spoken(_STILL[look.still]) if look.running or canvas.cast.datagram else say("the server is gone")
    if not canvas.cast.observed and not look.processes:
        still = say("a pause")
    if look.still != "spinning":
        return still
    return say("{still}, {share:.0%} of the time on a processor", still=still, share=look.share)


def _processes(canvas: Canvas, look: Snapshot) -> None:
    known = canvas.known
    born = [entry.pid for entry in look.processes if entry.pid not in known.live | known.zombies]
    lanes = tuple(child(pid) for pid in born if pid in canvas.cast.children)
    if lanes:
        many = say("{count} were forked", count=len(lanes))
        canvas.mark(lanes, "forked", say("was forked") if len(lanes) == 1 else many)
    dead = tuple(child(pid) for pid in look.zombies if pid not in known.zombies and pid in canvas.cast.children)
    if dead:
        bad = any(pid in canvas.fault.pids for pid in look.zombies)
        many = say("{count} zombies: ended, not waited for", count=len(dead))
        canvas.mark(dead, "zombie", say("zombie: ended, not waited for") if len(dead) == 1 else many, bad=bad)
    gone = known.live - set(look.live) - set(look.zombies)
    left = tuple(child(pid) for pid in sorted(gone) if pid in canvas.cast.children)
    if left:
        canvas.mark(left, "gone", say("ended and reaped"))
    reaped = tuple(child(pid) for pid in sorted(known.zombies - set(look.zombies)) if pid in canvas.cast.children)
    if reaped:
        canvas.mark(reaped, "gone", say("reaped"))


def _queue(canvas: Canvas, look: Snapshot) -> None:
    if canvas.cast.wire != KERNEL:
        return
    if look.listener is not None and look.listener.depth:
        waiting = [s.client for s in look.connections if not s.accepted and s.state in ("ESTABLISHED", "CLOSE_WAIT")]
        depth, names = look.listener.depth, ", ".join(waiting[:4]) + (" …" if len(waiting) > 4 else "")
        queued = say("{count} in the accept queue", count=depth)
        if waiting:
            queued = say("{count} in the accept queue: {clients}", count=depth, clients=names)
        bad = canvas.fault.facts.about == "accept queue" or any(canvas.fault.blames(name) for name in waiting)
        note = say("backlog {backlog}", backlog=look.listener.backlog)
        canvas.mark(KERNEL, "full" if look.listener.full else "queue", queued, note, bad=bad)
    elif look.listener is None and look.running:
        canvas.mark(KERNEL, "queue", say("nobody listens"), bad=canvas.fault.facts.about == "listening socket")
    _buffers(canvas, look)


def _buffers(canvas: Canvas, look: Snapshot) -> None:
    stuck: dict[tuple[bool, str], list[str]] = {}
    for side in look.connections:
        if state := _stuck(side):
            bad = side.client in canvas.fault.named and not canvas.fault.bytes
            stuck.setdefault((bad, state), []).append(side.client)
    for (bad, state), names in stuck.items():
        who, more = ", ".join(names[:_NAMED]), len(names) - _NAMED
        who = say("{named} and {more} more", named=who, more=more) if more > 0 else who
        canvas.mark(KERNEL, "unread", f"{who}: {state}", bad=bad)


def _stuck(side: ClientSide) -> str:
    """What lies in the buffers of one connection, or what it waits for."""
    if side.unread and side.accepted:
        return say("1 byte not read") if side.unread == 1 else say("{count} bytes not read", count=side.unread)
    if side.state == "CLOSE_WAIT" and side.accepted:
        return say("its FIN has come, the server has not closed")
    if side.unsent >= _MANY:
        return say("{count} bytes wait until it reads", count=side.unsent)
    return ""


def _ports(canvas: Canvas, look: Snapshot) -> None:
    """Another port than the one that was asked for; an address or a backlog that is the fault."""
    about_ports = canvas.fault.ports & {look.asked_port, *look.ports}
    if about_ports and look.asked_port and look.ports and look.asked_port not in look.ports:
        canvas.mark(SERVER, "started", phrases.listens(look.ports[:4], look.asked_port), bad=True)
    if look.listener is not None and look.listener.address == canvas.fault.facts.address:
        canvas.mark(KERNEL, "queue", say("listens on {address} alone", address=look.listener.address), bad=True)
    if canvas.fault.facts.about == "backlog" and look.listener is not None:
        room = say("room for {count} in the accept queue", count=look.listener.backlog)
        canvas.mark(KERNEL, "queue", room, say("backlog of listen()"), bad=True)


def _holders(canvas: Canvas, look: Snapshot) -> None:
    """A connection that several processes have open, and a child that has the listening socket, where that is asked."""
    about, cast = canvas.fault.facts.about, canvas.cast
    for side in look.connections:
        pids = tuple(dict.fromkeys(pid for pid, _ in side.holders))
        if len(pids) > 1:
            lanes = tuple(cast.lane_of(pid) for pid in pids)
            numbers = sorted({number for _, number in side.holders})
            where = ", ".join(say("descriptor {number}", number=number) for number in numbers)
            bad = canvas.fault.blames(side.client) or about == "connection"
            both = say("both have {client}'s connection open", client=side.client)
            canvas.mark(lanes, "holds", both, where, bad=bad)
    if about == "listening socket":
        holding = tuple(child(pid) for pid in look.listener_holders if pid in cast.children)
        if holding:
            canvas.mark(holding, "holds", say("has the listening socket open as well"), bad=True)


def _descriptors(canvas: Canvas, look: Snapshot) -> None:
    """How many descriptors a process has open, when that has changed and descriptors are what is asked about."""
    for pid, count in look.descriptors:
        before = canvas.known.descriptors.get(pid)
        if before is not None and before != count and pid in (look.main, *canvas.fault.pids):
            bad = pid in canvas.fault.pids and count > before and canvas.fault.facts.about == "descriptors"
            open_now = say("{count} descriptors open (before: {before})", count=count, before=before)
            canvas.mark(canvas.cast.lane_of(pid), "descriptors", open_now, bad=bad)
        canvas.known.descriptors[pid] = count


def _threads(canvas: Canvas, look: Snapshot) -> None:
    """How many threads a process has, when that has changed and threads are what is asked about."""
    for entry in look.processes:
        before = canvas.known.threads.get(entry.pid)
        canvas.known.threads[entry.pid] = entry.threads
        if before not in (None, entry.threads) and canvas.fault.facts.about == "threads":
            now = say("{count} threads (before: {before})", count=entry.threads, before=before)
            canvas.mark(canvas.cast.lane_of(entry.pid), "threads", now, bad=entry.threads > (before or 0))
