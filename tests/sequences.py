"""Transcripts made by hand for the tests of diagrams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gatecrash.language import stated
from gatecrash.model.blocked import BlockedTask, Descriptor
from gatecrash.model.facts import Facts
from gatecrash.model.processes import ProcessEntry
from gatecrash.model.scenario import Close, Connect, Receive, Scenario, Send, Settle, Step, scenario
from gatecrash.model.sockets import Listener
from gatecrash.model.transcript import (
    ClientSide,
    Connected,
    Event,
    Got,
    Looked,
    Sent,
    Silent,
    Snapshot,
    Still,
    Transcript,
)
from gatecrash.model.verdicts import Finding

PARENT = BlockedTask(7, 7, "server", "blocked", "accept", Descriptor(3, "socket"))
CHILD = BlockedTask(9, 9, "server", "blocked", "recvfrom", Descriptor(4, "socket"))

#: Everything a terminal, a page or a reader could be fooled with.
HOSTILE = (
    "\x1b[31mred\x1b]0;title\x07</script><img src=x onerror=alert(1)>&amp;]]>"
    "\u202egnirts\u2066\u200b\x00\ud800\x7f\x9b2J"
)
HOSTILE_BYTES = HOSTILE.encode("utf-8", "surrogatepass")

#: A step, and the events that came of it.
Part = tuple[Step, Sequence[Event]]


def look(
    *,
    zombies: Sequence[int] = (),
    children: Sequence[int] = (),
    where: Sequence[BlockedTask] = (PARENT,),
    connections: Sequence[ClientSide] = (),
    depth: int = 0,
    running: bool = True,
    still: Still = "quiet",
    descriptors: int = 4,
) -> Snapshot:
    """What a look sees of a server whose first process is 7."""
    alive = [ProcessEntry(pid, 1 if pid == 7 else 7, "S", "server", 1, 0, 0, 0) for pid in (7, *children)]
    dead = [ProcessEntry(pid, 7, "Z", "server", 1, 0, 0, 0) for pid in zombies]
    return Snapshot(
        still=still,
        running=running,
        main=7,
        processes=(*alive, *dead) if running else (),
        tasks=(),
        listener=Listener(1, 2, "127.0.0.1", 9157, depth, 5) if running else None,
        listener_holders=(7,),
        descriptors=((7, descriptors),),
        connections=tuple(connections),
        where=tuple(where),
        opened=((7, ((3, "socket:[1]"),)),),
    )


def transcript(*parts: Part) -> Transcript:
    """Steps, each with what came of it; the events' step numbers are set here."""
    events = [replace(event, step=number) for number, (_, came) in enumerate(parts) for event in came]
    return Transcript(scenario(*(step for step, _ in parts)), tuple(events))


def asked(client: str, answer: bytes | None, *, where: Sequence[BlockedTask] = (PARENT,)) -> list[Part]:
    """A client that connects, asks, gets this answer (None: proven silence) and closes."""
    came: Event = Silent(0, client, True, "quiet", tuple(where)) if answer is None else Got(0, client, answer)
    return [
        (Connect(client), [Connected(0, client)]),
        (Send(client, b"GET / HTTP/1.1\r\n\r\n"), [Sent(0, client, b"GET / HTTP/1.1\r\n\r\n", True, 18)]),
        (Receive(client), [came]),
        (Close(client), []),
    ]


#: A fork server that never waits: two clients, and a zombie for each.
ZOMBIES = transcript(
    *asked("A", b"one"), *asked("B", b"two"), (Settle("twice"), [Looked(0, "twice", look(zombies=(8, 9)))])
)
ZOMBIES_FOUND = Finding(
    "FORK-02",
    "no zombie",
    "2 zombies after all of them",
    ("zombies: 8, 9", stated("process {pid} ({name})", pid=7, name="server")),
    facts=Facts(processes=(8, 9)),
)

#: The second client is never served.
UNSERVED = transcript(*asked("A", b"one"), *asked("B", None))
UNSERVED_FOUND = Finding("ACC-01", "B is served", stated("{client} got not a byte", client="B"), (PARENT,))


def flood(clients: int) -> Transcript:
    """So many clients that connect and ask at once, the last of whom is not served."""
    names = [f"C{number}" for number in range(clients)]
    parts = [part for name in names for part in asked(name, None if name == names[-1] else b"an answer")]
    return transcript(*parts)


def hostile(words: str = HOSTILE) -> tuple[Transcript, Finding]:
    """A transcript in which every name, every stranger's text and all bytes are meant to do harm."""
    task = BlockedTask(7, 7, words, "blocked", words, Descriptor(3, words), (Descriptor(4, words),))
    parts = [*asked(words, HOSTILE_BYTES * 50), *asked("B", None, where=(task,))]
    steps: list[Part] = [
        *parts,
        (Settle(words), [Looked(0, words, look(where=(task,)))]),
    ]
    return transcript(*steps), Finding("ACC-01", words, f"B got {words}", (task, words))


def nothing() -> Transcript:
    """A scenario of which nothing was seen."""
    return Transcript(Scenario(()), ())
