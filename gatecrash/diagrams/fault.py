"""Where the fault shows: the clients, bytes, processes and sentences that a finding blames."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gatecrash.model.blocked import BlockedTask
from gatecrash.model.transcript import Got, Transcript
from gatecrash.model.verdicts import Difference, Finding
from gatecrash.text import shown

_MOST_EVIDENCE, _LONGEST = 60, 4000  # sentences, characters in one
_PROCESS = re.compile(r"\bprocess (\d+)")
_UNENDED = re.compile(r"\b(closed|reset|nothing more|stays open|bytes?)\b(?! of (?:body|a head))")
_WORD = re.compile(r"(?<![\w\"'])([A-Z]+\d*)(?='s\b|\b[:,]? )")
_ZOMBIES = re.compile(r"\bzombies: ([\d, ]+)")


@dataclass(frozen=True)
class Fault:
    """What to highlight. `bytes`: the index of a Got event and the offset in it (its length: what should follow).

    `whole`: datagrams that are wrong as such; `named`: every client the finding and its evidence speak of.
    """

    found: bool = False
    clients: frozenset[str] = frozenset()
    bytes: Mapping[int, int] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    pids: frozenset[int] = frozenset()
    tasks: frozenset[BlockedTask] = frozenset()
    whole: frozenset[int] = frozenset()
    named: frozenset[str] = frozenset()
    got: str = ""
    descriptors: bool = False

    def blames(self, client: str) -> bool:
        """Whether this client is the one that got something wrong."""
        return client in self.clients

    def elsewhere(self, client: str) -> bool:
        """Whether wrong bytes are the fault, and not what this client misses."""
        return bool(self.bytes or self.whole) and client not in self.missing


def fault_of(transcript: Transcript, finding: Finding | None) -> Fault:
    """What the finding points at."""
    if finding is None:
        return Fault()
    finding = _bounded(finding)
    clients = _named(transcript.scenario.clients, finding.got)
    words = "\n".join((finding.got, *finding.lines))
    clients = clients or _named(transcript.scenario.clients, words)
    if not clients and len(transcript.scenario.clients) == 1:
        clients = set(transcript.scenario.clients)
    where, missing = _place(transcript, finding.difference, clients)
    owner = {transcript.events[index].client for index in where}  # type: ignore[attr-defined]  # a Got event
    pids = {int(number) for number in _PROCESS.findall(words)}
    pids.update(int(n) for group in _ZOMBIES.findall(words) for n in group.split(",") if n.strip())
    return Fault(
        found=True,
        clients=frozenset(clients or owner),
        bytes=where,
        missing=frozenset(owner if missing else ()),
        pids=frozenset(pids),
        tasks=_culprits(finding.tasks),
        whole=_foreign(transcript, finding, clients),
        named=frozenset(name for name in transcript.scenario.clients if name in set(_WORD.findall(words))),
        got=finding.got,
        descriptors=any("descriptor" in line for line in finding.lines),
    )


def _bounded(finding: Finding) -> Finding:
    """The finding with no more words than anybody reads: each sentence is looked for in each event."""
    bounded = (one[:_LONGEST] if isinstance(one, str) else one for one in finding.evidence[:_MOST_EVIDENCE])
    return replace(finding, expected=finding.expected[:_LONGEST], got=finding.got[:_LONGEST], evidence=tuple(bounded))


def _culprits(tasks: tuple[BlockedTask, ...]) -> frozenset[BlockedTask]:
    """The tasks without those that wait in accept, as they should, where others do not."""
    busy = frozenset(task for task in tasks if not task.accepts)
    return busy or frozenset(tasks)


def _foreign(transcript: Transcript, finding: Finding, blamed: set[str]) -> frozenset[int]:
    """What a client got that is wrong as such, though not one byte of it is said to be: a datagram that the finding
    quotes, an answer whose status it tells and that ended as answers end.
    """
    if finding.difference is not None:
        return frozenset()
    other_answer = "status " in finding.got and not _UNENDED.search(finding.got)
    return frozenset(
        index
        for index, event in enumerate(transcript.events)
        if isinstance(event, Got)
        and event.client in blamed
        and (other_answer if event.source_port is None else _quoted(event, finding.got))
    )


def _quoted(event: Got, got: str) -> bool:
    return f"got {shown(event.data)}" in got or f"from port {event.source_port}" in got


def _named(clients: tuple[str, ...], words: str) -> set[str]:
    """The client a sentence speaks of first, as "B got not a byte" or "A's connection"; none when it names nobody."""
    known = set(clients)
    for word in _WORD.findall(words):
        if word in known:
            return {word}
    return set()


def _place(transcript: Transcript, difference: Difference | None, blamed: set[str]) -> tuple[dict[int, int], bool]:
    """The Got event and the offset in it where the fault is, and whether bytes are missing there."""
    if difference is None:
        return {}, False
    clients = sorted(transcript.scenario.clients, key=lambda name: name not in blamed)
    missing = difference.offset >= len(difference.got)
    for name in clients:
        found = _whole_datagram(transcript, name, difference) if difference.got == b"" or _datagrams(transcript) else {}
        if found:
            return found, missing
        base = transcript.received(name).find(difference.got)
        if base >= 0 and difference.got:
            return _in_stream(transcript, name, base + difference.offset), missing
    return {}, False


def _datagrams(transcript: Transcript) -> bool:
    return any(isinstance(event, Got) and event.source_port is not None for event in transcript.events)


def _whole_datagram(transcript: Transcript, client: str, difference: Difference) -> dict[int, int]:
    for index, event in enumerate(transcript.events):
        if isinstance(event, Got) and event.client == client and event.data == difference.got:
            return {index: difference.offset}
    return {}


def _in_stream(transcript: Transcript, client: str, offset: int) -> dict[int, int]:
    """The piece that has the byte at `offset` of all that came; behind the last piece: its end."""
    last: dict[int, int] = {}
    for index, event in enumerate(transcript.events):
        if isinstance(event, Got) and event.client == client:
            if offset < len(event.data):
                return {index: offset}
            offset -= len(event.data)
            last = {index: len(event.data)}
    return last
