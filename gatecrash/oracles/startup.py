"""Coming to listen: on which port and address, with the port taken, in TIME_WAIT, or held by another instance."""

from __future__ import annotations

from signal import Signals
from typing import Literal

from gatecrash.language import stated
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.facts import Facts
from gatecrash.model.signals import MEMORY_FAULTS, signal_name, status_named
from gatecrash.model.transcript import Snapshot, Started, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.unseen import in_motion, listening_at_rest, looked, never_looked
from gatecrash.text import last_words

_REACHABLE = frozenset({"127.0.0.1", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1"})
_NO_START = NotExercised(stated("the start that was to be judged did not come about"))
_OPEN = "ESTABLISHED"
#: A connection that the end of the server, or the server before its end, closes first.
_HELD = frozenset({_OPEN, "FIN_WAIT1", "FIN_WAIT2"})
#: A start that may yet come to something when nobody watches any more.
_UNDER_WAY = NotExercised(stated("nobody knows yet what comes of the start: it was still under way"), unproven=True)


def started(transcript: Transcript, what: Literal["restart", "second", "taken", "terminal"]) -> Started | None:
    """What came of the start that a step asked for."""
    return next((e for e in transcript.events if isinstance(e, Started) and e.what == what), None)


@oracle("ACC-11")
def taken_port_is_reported(case: Case) -> Ruling:
    """With its port taken the server neither listens elsewhere nor sits there in silence; a crash is no report."""
    start = started(case.transcript, "taken")
    if start is None:
        return _NO_START
    expected = stated("an end with a message, because port {wanted} was taken", wanted=start.wanted)
    if start.listening and start.wanted in start.ports:
        return NotExercised(stated("its port could not be taken from it: it listens on it all the same"))
    if start.listening:
        got = stated(
            "it listens on port {listed} instead of {wanted}", listed=_listed(start.ports), wanted=start.wanted
        )
        return Finding("ACC-11", expected, got, _words(start))
    if (crash := _crash(start)) is not None:
        return Finding("ACC-11", expected, stated("it was ended by {name}", name=crash), _words(start))
    if start.status is None:
        return _runs_on(start, expected)
    return Held() if start.output.strip() else _ended_without_a_word(start)


def _crash(start: Started) -> str | None:
    """The signal that ended it, where that is a memory fault; abort with a message is how assert and throw report."""
    number = -(start.status or 0)
    told = number == Signals.SIGABRT and start.output.strip()
    return signal_name(number) if number in MEMORY_FAULTS and not told else None


def _runs_on(start: Started, expected: str) -> Ruling:
    """It neither ended nor listens: what it has said is a report, if it is known to stay so."""
    if not start.proven:
        return _UNDER_WAY
    if start.output.strip():
        return Held()
    return Finding("ACC-11", expected, stated("it runs on, listens nowhere and says nothing"))


def _ended_without_a_word(start: Started) -> NotExercised:
    """It may have told a log, or mean its status to say enough."""
    status = start.status or 0
    state = stated("it ended with status {status}", status=status_named(status))
    if status < 0:
        state = stated("it was ended by {name}", name=signal_name(-status))
    return NotExercised(stated("{state} and printed nothing, so what it says of its port was not seen", state=state))


@oracle("ACC-12")
def port_is_the_one_asked_for(case: Case) -> Ruling:
    """The server listens on the port it was given or promised; a port merely fixed in it was promised by nobody."""
    looks = looked(case.transcript)
    if isinstance(looks, NotExercised):
        return looks
    look = next((e.snapshot for e in looks if e.snapshot.ports), None)
    if look is None:
        return NotExercised(stated("the server did not listen when it was looked at"))
    if case.contract.hides_port and look.asked_port not in look.ports:
        return Finding(
            "ACC-12",
            stated("it listens on port {asked}", asked=look.asked_port),
            stated(
                "it listens on port {listed}, on another one at each start, and does not say so",
                listed=_listed(look.ports),
            ),
        )
    if not case.contract.takes_port and "port" not in case.contract.written:
        return NotExercised(
            stated("its port seems to be fixed in the program, and nobody promised one; write port in gatecrash.toml")
        )
    return (in_motion(look) or Held()) if look.asked_port in look.ports else _other_port(look)


def _other_port(look: Snapshot) -> Finding:
    asked, swapped = look.asked_port, _swapped(look.asked_port)
    hint = stated(
        "{asked} is {asked:#06x}; {swapped} is the same two bytes in the other order: htons is missing",
        asked=asked,
        swapped=swapped,
    )
    evidence = (hint,) if swapped in look.ports else ()
    return Finding(
        "ACC-12",
        stated("it listens on port {asked}", asked=asked),
        stated("it listens on port {listed}", listed=_listed(look.ports)),
        evidence,
    )


def _swapped(port: int) -> int:
    return (port & 0xFF) << 8 | port >> 8


@oracle("ACC-13")
def address_is_reachable(case: Case) -> Ruling:
    """The address of the listening socket is one that a client of this machine tries."""
    looks = looked(case.transcript)
    if isinstance(looks, NotExercised):
        return looks
    for look in looks:
        listener = look.snapshot.listener
        if listener is not None and listener.address not in _REACHABLE | {case.contract.address}:
            promised = (
                stated(", or {address} as promised", address=case.contract.address) if case.contract.address else ""
            )
            expected = stated("it listens on 127.0.0.1 or on all addresses{promised}", promised=promised)
            return Finding(
                "ACC-13",
                expected,
                stated("it listens on {address} alone", address=listener.address),
                facts=Facts(address=listener.address),
            )
    return listening_at_rest(looks[-1].snapshot) or Held()


@oracle("ACC-14")
def restart_ignores_time_wait(case: Case) -> Ruling:
    """It listens again, and where it did, although connections of the server before are not quite over.

    Those it had closed first, or had when it ended. A LISTEN that some child still holds would stop any server: that
    child is another rule's affair. Where bind has failed unnoticed, listen takes a random port (ip(7)): whoever asked
    for the one before finds nobody there.
    """
    start, look = started(case.transcript, "restart"), case.transcript.look(labels.CLOSED)
    if start is None or look is None:
        return _NO_START if start is None else never_looked(labels.CLOSED)
    lingering = tuple(side.client for side in look.connections if side.state == "TIME_WAIT")
    held = tuple(side for side in look.connections if side.state in _HELD and (side.accepted or side.state != _OPEN))
    if start.wanted in start.ports:  # a connection with unread bytes is reset at the end, and leaves nothing behind
        return Held() if lingering or any(not side.unread for side in held) else _NOTHING_LINGERED
    if start.left_over:
        return NotExercised(stated("the first server's listening socket was still open, which stops any restart"))
    if not lingering and not held:
        return _NOTHING_LINGERED
    why = (
        stated("in TIME_WAIT, because the server closed first: the connection of {names}", names=", ".join(lingering))
        if lingering
        else stated(
            "not quite over, because the server ended first: the connection of {names}",
            names=", ".join(side.client for side in held),
        )
    )
    expected = stated("it listens on port {wanted} again after a restart", wanted=start.wanted)
    evidence = (why, *_words(start))
    return Finding("ACC-14", expected, _instead(start, case.contract), evidence, conclusive=start.proven)


_NOTHING_LINGERED = NotExercised(
    stated("the first server left no connection behind that could stand in the way of its restart")
)


def _instead(start: Started, contract: Contract) -> str:
    """What a restarted server does, which does not listen where it did before.

    The status of one that goes into the background is that of its first process, which is another one.
    """
    if start.listening:
        listed, wanted = _listed(start.ports), start.wanted
        return stated("it listens on port {listed}, and not on {wanted} as before", listed=listed, wanted=wanted)
    if (crash := _crash(start)) is not None:
        return stated("it was ended by {name}", name=crash)
    if start.status is None or contract.background != "no":
        return stated("it does not listen")
    if start.status < 0:
        return stated("it was ended by {name}", name=signal_name(-start.status))
    return stated("it exited with status {status}", status=status_named(start.status))


@oracle("ACC-15")
def second_instance_is_refused(case: Case) -> Ruling:
    """A second instance does not come to listen on the first one's port."""
    start = started(case.transcript, "second")
    if start is None:
        return _NO_START
    if case.transcript.server_ended is not None:
        return NotExercised(stated("the first instance was gone when the second one was looked at"))
    if start.listening and start.wanted not in start.ports:
        return NotExercised(
            stated(
                "the second instance listens on port {listed}: see {rule}", listed=_listed(start.ports), rule="ACC-11"
            )
        )
    if start.listening:
        got = stated(
            "both instances listen on port {wanted}, and the kernel deals the clients out between them",
            wanted=start.wanted,
        )
        return Finding("ACC-15", stated("a second instance on the same port is refused"), got, _words(start))
    if (crash := _crash(start)) is not None:
        return NotExercised(stated("the second instance was ended by {name}: see {rule}", name=crash, rule="ACC-11"))
    return Held() if start.status is not None or start.proven else _UNDER_WAY


def _listed(ports: tuple[int, ...]) -> str:
    return ", ".join(map(str, ports))


def _words(start: Started) -> tuple[str, ...]:
    return (stated("its words: {output}", output=last_words(start.output)),) if start.output.strip() else ()
