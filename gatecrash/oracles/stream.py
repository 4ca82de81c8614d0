"""A TCP echo: what comes back, against what was sent. Silence counts when it is proven, an end always."""

from __future__ import annotations

from dataclasses import replace

from gatecrash.language import joined, marked, stated
from gatecrash.oracles import oracle
from gatecrash.oracles.service import askers, how_it_ended
from gatecrash.protocols import echo
from gatecrash.scenario import HalfClose, Send
from gatecrash.text import last_words, size_of
from gatecrash.transcript import ClientSide, Transcript
from gatecrash.verdicts import Case, Difference, Finding

_LINES = marked(
    "what is missing is a line that has not ended; if your course asks for an echo of lines, write "
    'echo = "lines" under [contract] in gatecrash.toml'
)
_NO_COINCIDENCE = 3  # bytes: words of the server's own have one or two of anybody's
_TELLING = 8  # bytes that, found again, are no coincidence


@oracle("STREAM-01")
def something_comes_back(case: Case) -> Finding | None:
    """Not one byte came back to a client that has sent some."""
    for client in _senders(case):
        if not case.transcript.received(client):
            got = stated(
                "not a byte came back to {client}{ended}",
                client=client,
                ended=_how_it_ended(case.transcript, client),
            )
            return _finding(case, client, "STREAM-01", stated("the bytes that were sent come back"), got)
    return None


@oracle("STREAM-02")
def bytes_come_back_unchanged(case: Case) -> Finding | None:
    """What came back differs in any way from what was sent."""
    return _first_difference(case, "STREAM-02", stated("exactly the bytes that were sent come back"))


@oracle("STREAM-03")
def nothing_is_waited_for(case: Case) -> Finding | None:
    """Fewer bytes came back than were sent, whatever they are."""
    return _first_missing(case, "STREAM-03", stated("every byte comes back without the server waiting for more"))


@oracle("STREAM-04")
def pending_bytes_survive_half_close(case: Case) -> Finding | None:
    """Fewer bytes came back than a client had sent when it half-closed."""
    return _first_missing(case, "STREAM-04", stated("everything sent before a half-close still comes back"))


@oracle("STREAM-05")
def large_data_goes_through(case: Case) -> Finding | None:
    """What came back of a large transfer differs from what was sent."""
    return _first_difference(case, "STREAM-05", stated("all bytes of a large transfer come back, in order"))


@oracle("STREAM-06")
def finished_connection_is_closed(case: Case) -> Finding | None:
    """Everything sleeps, and the server still has a connection open whose client has finished and got everything."""
    look = case.transcript.look("finished")
    if look is None or look.still not in ("quiet", "resting"):
        return None
    for client in _finished(case.transcript):
        side = look.connection(client)
        if side is not None and _forgotten(side) and _got_all(case.transcript, client):
            got = stated(
                "{client} has finished, and the server still has the connection open ({state})",
                client=client,
                state=side.state,
            )
            evidence = (*_holders(side), *look.where)
            return Finding(
                "STREAM-06", stated("the server closes the connection"), got, evidence, conclusive=look.still == "quiet"
            )
    return None


@oracle("STREAM-07")
def short_write_is_continued(case: Case) -> Finding | None:
    """Some send took fewer bytes than it was given, and the rest did not follow.

    A server with edge-triggered epoll may wait for the next event after that (epoll(7)), so the scenario gives it
    one after each: another message.
    """
    shortened = [call for call in case.transcript.calls if call.outcome.startswith("shortened")]
    if not shortened:
        return None
    finding = _first_difference(case, "STREAM-07", stated("the rest follows, from where a short write stopped"))
    if finding is None:
        return None
    took = stated(
        "{name} of process {tid} took only {taken} bytes",
        name=shortened[0].name,
        tid=shortened[0].tid,
        taken=shortened[0].outcome.split()[-1],
    )
    return Finding(
        finding.rule,
        finding.expected,
        finding.got,
        (took, *finding.evidence),
        finding.difference,
        finding.conclusive,
    )


@oracle("STREAM-08")
def short_message_stands_alone(case: Case) -> Finding | None:
    """Behind what a client sent came bytes of what somebody had sent before."""
    earlier = b""
    for client in case.transcript.scenario.clients:
        sent = case.transcript.sent.get(client, b"")
        earlier += sent
        different = echo.difference(sent, case.transcript.received(client))
        if different is None or different.kind != "extra":
            continue
        head = different.got[:_TELLING]
        if head in earlier:
            expected = stated("{size} come back, and nothing of an earlier message behind them", size=size_of(sent))
            got = stated(
                "behind them {client} got {size} of an earlier message", client=client, size=size_of(different.got)
            )
            return Finding("STREAM-08", expected, got, difference=_shown_at(case, client, different.offset))
    return None


@oracle("STREAM-09")
def clients_are_kept_apart(case: Case) -> Finding | None:
    """A client got bytes that it has not sent, and another one has."""
    transcript = case.transcript
    for client in _senders(case):
        own = frozenset(transcript.sent[client])
        for offset, byte in enumerate(transcript.received(client)):
            came = transcript.received(client)[offset : offset + _NO_COINCIDENCE]
            others = [name for name, sent in transcript.sent.items() if came in sent]
            if byte not in own and others:
                got = stated(
                    "byte {offset} of what {client} got is one that {others} had sent",
                    offset=offset,
                    client=client,
                    others=others[0],
                )
                expected = stated("each client gets its own bytes and nobody else's")
                return Finding("STREAM-09", expected, got, difference=_shown_at(case, client, offset))
    return None


@oracle("STREAM-10")
def everybody_gets_their_own(case: Case) -> Finding | None:
    """One of many clients neither got its bytes back nor was turned away before it got any."""
    transcript = case.transcript
    for client in askers(case):
        turned_away = transcript.end(client) is not None and not transcript.received(client)
        if not transcript.connected(client) or (turned_away and transcript.server_ended is None):
            continue
        finding = _difference(case, client, "STREAM-10", stated("each of the clients gets its own bytes back"))
        if finding is not None:
            return finding
    return None


@oracle("STREAM-11")
def echo_goes_on(case: Case) -> Finding | None:
    """Something came back at first, but not a byte of the client's last message."""
    transcript = case.transcript
    for client in _senders(case):
        last = [s for s in transcript.scenario.steps if isinstance(s, Send) and s.client == client][-1]
        before = len(transcript.scenario.sent_by(client)) - len(last.data)
        received = transcript.received(client)
        if before and received and len(received) <= before:
            got = stated(
                "after {size} nothing more came back{ended}",
                size=size_of(received),
                ended=_how_it_ended(transcript, client),
            )
            return _finding(case, client, "STREAM-11", stated("every message of a connection comes back"), got)
    return None


# -- what came, against what was sent -------------------------------------------------------------------------------


def _senders(case: Case) -> tuple[str, ...]:
    """The clients that have sent bytes and read."""
    return tuple(client for client in askers(case) if case.transcript.sent.get(client))


def _first_difference(case: Case, rule: str, expected: str) -> Finding | None:
    return next((f for name in _senders(case) if (f := _difference(case, name, rule, expected)) is not None), None)


def _first_missing(case: Case, rule: str, expected: str) -> Finding | None:
    for client in _senders(case):
        sent, received = case.transcript.sent[client], case.transcript.received(client)
        if len(received) < len(sent):
            return _difference(case, client, rule, expected)
    return None


def _difference(case: Case, client: str, rule: str, expected: str) -> Finding | None:
    """How what `client` got differs from what it sent. Bytes still missing count only when no more can come."""
    different = echo.difference(case.transcript.sent.get(client, b""), case.transcript.received(client))
    if different is None:
        return None
    got = joined((client, different.line()), ": ")
    if different.kind != "missing":
        return Finding(rule, expected, got, difference=_shown_at(case, client, different.offset))
    got = joined((got, _how_it_ended(case.transcript, client)), "")
    finding = _finding(case, client, rule, expected, got, _shown_at(case, client, different.offset))
    return (
        replace(finding, evidence=(*finding.evidence, stated(_LINES))) if _waits_for_newline(case, client) else finding
    )


def _waits_for_newline(case: Case, client: str) -> bool:
    """Whether all that is missing is a line that has not ended, on a connection that is open.

    A server that has sent somebody an unfinished line back waits for no newline.
    """
    sent, received = case.transcript.sent[client], case.transcript.received(client)
    over = case.transcript.end(client) is not None or case.transcript.server_ended is not None
    answers = [case.transcript.received(other) for other in case.transcript.scenario.clients]
    by_lines = all(answer.endswith(b"\n") for answer in answers if answer)
    return case.contract.echo == "bytes" and not over and by_lines and received == sent[: sent.rfind(b"\n") + 1]


def _finding(
    case: Case, client: str, rule: str, expected: str, got: str, difference: Difference | None = None
) -> Finding:
    """A finding that something is missing: a fact once the connection or the server ended, else when proven."""
    transcript, silence = case.transcript, case.transcript.silence(client)
    ended = transcript.end(client) is not None or transcript.server_ended is not None
    evidence = list(silence.where) if silence is not None else []
    if transcript.server_ended is not None and transcript.output.strip():
        evidence.append(stated("its last words: {output}", output=last_words(transcript.output)))
    proven = ended or (silence is not None and silence.proven)
    return Finding(rule, expected, got, tuple(evidence), difference, proven)


def _shown_at(case: Case, client: str, offset: int) -> Difference:
    return Difference(case.transcript.sent.get(client, b""), case.transcript.received(client), offset)


def _how_it_ended(transcript: Transcript, client: str) -> str:
    end = {
        "FIN": stated(", then the connection was closed"),
        "RST": stated(", then the connection was reset"),
        None: "",
    }
    gone = joined(("", how_it_ended(transcript.server_ended)), "; ") if transcript.server_ended is not None else ""
    return joined((end[transcript.end(client)], gone), "")


# -- the end of a connection ----------------------------------------------------------------------------------------


def _finished(transcript: Transcript) -> tuple[str, ...]:
    return tuple(step.client for step in transcript.scenario.steps if isinstance(step, HalfClose))


def _forgotten(side: ClientSide) -> bool:
    """CLOSE_WAIT: the client's FIN is here, and the server's own close is what is missing (tcp(7))."""
    return side.state == "CLOSE_WAIT" and side.accepted and not side.unsent and not side.unread


def _got_all(transcript: Transcript, client: str) -> bool:
    return len(transcript.received(client)) >= len(transcript.sent.get(client, b""))


def _holders(side: ClientSide) -> tuple[str, ...]:
    return tuple(
        stated("process {pid} has it open as descriptor {descriptor}", pid=pid, descriptor=descriptor)
        for pid, descriptor in side.holders
    )
