"""Coming to listen: on which port and address, with the port taken, in TIME_WAIT, or held by another instance."""

from __future__ import annotations

from typing import Literal

from gatecrash.contract import Contract
from gatecrash.language import stated
from gatecrash.oracles import oracle
from gatecrash.text import last_words
from gatecrash.transcript import Started, Transcript
from gatecrash.verdicts import Case, Finding

_REACHABLE = frozenset({"127.0.0.1", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1"})


def started(transcript: Transcript, what: Literal["restart", "second", "taken", "terminal"]) -> Started | None:
    """What came of the start that a step asked for."""
    return next((e for e in transcript.events if isinstance(e, Started) and e.what == what), None)


@oracle("ACC-11")
def taken_port_is_reported(case: Case) -> Finding | None:
    """With its port taken the server neither listens elsewhere nor sits there in silence."""
    start = started(case.transcript, "taken")
    if start is None:
        return None
    expected = stated("an end with a message, because port {wanted} was taken", wanted=start.wanted)
    if start.listening and start.wanted not in start.ports:
        return Finding(
            "ACC-11", expected, stated("it listens on port {listed}", listed=_listed(start.ports)), _words(start)
        )
    if not start.listening and start.status is None and start.proven and not start.output.strip():
        return Finding("ACC-11", expected, stated("it runs on, listens nowhere and says nothing"))
    return None


@oracle("ACC-12")
def port_is_the_one_asked_for(case: Case) -> Finding | None:
    """The server listens on the port it was given or promised; a port merely fixed in it was promised by nobody."""
    look = next((e.snapshot for e in case.transcript.looks() if e.snapshot.ports), None)
    if look is None or look.asked_port in look.ports:
        return None
    if not case.contract.takes_port and "port" not in case.contract.written:
        return None
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
def address_is_reachable(case: Case) -> Finding | None:
    """The address of the listening socket is one that a client of this machine tries."""
    for look in case.transcript.looks():
        listener = look.snapshot.listener
        if listener is not None and listener.address not in _REACHABLE | {case.contract.address}:
            promised = (
                stated(", or {address} as promised", address=case.contract.address) if case.contract.address else ""
            )
            expected = stated("it listens on 127.0.0.1 or on all addresses{promised}", promised=promised)
            return Finding("ACC-13", expected, stated("it listens on {address} alone", address=listener.address))
    return None


@oracle("ACC-14")
def restart_ignores_time_wait(case: Case) -> Finding | None:
    """It listens again, and where it did, although connections of the server before are not quite over.

    Those it had closed first, or had when it ended. A LISTEN that some child still holds would stop any server: that
    child is another rule's affair. Where bind has failed unnoticed, listen takes a random port (ip(7)): whoever asked
    for the one before finds nobody there.
    """
    start, look = started(case.transcript, "restart"), case.transcript.look("closed")
    if start is None or look is None or start.left_over or start.wanted in start.ports:
        return None
    lingering = tuple(side.client for side in look.connections if side.state == "TIME_WAIT")
    held = tuple(side.client for side in look.connections if side.state == "ESTABLISHED" and side.accepted)
    if not lingering and not held:
        return None
    why = (
        stated("in TIME_WAIT, because the server closed first: the connection of {names}", names=", ".join(lingering))
        if lingering
        else stated("not quite over, because the server ended first: the connection of {names}", names=", ".join(held))
    )
    expected = stated("it listens on port {wanted} again after a restart", wanted=start.wanted)
    evidence = (why, *_words(start))
    return Finding("ACC-14", expected, _instead(start, case.contract), evidence, conclusive=start.proven)


def _instead(start: Started, contract: Contract) -> str:
    """What a restarted server does, which does not listen where it did before.

    The status of one that goes into the background is that of its first process, which is another one.
    """
    if start.listening:
        listed, wanted = _listed(start.ports), start.wanted
        return stated("it listens on port {listed}, and not on {wanted} as before", listed=listed, wanted=wanted)
    ended = start.status is not None and contract.background == "no"
    state = stated("exited with status {status}", status=start.status) if ended else stated("does not listen")
    return stated("it {state}", state=state)


@oracle("ACC-15")
def second_instance_is_refused(case: Case) -> Finding | None:
    """A second instance does not come to listen on the first one's port."""
    start = started(case.transcript, "second")
    if start is None or not start.listening or start.wanted not in start.ports:
        return None
    got = stated(
        "both instances listen on port {wanted}, and the kernel deals the clients out between them", wanted=start.wanted
    )
    return Finding("ACC-15", stated("a second instance on the same port is refused"), got, _words(start))


def _listed(ports: tuple[int, ...]) -> str:
    return ", ".join(map(str, ports))


def _words(start: Started) -> tuple[str, ...]:
    return (stated("its words: {output}", output=last_words(start.output)),) if start.output.strip() else ()
