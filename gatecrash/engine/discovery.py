"""What a target is, learnt by asking it: protocol, paths, persistence, and how it handles several clients.

Every statement rests on something seen: bytes on the wire, system calls, processes, who holds the listening socket.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from gatecrash.engine.background import background_of
from gatecrash.engine.concurrency import model_of
from gatecrash.engine.discovered import Discovery, learn
from gatecrash.engine.discovery_http import ask_http
from gatecrash.engine.discovery_protocol import ask_lines, ask_protocol
from gatecrash.engine.limits import limits_of, sleep_of
from gatecrash.engine.session import Session
from gatecrash.errors import TooSlow
from gatecrash.instruments import clock
from gatecrash.language import stated
from gatecrash.model.contract import Contract, Protocol
from gatecrash.model.launch import Launch
from gatecrash.model.scenario import (
    Connect,
    Receive,
    Settle,
    optional_send,
    scenario,
)
from gatecrash.protocols import plain_request

_SECONDS = 40.0  # for all questions together, of which each takes milliseconds as a rule
_SLOW_START = 1.0  # seconds: a start that a reader should know of
#: How programs come to know the port that the system has chosen: getsockname(2), socketserver, asyncio.
_ASKS_WHERE = ("sockname", "server_address", "server_port", ".sockets")
#: Signals 32 and 33 belong to the C library's threads (nptl(7)), 2 to Python's KeyboardInterrupt.
_LIBRARY_SIGNALS = (1 << 31) | (1 << 32) | (1 << 1)


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
    _listening(session, found, source_text)
    session.until = time.monotonic() + _SECONDS
    try:
        _all_else(session, found, source_text)
    except TooSlow:
        found.notes.append(
            stated(
                "It took more than {seconds:g} s to answer what it was asked: not all is known of it.", seconds=_SECONDS
            )
        )


def _all_else(session: Session, found: Discovery, source_text: str) -> None:
    ask_protocol(session, found, source_text)
    measure = _MEASURES.get(found.contract.protocol)
    if measure is not None:
        measure(session, found)
    if not session.remote:
        _in_the_background(session, found)
        model = model_of(session, found.contract)
        learn(session, found, concurrency=model.concurrency, workers=model.workers, has_limits=session.saw_limits)
        learn(session, found, starts_children=model.starts_children)
        sleep = sleep_of(session)
        learn(session, found, sleeps=sleep != 0.0, **limits_of(session, sleep))
        _time(session, found)


def _time(session: Session, found: Discovery) -> None:
    """What a reader has to know where time is real for a server that uses it."""
    refused = session.real_because or clock.available()
    if session.saw_limits and refused is not None:
        found.notes.append(
            stated("It sleeps, or waits with time limits of its own, and they pass in real time: {why}.", why=refused)
        )


# -- where it listens -----------------------------------------------------------------------------------------------


def _listening(session: Session, found: Discovery, source_text: str) -> None:
    session.fresh()
    player_settle = session.play(scenario(Settle("start")))
    server = session.server()  # another one, where that one has ended meanwhile
    server.find_sockets()
    found.ports = server.sockets.ports
    _, port = server.address
    found.address = server.bound
    if session.seconds_to_listen >= _SLOW_START:
        found.notes.append(
            stated(
                "It took {seconds:.1f} s from its start until it listened, and it is started again for many rules: "
                "a run takes longer by that.",
                seconds=session.seconds_to_listen,
            )
        )
    listener = server.listener()
    learn(session, found, own_queues=server.own_queues)
    found.backlog = listener.backlog if listener is not None and server.observable else None
    if len(found.ports) > 1:
        others = ", ".join(str(p) for p in found.ports if p != port)
        found.notes.append(
            stated(
                "It listens on more than one port; {port} is judged, not {others} (a contract can say which).",
                port=port,
                others=others,
            )
        )
    look = player_settle.look("start")
    caught = next((p.caught for p in look.processes if p.pid == look.main), 0) if look else 0
    takes_port = session.asked == port
    swapped = ((session.asked & 0xFF) << 8) | session.asked >> 8
    learn(session, found, takes_port=takes_port or port == swapped, handles_signals=bool(caught & ~_LIBRARY_SIGNALS))
    _port(session, found, port, source_text, told=takes_port or port == swapped)


def _port(session: Session, found: Discovery, port: int, source_text: str, *, told: bool) -> None:
    """Where it listens beside where it was told to: at random, on a port of its own, or on that of its environment."""
    placed = session.remote or any("{port}" in word for word in session.launches["plain"].argv)
    if not told and (another := _another_port(session, found)):
        at_random = (
            stated(
                "It was told port {asked}, and listens on another one at each start ({port}, then {another}): the "
                "system chooses one, for it binds to port 0, or does not bind.",
                asked=session.asked,
                port=port,
                another=another,
            )
            if placed
            else stated("It listens on another port at each start: it is taken to let the system choose one (port 0).")
        )
        found.notes.append(at_random)
        learn(session, found, chooses_port=True, hides_port=placed and _hides(session, another, source_text))
    elif not told:
        began = (
            stated("It was told port {asked} and listens", asked=session.asked)
            if placed
            else stated("Its command has no {{port}}, and it listens")
        )
        found.notes.append(
            stated("{told} on {port}: the port is taken to be fixed in the program.", told=began, port=port)
        )
        learn(session, found, port=port)
    elif not placed and session.contract.port is None:
        found.notes.append(
            stated(
                "Its command has no {{port}}, and it listens on the {port} that PORT in its environment says.",
                port=port,
            )
        )


def _another_port(session: Session, found: Discovery) -> int:
    """The port of a second start that listens on none of the first one's, with nobody in its way; 0: it does."""
    if session.remote or "port" in found.contract.written:
        return 0
    second = session.fresh().sockets.ports
    return min(second) if second and set(second).isdisjoint(found.ports) else 0


def _hides(session: Session, port: int, source_text: str) -> bool:
    """Whether it names the port that it was told, and not the one it has, or never asks for the one it has."""
    printed = session.server().process.output()
    said = re.findall(rb"[0-9]+", printed.head + printed.tail)
    if b"%d" % port in said:
        return False
    return b"%d" % session.asked in said or (bool(source_text) and not any(map(source_text.__contains__, _ASKS_WHERE)))


def _in_the_background(session: Session, found: Discovery) -> None:
    background = background_of(session)
    if background == "before":
        found.notes.append(
            stated("It goes into the background before it asks for its port: it has nobody to tell that it got none.")
        )
    learn(session, found, background=background)


# -- how much it says -----------------------------------------------------------------------------------------------


def _length(session: Session, found: Discovery) -> None:
    """Where nothing but silence ends an answer: its length, when it is twice the same, saves waiting for silence."""
    request = plain_request(found.contract)
    said = optional_send("A", request, until_read=False)
    told = [session.play(scenario(Connect("A"), *said, Receive("A", "silence"))) for _ in range(2)]
    first, second = (transcript.received("A") for transcript in told)
    if first != second:
        return
    if request:
        learn(session, found, says=len(first), silence="" if first else "seen")
    elif all(transcript.end("A") is None for transcript in told):
        learn(session, found, greets=len(first))


#: What is measured of a server once its protocol is known; of the others nothing is.
_MEASURES: Mapping[Protocol, Callable[[Session, Discovery], None]] = {
    "http": ask_http,
    "echo": ask_lines,
    "greeting": _length,
    "none": _length,
}
