"""What a server of HTTP promises: a page, larger ones, whether it keeps connections, whether its pages stay."""

from __future__ import annotations

from gatecrash.engine.discovered import Discovery, learn
from gatecrash.engine.session import Session
from gatecrash.language import stated
from gatecrash.model.scenario import (
    Connect,
    Receive,
    Send,
    Settle,
    scenario,
)
from gatecrash.model.transcript import Transcript
from gatecrash.protocols import http
from gatecrash.protocols.http import ECHO, LARGE, USUAL_FIELDS, get_request, post_request
from gatecrash.text import request_line, size_of

_PATHS = ("/", "/index.html", "/hello", "/index.htm")
_LARGE = 65536
_SOON = 0.2  # seconds in which a server that closes behind its answer does so, if no timer closes for it


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
    then = _then(played) if ended is None else ended.line()
    if not received:
        return stated("{asked} got no answer ({then}).", asked=asked, then=then)
    size = size_of(received)
    if received.startswith(played.scenario.sent_by("A")):
        return stated("{asked} came back as it was sent, as an echo does; it is judged as HTTP.", asked=asked)
    if answer is None:
        return stated("{asked} got {size} that are no answer in HTTP ({then}).", asked=asked, size=size, then=then)
    return stated("{asked} got only a part of an answer, {size} ({then}).", asked=asked, size=size, then=then)


def _then(played: Transcript) -> str:
    """What became of A's connection when no more came."""
    if not played.connected("A"):
        return stated("it could not connect")
    end, silence = played.end("A"), played.silence("A")
    if end is not None:
        return stated("the connection was closed") if end == "FIN" else stated("the connection was reset")
    if silence is not None and silence.proven:
        return stated("the connection stays open, and the server waits for something that does not come")
    if silence is not None and silence.still == "spinning":
        return stated("the connection stays open, and the server uses a processor and gets no further")
    return stated("the connection stays open, and nothing came for as long as it was waited for")


def ask_http(session: Session, found: Discovery) -> None:
    """Learn it by asking for pages, and note what was not answered, or not in full."""
    first, answer = _get(session, found, found.contract.http.path)
    if answer is None:
        return
    if "path" not in found.contract.written and answer.status >= 400:
        for path in _PATHS[1:]:
            attempt, other = _get(session, found, path)
            if other is not None and other.status < 400:
                first, answer = attempt, other
                learn(session, found, path=path)
                break
    # A page may tell of the request's own fields, or of the time: then no two clients need get the same.
    _, again = _get(session, found, found.contract.http.path, extra=USUAL_FIELDS)
    if again is None:  # what did not come is no other body: RESP-01 is about that
        _, again = _get(session, found, found.contract.http.path)
    learn(
        session,
        found,
        persistent=_kept(session, first, "after") and _persistent(session, found, answer),
        stable_body=again is None or again.body == answer.body,
        closes=not _kept(session, first, "soon"),
    )
    _larger_things(session, found)


def _persistent(session: Session, found: Discovery, answer: http.Answer) -> bool:
    """Whether a connection that is open behind this answer is kept for the next request.

    It is where that is answered. Where it is not, the answer must not have announced the end (as one of HTTP/1.0 does
    that says nothing), and whoever had the connection must still have it: what a parent forgot to close is kept by
    nobody.
    """
    if not answer.complete or (answer.field("connection") or b"").lower() == b"close":
        return False
    once = (Send("A", get_request(found.contract.http.path), until_read=False), Receive("A"))
    played = session.play(scenario(Connect("A"), Settle("there"), once, once, Settle("again")))
    methods = http.request_methods(played.scenario.sent_by("A"))
    answers = http.read_answers(played.received("A"), methods, ended=False).answers
    if len(answers) > 1 and answers[1].complete:
        return True
    return not http.announces_close(answer) and not _left_open(played)


def _left_open(played: Transcript) -> bool:
    """Whether a process that had A's connection has let it go, while another one has it."""
    looks = (played.look(label) for label in ("there", "again"))
    sides = [look and look.connection("A") for look in looks]
    before, after = ({pid for pid, _ in side.holders} if side else set[int]() for side in sides)
    return bool(after) and bool(before - after)


def _kept(session: Session, played: Transcript, label: str) -> bool:
    """Whether A's connection was open at this look."""
    look = played.look(label)
    if session.remote or look is None:
        return played.end("A") is None
    side = look.connection("A")
    return side is not None and side.state == "ESTABLISHED"


def _larger_things(session: Session, found: Discovery) -> None:
    if found.contract.http.large_path is None:
        _, answer = _get(session, found, LARGE)
        if answer is not None and answer.status == 200 and _promised(answer) > _LARGE:
            learn(session, found, large_path=LARGE)
    if found.contract.http.post_path is None:
        for path in (ECHO, found.contract.http.path):
            if _takes_post(session, found, path):
                learn(session, found, post_path=path)
                break


def _promised(answer: http.Answer) -> int:
    """Bytes of body that came, or that Content-Length promises: one that is cut short is large, too."""
    return max(len(answer.body), answer.declared_length or 0)


def _takes_post(session: Session, found: Discovery, path: str) -> bool:
    asks = (Connect("A"), Send("A", post_request(path), until_read=False), Receive("A"))
    transcript = session.play(scenario(asks, Settle("after", within=_SOON)))
    asked = stated("POST {path} with a short body", path=path)
    answer = _answer(found, asked, transcript)
    return answer is not None and 200 <= answer.status < 300
