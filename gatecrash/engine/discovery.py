"""What a target is, learnt by asking it: protocol, paths, persistence, and how it handles several clients.

Every statement rests on something seen: bytes on the wire, system calls, processes, who holds the listening socket.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from gatecrash.engine.background import background_of
from gatecrash.engine.concurrency import model_of
from gatecrash.engine.limits import limits_of, sleeps
from gatecrash.engine.session import Session
from gatecrash.errors import TooSlow
from gatecrash.instruments import clock
from gatecrash.language import say, spoken
from gatecrash.model.contract import Contract, Protocol
from gatecrash.model.launch import Launch
from gatecrash.model.scenario import (
    Connect,
    HalfClose,
    Receive,
    ReceiveDatagrams,
    Scenario,
    Send,
    SendDatagram,
    Settle,
    optional_send,
    scenario,
)
from gatecrash.model.transcript import Snapshot, Transcript
from gatecrash.protocols import http, plain_request
from gatecrash.protocols.http import USUAL_FIELDS, get_request, post_request
from gatecrash.target.interface import Server
from gatecrash.text import request_line, shown, size_of

_LINE = b"gatecrash knocks\n"
_BLOCK = b"gatecrash knocks " * 512
_PATHS = ("/", "/index.html", "/hello", "/index.htm")
_LARGE = 65536
_SECONDS = 40.0  # for all questions together, of which each takes milliseconds as a rule
_SLOW_START = 1.0  # seconds: a start that a reader should know of
_SOON = 0.2  # seconds in which a server that closes behind its answer does so, if no timer closes for it
#: Signals 32 and 33 belong to the C library's threads (nptl(7)), 2 to Python's KeyboardInterrupt.
_LIBRARY_SIGNALS = (1 << 31) | (1 << 32) | (1 << 1)


@dataclass
class Discovery:
    """What was learnt: the contract, filled in, and sentences for the header of the report."""

    contract: Contract
    notes: list[str] = field(default_factory=list)
    ports: tuple[int, ...] = ()
    address: str = ""
    backlog: int | None = None
    arena: str = ""  # the kind of arena it ran in
    unseen: str | None = None  # why only the wire was seen


def discover(
    launch: Launch, contract: Contract, source_text: str = "", *, arena: str = "auto", patience: float = 5.0
) -> Discovery:
    """Learn what the contract's author did not write. Raises TargetError when the target does not listen.

    It is asked in a session of its own: who goes on with what was learnt opens one with the contract that is returned.
    Of one that answers too slowly, or without end, not everything is learnt.
    """
    with Session({"plain": launch}, contract, arena=arena, patience=patience) as session:
        found = Discovery(contract, arena=session.arena.kind, unseen=session.unseen)
        _ask(session, found, source_text)
        found.notes.extend([session.shelter.note] if session.shelter.note else [])
    return found


def _ask(session: Session, found: Discovery, source_text: str) -> None:
    _listening(session, found)
    session.until = time.monotonic() + _SECONDS
    try:
        _all_else(session, found, source_text)
    except TooSlow:
        found.notes.append(
            say(
                "It took more than {seconds:g} s to answer what it was asked: not all is known of it.", seconds=_SECONDS
            )
        )


def _all_else(session: Session, found: Discovery, source_text: str) -> None:
    _protocol(session, found, source_text)
    measure = _MEASURES.get(found.contract.protocol)
    if measure is not None:
        measure(session, found)
    if not session.remote:
        _in_the_background(session, found)
        model, workers = model_of(session, found.contract)
        _learn(session, found, concurrency=model, workers=workers, has_limits=session.saw_limits)
        _learn(session, found, sleeps=sleeps(session), **limits_of(session))
        _time(session, found)


def _time(session: Session, found: Discovery) -> None:
    """What a reader has to know where time is real for a server that uses it."""
    refused = session.real_because or clock.available()
    if session.saw_limits and refused is not None:
        found.notes.append(
            say("It sleeps, or waits with time limits of its own, and they pass in real time: {why}.", why=refused)
        )


def _learn(session: Session, found: Discovery, **facts: object) -> None:
    found.contract = found.contract.with_discovered(**facts)
    session.suppose(found.contract)


# -- where it listens -----------------------------------------------------------------------------------------------


def _listening(session: Session, found: Discovery) -> None:
    server = session.fresh()
    player_settle = session.play(scenario(Settle("start")))
    server.find_sockets()
    found.ports = server.sockets.ports
    _, port = server.address
    found.address = server.bound
    if session.seconds_to_listen >= _SLOW_START:
        found.notes.append(
            say(
                "It took {seconds:.1f} s from its start until it listened, and it is started again for many rules: "
                "a run takes longer by that.",
                seconds=session.seconds_to_listen,
            )
        )
    listener = server.listener()
    _learn(session, found, own_queues=server.own_queues)
    found.backlog = listener.backlog if listener is not None and server.observable else None
    if len(found.ports) > 1:
        others = ", ".join(str(p) for p in found.ports if p != port)
        found.notes.append(
            say(
                "It listens on more than one port; {port} is judged, not {others} (a contract can say which).",
                port=port,
                others=others,
            )
        )
    look = player_settle.look("start")
    caught = next((p.caught for p in look.processes if p.pid == look.main), 0) if look else 0
    takes_port = session.asked == port
    swapped = ((session.asked & 0xFF) << 8) | session.asked >> 8
    _learn(session, found, takes_port=takes_port or port == swapped, handles_signals=bool(caught & ~_LIBRARY_SIGNALS))
    placed = session.remote or any("{port}" in word for word in session.launches["plain"].argv)
    if not takes_port and port != swapped and _chooses_port(session, found):
        found.notes.append(
            say("It listens on another port at each start: it is taken to let the system choose one (port 0).")
        )
        _learn(session, found, chooses_port=True)
    elif not takes_port and port != swapped:
        told = (
            say("It was told port {asked} and listens", asked=session.asked)
            if placed
            else say("Its command has no {{port}}, and it listens")
        )
        found.notes.append(say("{told} on {port}: the port is taken to be fixed in the program.", told=told, port=port))
        _learn(session, found, port=port)
    elif not placed and session.contract.port is None:
        found.notes.append(
            say(
                "Its command has no {{port}}, and it listens on the {port} that PORT in its environment says.",
                port=port,
            )
        )


def _chooses_port(session: Session, found: Discovery) -> bool:
    """Whether a second start, which nobody is in the way of, listens on none of the ports of the first one."""
    if session.remote or "port" in found.contract.written:
        return False
    return set(session.fresh().sockets.ports).isdisjoint(found.ports)


def _in_the_background(session: Session, found: Discovery) -> None:
    background = background_of(session)
    if background == "before":
        found.notes.append(
            say("It goes into the background before it asks for its port: it has nobody to tell that it got none.")
        )
    _learn(session, found, background=background)


# -- what it speaks -------------------------------------------------------------------------------------------------


def _protocol(session: Session, found: Discovery, source_text: str) -> None:
    if "protocol" in found.contract.written:
        return
    server = session.server()
    if "echo" in found.contract.written:  # who says which echo it is says that it is one
        _learn(session, found, protocol="udp" if server.datagram else "echo")
        return
    ask = _udp_protocol if server.datagram else _stream_protocol
    protocol = ask(session, found)
    if protocol is None and not session.remote and _waits_for_words(session, found):
        protocol = ask(session, found)
    if protocol is None and server.datagram and not any(word in source_text for word in _SENDS_DATAGRAMS):
        found.notes.append(
            say("It took a datagram and answered nothing, nor does its source: the rules of an echo do not apply.")
        )
        _learn(session, found, protocol="udp", echo="other")
        return
    if protocol is None:
        protocol = _guess(source_text, server)
        if protocol == "none":
            found.notes.append(
                say(
                    "It let a client connect and answered nothing, and its source names no protocol: the rules of an "
                    "answer's content do not apply. If it is to answer, write protocol under [contract]."
                )
            )
            _learn(session, found, protocol=protocol, silence="seen")
            return
        nothing = say("took a datagram and") if server.datagram else say("let a client connect and")
        found.notes.append(
            say(
                "It {nothing} answered nothing; it is judged as the {spoken} server it is taken for.",
                nothing=nothing,
                spoken=_SPOKEN[protocol],
            )
        )
    elif protocol == "none":
        found.notes.append(
            say("What it says is neither HTTP nor an echo: the rules of an answer's content do not apply.")
        )
    _learn(session, found, protocol=protocol)


_SENDS_DATAGRAMS = ("sendto", "sendmsg", "sendmmsg", "send(", "echo", "Echo")
_SPOKEN = {"http": "HTTP", "echo": "TCP echo", "udp": "UDP echo"}


def _guess(source_text: str, server: Server) -> Protocol:
    if server.datagram:
        return "udp"
    if "HTTP" in source_text:
        return "http"
    return "echo" if "echo" in source_text.lower() else "none"


def _udp_protocol(session: Session, found: Discovery) -> Protocol | None:
    came = session.play(scenario(SendDatagram("A", _LINE), ReceiveDatagrams("A"))).datagrams("A")
    if came and not _alike(_LINE, came[0]):
        told = say("To a line of text it said {received}.", received=shown(came[0]))
        found.notes.append(told + _hint(_LINE, came[0]))
        found.notes.append(say("What it answers is no echo: the rules of a datagram echo do not apply."))
        _learn(session, found, echo="other")
    return "udp" if came else None


def _stream_protocol(session: Session, found: Discovery) -> Protocol | None:
    unasked = session.play(scenario(Connect("A"), Receive("A", "silence"))).received("A")
    if unasked:
        return "http" if unasked.startswith(b"HTTP") else "greeting"
    request = get_request(found.contract.http.path)
    asked = ((request, ()), (request, (HalfClose("A"), Receive("A", "silence"))), (_BLOCK, ()))
    for fresh in (False, True):  # one that answers its first client alone has answered nobody yet
        for payload, end in asked:
            played = scenario(Connect("A"), Send("A", payload, until_read=False), Receive("A", "silence"), end)
            received = session.play(played, fresh=fresh).received("A")
            if received:
                return _spoken(session, played, received, found)
    return None


def _spoken(session: Session, scenario: Scenario, received: bytes, found: Discovery) -> Protocol:
    sent = scenario.sent_by("A")
    if received.startswith(b"HTTP"):
        return "http"
    if _alike(sent, received):
        return "echo"
    # What the server always says before is its protocol; what it did not say to its first client is a mistake.
    if _behind_other_words(sent, received) and _alike(sent, session.play(scenario, fresh=True).received("A")):
        return "echo"
    found.notes.append(_said(sent, received, session.play(scenario, fresh=True).received("A")))
    return "none"


def _said(sent: bytes, received: bytes, alone: bytes) -> str:
    """What it said; to the first client of a fresh server, as others may have heard of one another's departures."""
    if not alone:
        return say(
            "It said nothing to its first client; {received} came when others had been there.", received=shown(received)
        )
    asked = say("a GET request") if sent.startswith(b"GET ") else spoken(size_of(sent))
    return say("To {asked} it said {received}.", asked=asked, received=shown(alone)) + _hint(sent, alone)


def _waits_for_words(session: Session, found: Discovery) -> bool:
    """A chat server whose answers somebody is to type waits for them, and for nothing else: words are typed then."""
    datagram = session.server().datagram
    request = (SendDatagram("A", _LINE),) if datagram else (Connect("A"), Send("A", _LINE, until_read=False))
    played = session.play(scenario(Settle("before"), *request, Settle("asked")), fresh=True)
    before, asked = played.look("before"), played.look("asked")
    if before is None or asked is None or _reads_its_input(before) or not _reads_its_input(asked):
        return False
    found.notes.append(say("It waits for words on its standard input before it answers: empty lines are typed for it."))
    _learn(session, found, waits_for_words=True)
    session.drop()
    return True


def _reads_its_input(look: Snapshot) -> bool:
    pipes = {pid for pid, table in look.opened if dict(table).get(0, "").startswith("pipe:")}
    return any(task.call in ("read", "readv") and task.args[:1] == (0,) and task.pid in pipes for task in look.tasks)


def _hint(sent: bytes, received: bytes) -> str:
    """What to write where a course asks for an echo in upper case."""
    if not _in_another_case(sent, received):
        return ""
    return " " + say('If your course asks for an echo in upper case, write echo = "upper" under [contract].')


def _behind_other_words(sent: bytes, received: bytes) -> bool:
    return received.find(sent[:16]) > 0


def _in_another_case(sent: bytes, received: bytes) -> bool:
    """Whether letters were made large, or small, on purpose: an echo that has a mistake leaves them alone."""
    a, b = sent[: len(received)], received[: len(sent)]
    alike = next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(b))
    return a[: alike + 4].lower() == b[: alike + 4].lower() and alike < len(b)


def _alike(sent: bytes, received: bytes) -> bool:
    """An echo, even a faulty one: mostly the same bytes, cut short or padded, with nothing of the server's before."""
    a, b = sent[:2048], received[:2048]
    if _in_another_case(a, b) or _behind_other_words(a, b):
        return False
    if b.startswith(a[:8]):
        return True
    matching = SequenceMatcher(None, a, b, autojunk=False).find_longest_match().size
    return matching >= max(4, len(a) // 2)


def _length(session: Session, found: Discovery) -> None:
    """Where nothing but silence ends an answer: its length, when it is twice the same, saves waiting for silence."""
    request = plain_request(found.contract)
    said = optional_send("A", request, until_read=False)
    told = [session.play(scenario(Connect("A"), *said, Receive("A", "silence"))) for _ in range(2)]
    first, second = (transcript.received("A") for transcript in told)
    if first != second:
        return
    if request:
        _learn(session, found, says=len(first), silence="" if first else "seen")
    elif all(transcript.end("A") is None for transcript in told):
        _learn(session, found, greets=len(first))


# -- HTTP -----------------------------------------------------------------------------------------------------------


def _get(session: Session, found: Discovery, path: str, *, extra: bytes = b"") -> tuple[Transcript, http.Answer | None]:
    request = get_request(path, extra=extra)
    asked = (Connect("A"), Send("A", request, until_read=False), Receive("A"))
    transcript = session.play(scenario(*asked, Settle("soon", within=_SOON), Settle("after")))
    return transcript, _answer(found, request_line(request), transcript)


def _answer(found: Discovery, asked: str, played: Transcript) -> http.Answer | None:
    """What A was answered; that it was nothing, or not all, is noted."""
    methods = http.request_methods(played.scenario.sent_by("A"))
    reading = http.read_answers(played.received("A"), methods, ended=played.end("A") is not None)
    answer = reading.answers[0] if reading.answers else None
    if answer is None or not answer.complete:
        note = _how_little(asked, played, answer)
        found.notes += [] if note in found.notes else [note]
    return answer


def _how_little(asked: str, played: Transcript, answer: http.Answer | None) -> str:
    received, ended = played.received("A"), played.server_ended
    then = _then(played) if ended is None else spoken(ended.line())
    if not received:
        return say("{asked} got no answer ({then}).", asked=asked, then=then)
    size = size_of(received)
    if answer is None:
        return say("{asked} got {size} that are no answer in HTTP ({then}).", asked=asked, size=size, then=then)
    return say("{asked} got only a part of an answer, {size} ({then}).", asked=asked, size=size, then=then)


def _then(played: Transcript) -> str:
    """What became of A's connection when no more came."""
    if not played.connected("A"):
        return say("it could not connect")
    end, silence = played.end("A"), played.silence("A")
    if end is not None:
        return say("the connection was closed") if end == "FIN" else say("the connection was reset")
    if silence is not None and silence.proven:
        return say("the connection stays open, and the server waits for something that does not come")
    if silence is not None and silence.still == "spinning":
        return say("the connection stays open, and the server uses a processor and gets no further")
    return say("the connection stays open, and nothing came for as long as it was waited for")


def _http(session: Session, found: Discovery) -> None:
    first, answer = _get(session, found, found.contract.http.path)
    if answer is None:
        return
    if "path" not in found.contract.written and answer.status >= 400:
        for path in _PATHS[1:]:
            attempt, other = _get(session, found, path)
            if other is not None and other.status < 400:
                first, answer = attempt, other
                _learn(session, found, path=path)
                break
    # A page may tell of the request's own fields, or of the time: then no two clients need get the same.
    _, again = _get(session, found, found.contract.http.path, extra=USUAL_FIELDS)
    if again is None:  # what did not come is no other body: RESP-01 is about that
        _, again = _get(session, found, found.contract.http.path)
    kept = _kept(session, first, "after")
    announced = (answer.field("connection") or b"").lower()
    _learn(
        session,
        found,
        persistent=kept and answer.complete and announced != b"close",
        stable_body=again is None or again.body == answer.body,
        closes=not _kept(session, first, "soon"),
    )
    _larger_things(session, found)


def _kept(session: Session, played: Transcript, label: str) -> bool:
    """Whether A's connection was open at this look."""
    look = played.look(label)
    if session.remote or look is None:
        return played.end("A") is None
    side = look.connection("A")
    return side is not None and side.state == "ESTABLISHED"


def _larger_things(session: Session, found: Discovery) -> None:
    if found.contract.http.large_path is None:
        _, answer = _get(session, found, "/large")
        if answer is not None and answer.status == 200 and _promised(answer) > _LARGE:
            _learn(session, found, large_path="/large")
    if found.contract.http.post_path is None:
        for path in ("/echo", found.contract.http.path):
            if _takes_post(session, found, path):
                _learn(session, found, post_path=path)
                break


def _promised(answer: http.Answer) -> int:
    """Bytes of body that came, or that Content-Length promises: one that is cut short is large, too."""
    return max(len(answer.body), answer.declared_length or 0)


def _takes_post(session: Session, found: Discovery, path: str) -> bool:
    asks = (Connect("A"), Send("A", post_request(path), until_read=False), Receive("A"))
    transcript = session.play(scenario(asks, Settle("after", within=_SOON)))
    asked = say("POST {path} with a short body", path=path)
    answer = _answer(found, asked, transcript)
    return answer is not None and 200 <= answer.status < 300


#: What is measured of a server once its protocol is known; of the others nothing is.
_MEASURES: Mapping[Protocol, Callable[[Session, Discovery], None]] = {
    "http": _http,
    "greeting": _length,
    "none": _length,
}
