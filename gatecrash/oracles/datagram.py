"""A UDP echo: each datagram has an answer of its own. What the kernel dropped is never held against the server."""

from __future__ import annotations

from dataclasses import replace

from gatecrash.language import joined, marked, stated
from gatecrash.oracles import oracle
from gatecrash.oracles.service import how_it_ended
from gatecrash.protocols import datagram
from gatecrash.scenario import ReceiveDatagrams, SendDatagram
from gatecrash.text import last_words, shown, size_of
from gatecrash.transcript import DatagramsDropped, Got, Sent, Transcript
from gatecrash.verdicts import Case, Difference, Finding

_LESS_IS_PROMISED = marked("if your course asks for less, write max_datagram under [udp] in gatecrash.toml")
_TELLING = 8  # bytes that, found again, are no coincidence


@oracle("DGRAM-01")
def datagram_comes_back_unchanged(case: Case) -> Finding | None:
    """An answer is missing, or is not what was sent."""
    return _first_difference(
        case, "DGRAM-01", stated("the datagram comes back with the same bytes and the same length")
    )


@oracle("DGRAM-02")
def answer_goes_to_the_sender(case: Case) -> Finding | None:
    """A client got what another one had sent, and it has not."""
    transcript = case.transcript
    for client in transcript.scenario.clients:
        own = _sent(transcript, client)
        for came in transcript.datagrams(client):
            others = [name for name in transcript.scenario.clients if came and came in _sent(transcript, name)]
            if came not in own and others:
                got = stated(
                    "{client} got {came}, which {others} had sent", client=client, came=shown(came), others=others[0]
                )
                return Finding("DGRAM-02", stated("each answer goes to the client that sent the datagram"), got)
    return None


@oracle("DGRAM-03")
def empty_datagram_is_a_datagram(case: Case) -> Finding | None:
    """An empty datagram has no empty answer, or the server answers no more after it."""
    return _first_difference(
        case, "DGRAM-03", stated("an empty datagram is answered by an empty one, and the server goes on")
    )


@oracle("DGRAM-04")
def large_datagram_comes_back_whole(case: Case) -> Finding | None:
    """The answer to a large datagram is missing, or not the whole of it."""
    finding = _first_difference(case, "DGRAM-04", stated("a datagram of any size comes back whole"))
    return None if finding is None else replace(finding, evidence=(*finding.evidence, stated(_LESS_IS_PROMISED)))


@oracle("DGRAM-05")
def short_datagram_stands_alone(case: Case) -> Finding | None:
    """Behind the bytes of a short datagram came bytes of one sent before."""
    earlier = b""
    for step in case.transcript.scenario.steps:
        if not isinstance(step, SendDatagram):
            continue
        for came in case.transcript.datagrams(step.client):
            rest = came[len(step.data) :]
            if came.startswith(step.data) and rest and rest[:_TELLING] in earlier:
                got = stated(
                    "{client} got {size}: behind its own come {rest} of an earlier datagram",
                    client=step.client,
                    size=size_of(came),
                    rest=size_of(rest),
                )
                expected = stated(
                    "{size} come back, and nothing of an earlier datagram behind them", size=size_of(step.data)
                )
                return Finding("DGRAM-05", expected, got, difference=Difference(step.data, came, len(step.data)))
        earlier += step.data
    return None


@oracle("DGRAM-06")
def answer_comes_from_the_port_asked(case: Case) -> Finding | None:
    """The source of an answer is another port than the one the datagram was sent to."""
    asked = {e.port for e in case.transcript.events if isinstance(e, Sent) and e.port is not None}
    for event in case.transcript.events:
        if isinstance(event, Got) and event.source_port is not None and event.source_port not in asked:
            got = stated(
                "{client} got an answer from port {source_port}", client=event.client, source_port=event.source_port
            )
            ports = joined(map(str, sorted(asked)), stated(" or "))
            dropped = stated("a client with a connected socket, a firewall or NAT would have dropped it")
            return Finding("DGRAM-06", stated("the answer comes from port {ports}", ports=ports), got, (dropped,))
    return None


@oracle("DGRAM-07")
def each_datagram_has_one_answer(case: Case) -> Finding | None:
    """The number of answers is not the number of datagrams, when no more can come; what is in them is not asked."""
    transcript = case.transcript
    for client in transcript.scenario.clients:
        sent, came = _sent(transcript, client), transcript.datagrams(client)
        if len(came) < len(sent) and not _dropped(transcript):
            got = stated(
                "{client} sent {count} datagrams and got {answers}: {listed}",
                client=client,
                count=len(sent),
                answers=len(came),
                listed=_listed(came),
            )
            return _unanswered(case, client, "DGRAM-07", stated("one answer to each datagram"), got)
        if len(came) > len(sent):
            got = stated(
                "{client} sent {count} datagrams and got {answers}: {listed}",
                client=client,
                count=len(sent),
                answers=len(came),
                listed=_listed(came),
            )
            return Finding("DGRAM-07", stated("one answer to each datagram"), got)
    return None


@oracle("DGRAM-08")
def failed_call_is_survived(case: Case) -> Finding | None:
    """After a receive or a send has failed, the last client is not answered. The failure may cost the one before."""
    failed = [call for call in case.transcript.calls if call.outcome.startswith("failed")]
    client = case.transcript.scenario.clients[-1]
    if not failed or case.transcript.datagrams(client) or _dropped(case.transcript):
        return None
    what = stated("{name} failed with {error}", name=failed[0].name, error=failed[0].outcome.removeprefix("failed "))
    return _unanswered(
        case,
        client,
        "DGRAM-08",
        stated("a later datagram is answered although {what}", what=what),
        stated("after {what} there was no answer for {client}", what=what, client=client),
    )


@oracle("DGRAM-09")
def second_sender_is_served(case: Case) -> Finding | None:
    """The first client was answered, and a later one was not."""
    transcript = case.transcript
    first, *later = transcript.scenario.clients
    if not transcript.datagrams(first) or _dropped(transcript):
        return None
    for client in later:
        if not transcript.datagrams(client):
            return _unanswered(
                case,
                client,
                "DGRAM-09",
                stated("a second client is answered like the first"),
                stated("{first} was answered, and there was no answer for {client}", first=first, client=client),
            )
    return None


# -- what came, against what was sent -------------------------------------------------------------------------------


def _sent(transcript: Transcript, client: str) -> tuple[bytes, ...]:
    return tuple(e.data for e in transcript.of(client) if isinstance(e, Sent))


def _dropped(transcript: Transcript) -> bool:
    return any(isinstance(e, DatagramsDropped) for e in transcript.events)


def _listed(datagrams: tuple[bytes, ...]) -> str:
    return ", ".join(shown(data) for data in datagrams[:6]) or stated("nothing")


def _first_difference(case: Case, rule: str, expected: str) -> Finding | None:
    transcript = case.transcript
    for client in transcript.scenario.clients:
        came = transcript.datagrams(client)
        different = datagram.difference(_sent(transcript, client), came)
        if different is None:
            continue
        if different.kind == "missing" and (_dropped(transcript) or not _reads(transcript, client)):
            continue
        got = joined((client, different.line()), ": ")
        if different.kind == "missing":
            return _unanswered(case, client, rule, expected, got)
        return Finding(rule, expected, got, difference=_place(different))
    return None


def _reads(transcript: Transcript, client: str) -> bool:
    return any(isinstance(step, ReceiveDatagrams) and step.client == client for step in transcript.scenario.steps)


def _place(different: datagram.Difference) -> Difference | None:
    if different.detail is None or different.expected is None or different.got is None:
        return None
    return Difference(different.expected, different.got, different.detail.offset)


def _unanswered(case: Case, client: str, rule: str, expected: str, got: str) -> Finding:
    """A missing answer: a fact when the server has gone or its silence was proven. Says whom it is connected to."""
    transcript, silence = case.transcript, case.transcript.silence(client)
    evidence = list(silence.where) if silence is not None else []
    if transcript.server_ended is not None:
        got = joined((got, how_it_ended(transcript.server_ended)), "; ")
        evidence += (
            [stated("its last words: {output}", output=last_words(transcript.output))]
            if transcript.output.strip()
            else []
        )
    peers = [e.snapshot.datagram.peer for e in transcript.looks() if e.snapshot.datagram is not None]
    if peers and peers[-1] is not None:
        evidence.append(
            stated("its socket is connected to port {peers}: it hears nobody else (connect(2))", peers=peers[-1][1])
        )
    proven = transcript.server_ended is not None or (silence is not None and silence.proven)
    return Finding(rule, expected, got, tuple(evidence), conclusive=proven)
