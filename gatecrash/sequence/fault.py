"""Where the fault shows: the clients, bytes, processes and sentences that a finding blames."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gatecrash.transcript import Got, Transcript
from gatecrash.verdicts import Difference, Finding

_PROCESS = re.compile(r"\bprocess (\d+)")
_ZOMBIES = re.compile(r"\bzombies: ([\d, ]+)")


@dataclass(frozen=True)
class Fault:
    """What to highlight. `bytes`: the index of a Got event and the offset in it (its length: what should follow)."""

    found: bool = False
    clients: frozenset[str] = frozenset()
    bytes: Mapping[int, int] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    pids: frozenset[int] = frozenset()
    sentences: frozenset[str] = frozenset()
    got: str = ""

    def blames(self, client: str) -> bool:
        """Whether this client is the one that got something wrong."""
        return client in self.clients


def fault_of(transcript: Transcript, finding: Finding | None) -> Fault:
    """What the finding points at."""
    if finding is None:
        return Fault()
    clients = _named(transcript.scenario.clients, finding.got)
    clients = clients or _named(transcript.scenario.clients, "\n".join(finding.evidence))
    where, missing = _place(transcript, finding.difference, clients)
    owner = {transcript.events[index].client for index in where}  # type: ignore[attr-defined]  # a Got event
    words = "\n".join((finding.got, *finding.evidence))
    pids = {int(number) for number in _PROCESS.findall(words)}
    pids.update(int(n) for group in _ZOMBIES.findall(words) for n in group.split(",") if n.strip())
    return Fault(
        True,
        frozenset(clients or owner),
        where,
        frozenset(owner if missing else ()),
        frozenset(pids),
        frozenset(finding.evidence),
        finding.got,
    )


def _named(clients: tuple[str, ...], words: str) -> set[str]:
    """The client a sentence speaks of first, as "B got not a byte" or "A's connection"; none when it names nobody."""
    known = set(clients)
    for word in re.findall(r"(?<![\w\"'])([A-Z]+)(?='s\b|\b[:,]? )", words):
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
