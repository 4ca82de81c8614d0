"""Which protocol a server speaks, learnt by what it says to bytes of several kinds."""

from __future__ import annotations

from difflib import SequenceMatcher

from gatecrash.engine.discovered import Discovery, learn
from gatecrash.engine.session import Session
from gatecrash.language import joined, stated
from gatecrash.model.contract import Protocol
from gatecrash.model.scenario import (
    Connect,
    HalfClose,
    Receive,
    ReceiveDatagrams,
    Scenario,
    Send,
    SendDatagram,
    Settle,
    scenario,
)
from gatecrash.model.transcript import Snapshot
from gatecrash.protocols.echo import ECHO_PAYLOAD
from gatecrash.protocols.http import get_request
from gatecrash.protocols.line_echo import with_crlf
from gatecrash.target.interface import Server
from gatecrash.text import shown, size_of

_LINE = b"gatecrash knocks\n"
_MIXED = b"gateCrash Knocks\n"
_BLOCK = b"gatecrash knocks " * 512


def ask_protocol(session: Session, found: Discovery, source_text: str) -> None:
    """Learn it, and note what that rests on where nothing was answered, or nothing known."""
    if "protocol" in found.contract.written:
        if found.contract.protocol == "echo" and _echoed(session, ECHO_PAYLOAD).startswith(b"HTTP/"):
            found.notes.append(stated("It answers in HTTP what it is to send back; the contract says echo."))
        return
    server = session.server()
    if "echo" in found.contract.written:  # who says which echo it is says that it is one
        learn(session, found, protocol="udp" if server.datagram else "echo")
        return
    ask = _udp_protocol if server.datagram else _stream_protocol
    protocol = ask(session, found)
    if protocol is None and not session.remote and _waits_for_words(session, found):
        protocol = ask(session, found)
    if protocol is None and server.datagram and not any(word in source_text for word in _SENDS_DATAGRAMS):
        found.notes.append(
            stated("It took a datagram and answered nothing, nor does its source: the rules of an echo do not apply.")
        )
        learn(session, found, protocol="udp", echo="other")
        return
    if protocol is None:
        protocol = _guess(source_text, server)
        if protocol == "none":
            found.notes.append(
                stated(
                    "It let a client connect and answered nothing, and its source names no protocol: the rules of an "
                    "answer's content do not apply. If it is to answer, write protocol under [contract] "
                    "in gatecrash.toml."
                )
            )
            learn(session, found, protocol=protocol, silence="seen")
            return
        nothing = stated("took a datagram and") if server.datagram else stated("let a client connect and")
        found.notes.append(
            stated(
                "It {nothing} answered nothing; it is judged as the {spoken} server it is taken for.",
                nothing=nothing,
                spoken=_SPOKEN[protocol],
            )
        )
    elif protocol == "none":
        found.notes.append(
            stated("What it says is neither HTTP nor an echo: the rules of an answer's content do not apply.")
        )
    learn(session, found, protocol=protocol)


def ask_lines(session: Session, found: Discovery) -> None:
    """Learn of an echo that keeps a line for ever which a bare LF ends, and sends back one that CR LF ends."""
    if "echo" in found.contract.written or _echoed(session, ECHO_PAYLOAD):
        return
    line = with_crlf(ECHO_PAYLOAD)
    if _echoed(session, line) == line:
        found.notes.append(
            stated(
                "It sends back a line that ends with CRLF, and nothing of one that ends with LF: it is taken for an "
                'echo of such lines (echo = "lines", line_end = "crlf").'
            )
        )
        learn(session, found, echo="lines", line_end="crlf")


def _echoed(session: Session, payload: bytes) -> bytes:
    played = scenario(Connect("A"), Send("A", payload, until_read=False), Receive("A", "silence"))
    return session.play(played).received("A")


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
        told = stated("To a line of text it said {received}.", received=shown(came[0]))
        found.notes.append(joined((told, _hint(_LINE, came[0])), ""))
        found.notes.append(stated("What it answers is no echo: the rules of a datagram echo do not apply."))
        learn(session, found, echo="other")
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
        return _in_what_case(session, received, found)
    # What the server always says before is its protocol; what it did not say to its first client is a mistake.
    if _behind_other_words(sent, received) and _alike(sent, session.play(scenario, fresh=True).received("A")):
        return "echo"
    found.notes.append(_said(sent, received, session.play(scenario, fresh=True).received("A")))
    return "none"


def _in_what_case(session: Session, received: bytes, found: Discovery) -> Protocol:
    """An echo, or an echo in upper case: of the first line of a GET request both send back the same."""
    if received != received.upper():
        return "echo"
    came = _echoed(session, _MIXED)
    if not _in_another_case(_MIXED, came):
        return "echo"
    told = stated("To {asked} it said {received}.", asked=size_of(_MIXED), received=shown(came))
    found.notes.append(joined((told, _hint(_MIXED, came)), ""))
    return "none"


def _said(sent: bytes, received: bytes, alone: bytes) -> str:
    """What it said; to the first client of a fresh server, as others may have heard of one another's departures."""
    if not alone:
        return stated(
            "It said nothing to its first client; {received} came when others had been there.", received=shown(received)
        )
    asked = stated("a GET request") if sent.startswith(b"GET ") else size_of(sent)
    told = stated("To {asked} it said {received}.", asked=asked, received=shown(alone))
    return joined((told, _hint(sent, alone)), "")


def _waits_for_words(session: Session, found: Discovery) -> bool:
    """A chat server whose answers somebody is to type waits for them, and for nothing else: words are typed then."""
    datagram = session.server().datagram
    request = (SendDatagram("A", _LINE),) if datagram else (Connect("A"), Send("A", _LINE, until_read=False))
    played = session.play(scenario(Settle("before"), *request, Settle("asked")), fresh=True)
    before, asked = played.look("before"), played.look("asked")
    if before is None or asked is None or _reads_its_input(before) or not _reads_its_input(asked):
        return False
    found.notes.append(
        stated("It waits for words on its standard input before it answers: empty lines are typed for it.")
    )
    learn(session, found, waits_for_words=True)
    session.drop()
    return True


def _reads_its_input(look: Snapshot) -> bool:
    pipes = {pid for pid, table in look.opened if dict(table).get(0, "").startswith("pipe:")}
    return any(task.call in ("read", "readv") and task.args[:1] == (0,) and task.pid in pipes for task in look.tasks)


def _hint(sent: bytes, received: bytes) -> str:
    """What to write where a course asks for an echo in upper case."""
    if received != received.upper() or not _in_another_case(sent, received):
        return ""
    return joined(
        (
            "",
            stated(
                "If your course asks for an echo in upper case, "
                'write echo = "upper" under [contract] in gatecrash.toml.'
            ),
        ),
        " ",
    )


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
