"""How rows of a picture are made, whatever they show: marks on lanes, and arrows between them."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatecrash.diagrams.cast import KERNEL, SERVER, Cast, child, client
from gatecrash.diagrams.fault import Fault
from gatecrash.diagrams.labels import plain
from gatecrash.diagrams.model import Arrow, ArrowKind, Mark, MarkKind, Row
from gatecrash.diagrams.trace import Trace
from gatecrash.language import say
from gatecrash.model import transcript as seen
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.server_steps import Who


@dataclass
class SeenBefore:
    """What earlier looks have shown already."""

    doing: dict[str, str] = field(default_factory=dict)
    live: set[int] = field(default_factory=set)
    zombies: set[int] = field(default_factory=set)
    descriptors: dict[int, int] = field(default_factory=dict)
    threads: dict[int, int] = field(default_factory=dict)
    main: int | None = None

    def alive(self, cast: Cast, who: Who, serving: set[int] | None = None) -> tuple[str, ...]:
        """The lanes of the processes an act on `who` is about, as far as they are known."""
        pids = sorted(self.live - {self.main})
        of_them = (pid for pid in pids if who != "serving" or pid in (serving or set()))
        children = tuple(child(pid) for pid in of_them if pid in cast.children)  # another one may have been the first
        if who == "all":
            return (SERVER, *children)
        return children or (SERVER,)


class Canvas:
    """What is known so far, and the ways to make a row of it; `rows` is what was made."""

    def __init__(self, cast: Cast, fault: Fault, trace: Trace) -> None:
        self.cast = cast
        self.fault = fault
        self.trace = trace
        self.rows: list[Row] = []
        self.step_number = 0
        self.open: set[str] = set()
        self.accepted: set[str] = set()
        self.known = SeenBefore()
        self.held: tuple[str, ...] = ()
        self.frozen: tuple[str, ...] = ()
        self.dead = False
        self.missed: set[str] = set()
        self.printed = b""
        self.restarted = False
        self.last_look: seen.Looked | None = None

    # -- how rows are made --------------------------------------------------------------------------------------

    def mark(
        self, lanes: str | tuple[str, ...], kind: MarkKind, text: str, note: str = "", *, bad: bool = False
    ) -> None:
        """A mark on a lane, or on several."""
        keys = (lanes,) if isinstance(lanes, str) else lanes
        self.rows.append(Mark(keys, kind, plain(text), note, bad, self.step_number))

    def arrow(self, start: str, end: str, kind: ArrowKind, text: str, note: str = "", *, bad: bool = False) -> None:
        """An arrow that arrives."""
        self.rows.append(Arrow(start, end, kind, plain(text), note, bad=bad, step=self.step_number))

    def accept(self, name: str) -> None:
        """The connection has left the accept queue, as what follows shows."""
        if name in self.accepted or self.cast.wire != KERNEL or name not in self.open:
            return
        self.accepted.add(name)
        end = self.cast.server_of(name) if self.cast.prefork else SERVER
        if end == KERNEL:
            self.mark(KERNEL, "queue", say("{client} is accepted by one of the children", client=name))
        else:
            label, step = plain(f"accept {name}"), self.step_number
            self.rows.append(Arrow(KERNEL, end, "accept", label, step=step, whose=client(name)))

    def blocked(self, tasks: tuple[BlockedTask, ...], *, blamed: bool = False, spinning: bool = False) -> None:
        """What the server's tasks do, those that do the same in one mark; nothing that was said before."""
        doing: dict[tuple[str, bool, bool], list[str]] = {}
        for task in tasks:
            lane, said = self.cast.lane_of(task.pid), self.cast.in_words(task)
            running = task.state == "running"
            spins = spinning and running
            if spins:
                said = say("runs on and on, never sleeps")
            bad = (blamed or spins) and task in self.fault.tasks
            if self.known.doing.get(lane) != said or bad:
                doing.setdefault((said, running, bad), []).append(lane)
            self.known.doing[lane] = said
        for (said, running, bad), lanes in doing.items():
            kind: MarkKind = "spinning" if running and spinning else "blocked"
            self.mark(tuple(dict.fromkeys(lanes)), kind, said, bad=bad)
