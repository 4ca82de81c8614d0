"""What a look at the whole server adds to the picture: only what is new since the look before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gatecrash.sequence.cast import KERNEL, SERVER, child
from gatecrash.sequence.labels import plain
from gatecrash.sequence.model import Band
from gatecrash.steps import Who
from gatecrash.transcript import ClientSide, Looked, Snapshot

if TYPE_CHECKING:
    from gatecrash.sequence.rows import Drawing

_STILL = {
    "quiet": "the server is quiet",
    "resting": "the server waits for a time to pass",
    "spinning": "the server spins",
    "restless": "the server did not come to rest",
}


_NAMED = 4
_MANY = 4096  # bytes: fewer may only wait for an acknowledgement that the kernel delays


@dataclass
class Known:
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
    still = _STILL[look.still] if look.running or drawing.cast.datagram else "the server is gone"
    if not drawing.cast.observed and not look.processes:
        still = "a pause"
    share = f", {look.share:.0%} of the time on a processor" if look.still == "spinning" else ""
    drawing.rows.append(Band("look", plain(f"{still}{share}{label}"), step=event.step))
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


def _processes(drawing: Drawing, look: Snapshot) -> None:
    known = drawing.known
    born = [entry.pid for entry in look.processes if entry.pid not in known.live | known.zombies]
    lanes = tuple(child(pid) for pid in born if pid in drawing.cast.children)
    if lanes:
        drawing.mark(lanes, "forked", "was forked" if len(lanes) == 1 else f"{len(lanes)} were forked")
    dead = tuple(child(pid) for pid in look.zombies if pid not in known.zombies and pid in drawing.cast.children)
    if dead:
        bad = any(pid in drawing.fault.pids for pid in look.zombies)
        drawing.mark(dead, "zombie", "zombie: ended, not waited for" if len(dead) == 1 else
                     f"{len(dead)} zombies: ended, not waited for", bad=bad)  # fmt: skip
    gone = known.live - set(look.live) - set(look.zombies)
    left = tuple(child(pid) for pid in sorted(gone) if pid in drawing.cast.children)
    if left:
        drawing.mark(left, "gone", "ended and reaped")
    reaped = tuple(child(pid) for pid in sorted(known.zombies - set(look.zombies)) if pid in drawing.cast.children)
    if reaped:
        drawing.mark(reaped, "gone", "reaped")


def _queue(drawing: Drawing, look: Snapshot) -> None:
    if drawing.cast.wire != KERNEL:
        return
    if look.listener is not None and look.listener.depth:
        waiting = [s.client for s in look.connections if not s.accepted and s.state in ("ESTABLISHED", "CLOSE_WAIT")]
        who = f": {', '.join(waiting[:4])}{' …' if len(waiting) > 4 else ''}" if waiting else ""
        words = f"{look.listener.depth} in the accept queue{who}"
        bad = "accept queue" in drawing.fault.got or any(drawing.fault.blames(name) for name in waiting)
        drawing.mark(KERNEL, "full" if look.listener.full else "queue", words,
                     f"backlog {look.listener.backlog}", bad=bad)  # fmt: skip
    elif look.listener is None and look.running:
        drawing.mark(KERNEL, "queue", "nobody listens", bad="listening socket" in drawing.fault.got)
    stuck: dict[tuple[bool, str], list[str]] = {}
    for side in look.connections:
        if state := _stuck(side):
            bad = side.client in drawing.fault.named and not drawing.fault.bytes
            stuck.setdefault((bad, state), []).append(side.client)
    for (bad, state), names in stuck.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        drawing.mark(KERNEL, "unread", f"{', '.join(names[:_NAMED])}{more}: {state}", bad=bad)


def _stuck(side: ClientSide) -> str:
    """What lies in the buffers of one connection, or what it waits for."""
    if side.unread and side.accepted:
        return f"{side.unread} byte{'' if side.unread == 1 else 's'} not read"
    if side.state == "CLOSE_WAIT" and side.accepted:
        return "its FIN has come, the server has not closed"
    if side.unsent >= _MANY:
        return f"{side.unsent} bytes wait until it reads"
    return ""


def _ports(drawing: Drawing, look: Snapshot) -> None:
    """Another port than the one that was asked for; an address or a backlog that is the fault."""
    if look.asked_port and look.ports and look.asked_port not in look.ports:
        there = ", ".join(map(str, look.ports[:4]))
        drawing.mark(SERVER, "started", f"listens on port {there}, not on {look.asked_port}", bad=drawing.fault.found)
    if look.listener is not None and look.listener.address in set(drawing.fault.got.split()):
        drawing.mark(KERNEL, "queue", f"listens on {look.listener.address} alone", bad=True)
    if "backlog" in drawing.fault.got and look.listener is not None:
        words = f"room for {look.listener.backlog} in the accept queue"
        drawing.mark(KERNEL, "queue", words, "backlog of listen()", bad=True)


def _holders(drawing: Drawing, look: Snapshot) -> None:
    """A connection that several processes have open, and a child that has the listening socket, where that is asked."""
    got, cast = drawing.fault.got, drawing.cast
    for side in look.connections:
        pids = tuple(dict.fromkeys(pid for pid, _ in side.holders))
        if len(pids) > 1:
            lanes = tuple(cast.lane_of(pid) for pid in pids)
            numbers = ", ".join(f"descriptor {number}" for number in sorted({n for _, n in side.holders}))
            drawing.mark(lanes, "holds", f"both have {side.client}'s connection open", numbers,
                         bad=drawing.fault.blames(side.client) or "connection" in got)  # fmt: skip
    if "listening socket open" in got:
        holding = tuple(child(pid) for pid in look.listener_holders if pid in cast.children)
        if holding:
            drawing.mark(holding, "holds", "has the listening socket open as well", bad=True)


def _descriptors(drawing: Drawing, look: Snapshot) -> None:
    """How many descriptors a process has open, when that has changed and descriptors are what is asked about."""
    for pid, count in look.descriptors:
        before = drawing.known.descriptors.get(pid)
        if before is not None and before != count and pid in (look.main, *drawing.fault.pids):
            bad = (
                pid in drawing.fault.pids and count > before and any("descriptor" in s for s in drawing.fault.sentences)
            )
            drawing.mark(
                drawing.cast.lane_of(pid), "descriptors", f"{count} descriptors open (before: {before})", bad=bad
            )
        drawing.known.descriptors[pid] = count


def _threads(drawing: Drawing, look: Snapshot) -> None:
    """How many threads a process has, when that has changed and threads are what is asked about."""
    for entry in look.processes:
        before = drawing.known.threads.get(entry.pid)
        drawing.known.threads[entry.pid] = entry.threads
        if before not in (None, entry.threads) and "threads" in drawing.fault.got:
            words = f"{entry.threads} threads (before: {before})"
            drawing.mark(drawing.cast.lane_of(entry.pid), "threads", words, bad=entry.threads > (before or 0))
