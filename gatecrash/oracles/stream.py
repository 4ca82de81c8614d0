"""A TCP echo: what comes back, against what was sent. Silence counts when it is proven, an end always."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

from gatecrash.language import stated
from gatecrash.model import labels
from gatecrash.model.scenario import HalfClose, Send
from gatecrash.model.transcript import ClientSide, NotSent, Transcript
from gatecrash.model.verdicts import Case, Evidence, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.came_back import and_then, difference, got_since, not_whole, shown_at
from gatecrash.oracles.late_end import ended_late
from gatecrash.oracles.seen import of_all, unfinished
from gatecrash.oracles.service import askers
from gatecrash.oracles.unseen import (
    affair_of,
    never_looked,
    never_made,
    never_still,
    nobody_came,
    not_all_sent,
    server_gone,
)
from gatecrash.protocols import echo
from gatecrash.text import size_of

_NO_COINCIDENCE = 3  # bytes: words of the server's own have one or two of anybody's
_TELLING = 8  # bytes that, found again, are no coincidence
_OF_ITS_OWN = 8  # bytes of what came, by which it is told from an echo
_SEVERAL = 2  # clients: one alone has nobody to be mixed up with


@oracle("STREAM-01")
def something_comes_back(case: Case) -> Ruling:
    """Not one byte came back to a client that has sent some, or was to: a reset may have kept it from that."""
    transcript = case.transcript

    def judged(client: str) -> Ruling:
        if transcript.received(client):
            return Held()
        got = stated("not a byte came back to {client}{ended}", client=client, ended=and_then(transcript, client))
        return not_whole(case, client, "STREAM-01", stated("the bytes that were sent come back"), got)

    talkers = (c for c in askers(case) if transcript.connected(c) and transcript.scenario.sent_by(c))
    return of_all(map(judged, talkers), _nobody(case))


@oracle("STREAM-02")
def bytes_come_back_unchanged(case: Case) -> Ruling:
    """What came back differs in any way from what was sent. That nothing else came shows when nothing more can."""
    expected = stated("exactly the bytes that were sent come back")
    return _of_each(case, lambda client: _exact_to_the_end(case, client, "STREAM-02", expected))


@oracle("STREAM-03")
def nothing_is_waited_for(case: Case) -> Ruling:
    """Fewer bytes came back than were sent, whatever they are."""
    expected = stated("every byte comes back without the server waiting for more")
    return _of_each(case, lambda client: _missing(case, client, "STREAM-03", expected) or _all_sent(case, client))


@oracle("STREAM-04")
def pending_bytes_survive_half_close(case: Case) -> Ruling:
    """Fewer bytes came back than a client had sent when it half-closed; some of them after that."""
    expected, finished = stated("everything sent before a half-close still comes back"), _finished(case.transcript)

    def judged(client: str) -> Ruling:
        missing = _missing(case, client, "STREAM-04", expected)
        if missing is not None:
            return missing
        if _refused_some(case.transcript, client):
            return not_all_sent(client)
        half_close = next((n for n, s in enumerate(case.transcript.scenario.steps) if s == HalfClose(client)), 0)
        if client not in finished or not got_since(case.transcript, client, half_close):
            return NotExercised(stated("nothing was pending when {client} half-closed", client=client))
        return Held()

    return _of_each(case, judged)


@oracle("STREAM-05")
def large_data_goes_through(case: Case) -> Ruling:
    """What came back of a large transfer differs from what was sent."""
    expected = stated("all bytes of a large transfer come back, in order")
    return _of_each(case, lambda client: _exact(case, client, "STREAM-05", expected))


@oracle("STREAM-06")
def finished_connection_is_closed(case: Case) -> Ruling:
    """Everything sleeps, and the server still has a connection open whose client has finished and got everything.

    Whoever saw the end of its connection needs no look; of one whose server has died nobody knows who closed it.
    """
    transcript = case.transcript
    if transcript.server_ended is not None:
        return server_gone(transcript)
    finished = (client for client in _finished(transcript) if transcript.connected(client))
    return of_all((_closed(transcript, client) for client in finished), nobody_came())


def _closed(transcript: Transcript, client: str) -> Ruling:
    if not _got_all(transcript, client):
        return _not_its_own(transcript, client)
    if transcript.end(client) is not None:
        stays = stated("{client} has finished, and got all, and the connection stays open", client=client)
        return ended_late("STREAM-06", transcript, client, stated("the server closes the connection"), stays) or Held()
    look = transcript.look(labels.FINISHED)
    if look is None:
        return never_looked(labels.FINISHED)
    if look.still not in ("quiet", "resting"):
        return never_still(look)
    side = look.connection(client)
    if side is None or not _forgotten(side):
        return NotExercised(stated("the kernel does not show that {client} has finished", client=client))
    got = stated(
        "{client} has finished, and the server still has the connection open ({state})",
        client=client,
        state=side.state,
    )
    evidence: tuple[Evidence, ...] = (*_holders(side), *look.where)
    return Finding(
        "STREAM-06", stated("the server closes the connection"), got, evidence, conclusive=look.still == "quiet"
    )


@oracle("STREAM-07")
def short_write_is_continued(case: Case) -> Ruling:
    """Some send took fewer bytes than it was given, and the rest did not follow.

    A server with edge-triggered epoll may wait for the next event after that (epoll(7)), so the scenario gives it
    one after each: another message. A server none of whose sends was really shortened was not put to the test.
    """
    shortened = [call for call in case.transcript.calls if call.outcome.kind == "shortened"]
    if not shortened:
        return never_made("send")
    expected = stated("the rest follows, from where a short write stopped")
    ruling = _of_each(case, lambda client: _exact_to_the_end(case, client, "STREAM-07", expected))
    if not isinstance(ruling, Finding):
        return ruling
    took = stated(
        "{name} of process {tid} took only {taken} of its bytes",
        name=shortened[0].name,
        tid=shortened[0].tid,
        taken=shortened[0].outcome.size or 0,
    )
    return replace(ruling, evidence=(took, *ruling.evidence))


@oracle("STREAM-08")
def short_message_stands_alone(case: Case) -> Ruling:
    """Behind what a client sent came bytes of what somebody had sent before."""
    transcript = case.transcript
    for client in transcript.scenario.clients:
        sent = transcript.sent.get(client, b"")
        different = echo.difference(sent, transcript.received(client))
        if different is None or different.kind != "extra":
            continue
        head = different.got[:_TELLING]
        telling = len(head) >= _NO_COINCIDENCE
        if telling and any(head in message for message in _before_the_last(transcript, client)):
            expected = stated("exactly {size} in return, and nothing of an earlier message behind", size=size_of(sent))
            got = stated(
                "behind them {client} got {size} of an earlier message", client=client, size=size_of(different.got)
            )
            return Finding("STREAM-08", expected, got, difference=shown_at(case, client, different.offset))
    return _nothing_of_an_earlier_one(case)


def _before_the_last(transcript: Transcript, client: str) -> tuple[bytes, ...]:
    """What was sent before the last message of this client, by whomever."""
    said = [step for step in transcript.scenario.steps if isinstance(step, Send)]
    last = max((at for at, step in enumerate(said) if step.client == client), default=0)
    return tuple(step.data for step in said[:last])


def _nothing_of_an_earlier_one(case: Case) -> Ruling:
    """Held where a message that is shorter than one before came back, everything else as well, and no more can come."""
    transcript = case.transcript
    wrong = next((name for name in _senders(case) if transcript.received(name) != transcript.sent[name]), None)
    if wrong is not None:
        return _not_its_own(transcript, wrong)
    longest, last = 0, ""
    for step in transcript.scenario.steps:
        if isinstance(step, Send) and step.client in _senders(case):
            last = step.client if len(step.data) < longest else last
            longest = max(longest, len(step.data))
    if not last:
        return NotExercised(stated("no message came after a longer one"))
    if transcript.sent[last] != transcript.scenario.sent_by(last):
        return not_all_sent(last)
    return unfinished(transcript, last) or Held()


@oracle("STREAM-09")
def clients_are_kept_apart(case: Case) -> Ruling:
    """A client got bytes that it has not sent, and another one has."""
    transcript = case.transcript
    for client in _senders(case):
        received = transcript.received(client)
        for offset in _not_of(transcript.sent[client], received):
            came = received[offset : offset + _NO_COINCIDENCE]
            others = [name for name, sent in transcript.sent.items() if came in sent]
            if others:
                got = stated(
                    "byte {offset} of what {client} got is one that {others} had sent",
                    offset=offset,
                    client=client,
                    others=others[0],
                )
                expected = stated("each client gets its own bytes and nobody else's")
                return Finding("STREAM-09", expected, got, difference=shown_at(case, client, offset))
    return _several_got_their_own(transcript, _senders(case))


@oracle("STREAM-10")
def everybody_gets_their_own(case: Case) -> Ruling:
    """One of many clients neither got its bytes back nor was turned away, without a word or with words nobody sent.

    That its connection ended is no refusal where a process of the server has crashed, or all of it has ended.
    """
    transcript, there = case.transcript, []
    refuses = transcript.server_ended is None and not transcript.crashes
    for client in askers(case):
        turned_away = transcript.end(client) is not None and is_no_echo(transcript, client)
        if not transcript.connected(client) or (turned_away and refuses):
            continue
        there.append(client)
    expected = stated("each of the clients gets its own bytes back")
    findings = [f for name in there if (f := difference(case, name, "STREAM-10", expected)) is not None]
    return of_all(findings, nobody_came()) if findings else _several_got_their_own(transcript, there)


def is_no_echo(transcript: Transcript, client: str) -> bool:
    """Whether what a client got is nothing, or words of the server's own ("busy"): nobody has sent them."""
    received = transcript.received(client)
    return not received or not any(received[:_OF_ITS_OWN] in sent for sent in transcript.sent.values())


def _not_of(sent: bytes, received: bytes) -> Iterator[int]:
    """The offsets in what was received at which there is a byte that was never sent."""
    if received.translate(None, sent):  # most often there is none, and there may be many bytes
        own = frozenset(sent)
        yield from (offset for offset, byte in enumerate(received) if byte not in own)


def _several_got_their_own(transcript: Transcript, clients: Sequence[str]) -> Ruling:
    """Held where two clients or more got exactly what they had sent, and nobody anything else."""
    talkers = [name for name in clients if transcript.sent.get(name)]
    if len(talkers) < _SEVERAL:
        return NotExercised(stated("fewer than two clients were served"))
    wrong = next((name for name in talkers if transcript.received(name) != transcript.sent[name]), None)
    return Held() if wrong is None else _not_its_own(transcript, wrong)


@oracle("STREAM-11")
def echo_goes_on(case: Case) -> Ruling:
    """Something came back at first, but not a byte of the client's last message."""
    transcript = case.transcript

    def judged(client: str) -> Ruling:
        numbered = [
            (n, s) for n, s in enumerate(transcript.scenario.steps) if isinstance(s, Send) and s.client == client
        ]
        at, last = numbered[-1]
        before = len(transcript.scenario.sent_by(client)) - len(last.data)
        received = transcript.received(client)
        if not before:
            return NotExercised(stated("{client} sent one message only", client=client))
        if not received:
            return _not_its_own(transcript, client)
        if len(received) > before and got_since(transcript, client, at):
            return Held()
        messages = accumulate(len(step.data) for _, step in numbered)
        got = stated(
            "after {what} nothing more came back{ended}",
            what=_so_many(sum(size <= len(received) for size in messages)) or size_of(received),
            ended=and_then(transcript, client),
        )
        return not_whole(case, client, "STREAM-11", stated("every message of a connection comes back"), got)

    return _of_each(case, judged)


def _so_many(messages: int) -> str:
    """So many whole messages; "" for none."""
    if messages == 1:
        return stated("the first message")
    return stated("{messages} messages", messages=messages) if messages else ""


# -- what came, against what was sent -------------------------------------------------------------------------------


def _senders(case: Case) -> tuple[str, ...]:
    """The clients that have sent bytes and read."""
    return tuple(client for client in askers(case) if case.transcript.sent.get(client))


def _of_each(case: Case, judged: Callable[[str], Ruling]) -> Ruling:
    return of_all(map(judged, _senders(case)), _nobody(case))


def _nobody(case: Case) -> NotExercised:
    """Why nobody is there who has sent something."""
    anybody = any(case.transcript.connected(client) for client in case.transcript.scenario.clients)
    return NotExercised(stated("no client has sent anything and read")) if anybody else nobody_came()


def _exact(case: Case, client: str, rule: str, expected: str) -> Ruling:
    return difference(case, client, rule, expected) or _all_sent(case, client)


def _exact_to_the_end(case: Case, client: str, rule: str, expected: str) -> Ruling:
    """As `_exact`, and nothing more can come: else there may be bytes that nobody sent."""
    ruling = _exact(case, client, rule, expected)
    return (unfinished(case.transcript, client) or ruling) if isinstance(ruling, Held) else ruling


def _missing(case: Case, client: str, rule: str, expected: str) -> Finding | None:
    return None if _got_all(case.transcript, client) else difference(case, client, rule, expected)


def _all_sent(case: Case, client: str) -> Held | NotExercised:
    """Held where the client could send what it was to send; who was cut off before has nothing to miss."""
    whole = case.transcript.sent.get(client, b"") == case.transcript.scenario.sent_by(client)
    return Held() if whole else not_all_sent(client)


def _refused_some(transcript: Transcript, client: str) -> bool:
    return any(isinstance(event, NotSent) for event in transcript.of(client))


def _not_its_own(transcript: Transcript, client: str) -> NotExercised:
    """What came back to this client is not what it sent, in a way of which another rule speaks."""
    if not transcript.received(client):
        return affair_of("STREAM-01", stated("not a byte came back to {client}", client=client))
    if not _got_all(transcript, client):
        return affair_of("STREAM-03", stated("not everything came back to {client}", client=client))
    return affair_of("STREAM-02", stated("{client} got other bytes than it sent", client=client))


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
