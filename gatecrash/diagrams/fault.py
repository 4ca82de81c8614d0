"""Where the fault shows: the clients, bytes, processes and sentences that a finding blames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gatecrash.language import values_of
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.facts import NO_FACTS, Facts
from gatecrash.model.transcript import Got, Transcript
from gatecrash.model.verdicts import Difference, Finding

_DIGITS = 5  # of a port
_MOST_EVIDENCE = 60  # sentences
_PROCESSES = frozenset({"pid", "tid"})  # what sentences call a process, and its first thread


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
    #: The wrong byte's number as the finding counts it.
    offset: int | None = None
    #: The numbers that the finding's sentences give: among them are the ports that it is about.
    ports: frozenset[int] = frozenset()
    named: frozenset[str] = frozenset()
    facts: Facts = NO_FACTS

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
    values = [pair for text in _sentences(finding) for pair in values_of(text)]
    named = [value for _, value in values if value in transcript.scenario.clients]
    clients = set(named[:1])
    if not clients and len(transcript.scenario.clients) == 1:
        clients = set(transcript.scenario.clients)
    where, missing = _place(transcript, finding.difference, clients)
    owner = {transcript.events[index].client for index in where}  # type: ignore[attr-defined]  # a Got event
    pids = {value for name, value in values if name in _PROCESSES and isinstance(value, int)}
    pids |= {*finding.facts.processes, *(task.pid for task in finding.tasks)}
    return Fault(
        found=True,
        clients=frozenset(clients or owner),
        bytes=where,
        missing=frozenset(owner if missing else ()),
        pids=frozenset(pids),
        tasks=_culprits(finding.tasks),
        whole=_foreign(transcript, finding, clients),
        offset=None if finding.difference is None else finding.difference.offset,
        ports=_numbers(finding),
        named=frozenset(named),
        facts=finding.facts,
    )


def _sentences(finding: Finding) -> tuple[str, ...]:
    """What was got, and no more of the evidence than anybody reads."""
    return (finding.got, *(one for one in finding.evidence[:_MOST_EVIDENCE] if isinstance(one, str)))


def _numbers(finding: Finding) -> frozenset[int]:
    """The whole numbers among the values of what was expected and got, and of lists of them."""
    said = (values_of(finding.expected), values_of(finding.got))
    words = [word for pairs in said for _, value in pairs for word in str(value).replace(",", " ").split()]
    return frozenset(int(word) for word in words if len(word) <= _DIGITS and word.isascii() and word.isdigit())


def _culprits(tasks: tuple[BlockedTask, ...]) -> frozenset[BlockedTask]:
    """The tasks without those that wait in accept, as they should, where others do not."""
    busy = frozenset(task for task in tasks if not task.accepts)
    return busy or frozenset(tasks)


def _foreign(transcript: Transcript, finding: Finding, blamed: set[str]) -> frozenset[int]:
    """What a client got that is wrong as such, though not one byte of it is said to be: the datagram that
    is meant, or a whole answer that is another one.
    """
    if finding.difference is not None:
        return frozenset()
    return frozenset(
        index
        for index, event in enumerate(transcript.events)
        if isinstance(event, Got)
        and event.client in blamed
        and (finding.facts.about == "answer" if event.source_port is None else _is_it(event, finding.facts))
    )


def _is_it(event: Got, facts: Facts) -> bool:
    return event.data == facts.datagram or event.source_port == facts.port


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
