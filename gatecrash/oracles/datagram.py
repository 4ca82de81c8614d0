"""A UDP echo: each datagram has an answer of its own. What the kernel dropped is never held against the server."""

from __future__ import annotations

from dataclasses import replace

from gatecrash.language import joined, marked, stated
from gatecrash.model.complaints import complaints
from gatecrash.model.facts import Facts
from gatecrash.model.scenario import ReceiveDatagrams, SendDatagram
from gatecrash.model.transcript import DatagramsDropped, Got, Sent, Transcript
from gatecrash.model.verdicts import Case, Difference, Evidence, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.seen import of_all, unfinished
from gatecrash.oracles.service import how_it_ended, its_words
from gatecrash.oracles.unseen import affair_of, never_made, not_served_first
from gatecrash.protocols import datagram
from gatecrash.text import shown, size_of

_LESS_IS_PROMISED = marked("if your course asks for less, write max_datagram under [udp] in gatecrash.toml")
_TELLING = 8  # bytes that, found again, are no coincidence
_SEVERAL = 2  # clients: one alone has nobody to be mixed up with
_UNANSWERED = NotExercised(stated("no client has sent a datagram and got an answer"))
_DROPPED = NotExercised(stated("the kernel dropped datagrams, so nothing is said of a missing answer"))


@oracle("DGRAM-01")
def datagram_comes_back_unchanged(case: Case) -> Ruling:
    """An answer is missing, or is not what was sent."""
    return _all_exact(case, "DGRAM-01", stated("the datagram comes back with the same bytes and the same length"))


@oracle("DGRAM-02")
def answer_goes_to_the_sender(case: Case) -> Ruling:
    """A client got what another one had sent, and it has not. It takes two, and an answer to everything they sent."""
    transcript = case.transcript
    for client in transcript.scenario.clients:
        own = _sent(transcript, client)
        for came in transcript.datagrams(client):
            others = [name for name in transcript.scenario.clients if came and came in _sent(transcript, name)]
            if came not in own and others:
                got = stated(
                    "{client} got {came}, which {others} had sent", client=client, came=shown(came), others=others[0]
                )
                return Finding(
                    "DGRAM-02",
                    stated("each answer goes to the client that sent the datagram"),
                    got,
                    facts=Facts(datagram=came),
                )
    senders = _senders(transcript)
    if len(senders) < _SEVERAL:
        return NotExercised(stated("fewer than two clients sent datagrams"))
    return next((unseen for name in senders if (unseen := _unlike(transcript, name)) is not None), Held())


@oracle("DGRAM-03")
def empty_datagram_is_a_datagram(case: Case) -> Ruling:
    """An empty datagram has no empty answer, or the server answers no more after it.

    Where an earlier empty one was answered, and another datagram after it, what is missing later is not for its length.
    """
    ruling = _all_exact(
        case, "DGRAM-03", stated("an empty datagram is answered by an empty one, and the server goes on")
    )
    lost = isinstance(ruling, Finding) and ruling.difference is None and case.transcript.server_ended is None
    if lost and _empty_one_was_served(case.transcript):
        return affair_of("DGRAM-07", stated("an empty datagram was answered, and a later one was not"))
    sent = [event.data for event in case.transcript.events if isinstance(event, Sent)]
    if isinstance(ruling, Held) and not any(sent[sent.index(b"") + 1 :] if b"" in sent else ()):
        return NotExercised(stated("no empty datagram was sent with another one behind it"))
    return ruling


def _empty_one_was_served(transcript: Transcript) -> bool:
    answers = [event.data for event in transcript.events if isinstance(event, Got)]
    return b"" in answers[:-1]


@oracle("DGRAM-04")
def large_datagram_comes_back_whole(case: Case) -> Ruling:
    """The answer to a large datagram is missing, or not the whole of it."""
    ruling = _all_exact(case, "DGRAM-04", stated("a datagram of any size comes back whole"))
    if not isinstance(ruling, Finding):
        return ruling
    if not _may_be_cut(case, ruling):
        return ruling
    return replace(ruling, evidence=(*ruling.evidence, stated(_LESS_IS_PROMISED)))


def _may_be_cut(case: Case, finding: Finding) -> bool:
    """Whether a buffer that is smaller explains it: the start came back, or nothing, of a server that is well."""
    if case.transcript.server_ended is not None or complaints(case.transcript.output):
        return False
    different = finding.difference
    return different is None or different.expected.startswith(different.got)


@oracle("DGRAM-05")
def short_datagram_stands_alone(case: Case) -> Ruling:
    """Behind the bytes of a short datagram came bytes of one sent before, which has to be longer."""
    earlier, longest, last = b"", 0, ""
    for step in case.transcript.scenario.steps:
        if not isinstance(step, SendDatagram) or step.data not in _sent(case.transcript, step.client):
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
                    "exactly {size} in return, and nothing of an earlier datagram behind", size=size_of(step.data)
                )
                return Finding("DGRAM-05", expected, got, difference=Difference(step.data, came, len(step.data)))
        last = step.client if len(step.data) < longest else last
        earlier, longest = earlier + step.data, max(longest, len(step.data))
    if not last:
        return NotExercised(stated("no datagram came after a longer one"))
    return _unlike(case.transcript, last) or Held()


@oracle("DGRAM-06")
def answer_comes_from_the_port_asked(case: Case) -> Ruling:
    """The source of an answer is another port than the one the datagram was sent to."""
    asked = {e.port for e in case.transcript.events if isinstance(e, Sent) and e.port is not None}
    answers = [e for e in case.transcript.events if isinstance(e, Got) and e.source_port is not None]
    for event in answers:
        if event.source_port not in asked:
            got = stated(
                "{client} got an answer from port {source_port}", client=event.client, source_port=event.source_port
            )
            ports = joined(map(str, sorted(asked)), stated(" or "))
            dropped = stated("a client with a connected socket, a firewall or NAT would have dropped it")
            return Finding(
                "DGRAM-06",
                stated("the answer comes from port {ports}", ports=ports),
                got,
                (dropped,),
                facts=Facts(port=event.source_port),
            )
    return Held() if answers else _UNANSWERED


@oracle("DGRAM-07")
def each_datagram_has_one_answer(case: Case) -> Ruling:
    """The number of answers is not the number of datagrams, when no more can come; what is in them is not asked."""
    transcript = case.transcript

    def judged(client: str) -> Ruling:
        sent, came = _sent(transcript, client), transcript.datagrams(client)
        if len(came) == len(sent):
            return unfinished(transcript, client) or Held()
        if len(came) < len(sent) and _dropped(transcript):
            return _DROPPED
        got = stated(
            "{client} sent {count} datagrams and got {answers}: {listed}",
            client=client,
            count=len(sent),
            answers=len(came),
            listed=_listed(came),
        )
        if len(came) > len(sent):
            return Finding("DGRAM-07", stated("one answer to each datagram"), got)
        return _unanswered(case, client, "DGRAM-07", stated("one answer to each datagram"), got)

    came = (name for name in transcript.scenario.clients if _sent(transcript, name) or transcript.datagrams(name))
    return of_all(map(judged, came), _UNANSWERED)


@oracle("DGRAM-08")
def failed_call_is_survived(case: Case) -> Ruling:
    """After a receive or a send has failed, the last client is not answered. The failure may cost the one before."""
    transcript = case.transcript
    failed = [call for call in transcript.calls if call.outcome.kind == "failed"]
    if not failed:
        return never_made("send")
    client = next(reversed(_senders(transcript)), None)
    if client is None or client != transcript.scenario.clients[-1]:
        return _UNANSWERED
    if transcript.datagrams(client):
        return Held()
    if _dropped(transcript):
        return _DROPPED
    what = stated("{name} failed with {error}", name=failed[0].name, error=failed[0].outcome.errno)
    return _unanswered(
        case,
        client,
        "DGRAM-08",
        stated("a later datagram is answered although {what}", what=what),
        stated("after {what} there was no answer for {client}", what=what, client=client),
    )


@oracle("DGRAM-09")
def second_sender_is_served(case: Case) -> Ruling:
    """The first client was answered, and a later one was not."""
    transcript, senders = case.transcript, _senders(case.transcript)
    if len(senders) < _SEVERAL:
        return NotExercised(stated("fewer than two clients sent datagrams"))
    first, *later = senders
    if not transcript.datagrams(first):
        return not_served_first(first)

    def judged(client: str) -> Ruling:
        if transcript.datagrams(client):
            return Held()
        if _dropped(transcript):
            return _DROPPED
        return _unanswered(
            case,
            client,
            "DGRAM-09",
            stated("a second client is answered like the first"),
            stated("{first} was answered, and there was no answer for {client}", first=first, client=client),
        )

    return of_all(map(judged, later), _UNANSWERED)


# -- what came, against what was sent -------------------------------------------------------------------------------


def _sent(transcript: Transcript, client: str) -> tuple[bytes, ...]:
    return tuple(e.data for e in transcript.of(client) if isinstance(e, Sent))


def _dropped(transcript: Transcript) -> bool:
    return any(isinstance(e, DatagramsDropped) for e in transcript.events)


def _listed(datagrams: tuple[bytes, ...]) -> str:
    return ", ".join(shown(data) for data in datagrams[:6]) or stated("nothing")


def _senders(transcript: Transcript) -> tuple[str, ...]:
    """The clients that have sent a datagram, in order of appearance."""
    return tuple(name for name in transcript.scenario.clients if _sent(transcript, name))


def _all_exact(case: Case, rule: str, expected: str) -> Ruling:
    """Held where somebody got an answer, and everybody exactly what they had sent."""
    judged = (_exact(case, name, rule, expected) for name in case.transcript.scenario.clients)
    return of_all((ruling for ruling in judged if ruling is not None), _UNANSWERED)


def _exact(case: Case, client: str, rule: str, expected: str) -> Ruling | None:
    """None for a client that neither sent nor got anything, or has not waited for its answer."""
    transcript = case.transcript
    sent, came = _sent(transcript, client), transcript.datagrams(client)
    different = datagram.difference(sent, came)
    if different is None:
        return Held() if came else None
    got = joined((client, different.line()), ": ")
    if different.kind != "missing":
        return Finding(rule, expected, got, difference=_place(different))
    if not _reads(transcript, client):
        return None
    return _DROPPED if _dropped(transcript) else _unanswered(case, client, rule, expected, got)


def _unlike(transcript: Transcript, client: str) -> NotExercised | None:
    """Why what came back to this client says nothing, when it is not what it sent: that is another rule's affair."""
    sent, came = _sent(transcript, client), transcript.datagrams(client)
    if datagram.difference(sent, came) is None:
        return None
    if len(came) >= len(sent):
        return affair_of("DGRAM-01", stated("{client} got other bytes than it sent", client=client))
    if _dropped(transcript):
        return _DROPPED
    return affair_of("DGRAM-07", stated("not everything came back to {client}", client=client))


def _reads(transcript: Transcript, client: str) -> bool:
    return any(isinstance(step, ReceiveDatagrams) and step.client == client for step in transcript.scenario.steps)


def _place(different: datagram.DatagramDifference) -> Difference | None:
    if different.detail is None or different.expected is None or different.got is None:
        return None
    return Difference(different.expected, different.got, different.detail.offset)


def _unanswered(case: Case, client: str, rule: str, expected: str, got: str) -> Finding:
    """A missing answer: a fact when the server has gone or its silence was proven. Says whom it is connected to."""
    transcript, silence = case.transcript, case.transcript.silence(client)
    evidence: list[Evidence] = [*silence.where] if silence is not None else []
    if transcript.server_ended is not None:
        got = joined((got, how_it_ended(transcript.server_ended)), "; ")
    evidence += its_words(transcript)
    peers = [e.snapshot.datagram.peer for e in transcript.looks() if e.snapshot.datagram is not None]
    if peers and peers[-1] is not None:
        evidence.append(
            stated("its socket is connected to port {peers}: it hears nobody else (connect(2))", peers=peers[-1][1])
        )
    proven = transcript.server_ended is not None or (silence is not None and silence.proven)
    return Finding(rule, expected, got, tuple(evidence), conclusive=proven)
