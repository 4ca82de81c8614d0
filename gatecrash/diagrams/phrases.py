"""What the rows of a picture say, in the reader's language."""

from __future__ import annotations

from gatecrash.language import say, spoken
from gatecrash.model import scenario as steps
from gatecrash.model import transcript as seen
from gatecrash.model.server_steps import upcoming
from gatecrash.model.signals import signal_name, status_named
from gatecrash.text import duration, size_of


def planned(step: steps.Fail | steps.Hold | steps.Shorten) -> str:
    """What the server's next calls will meet; that they are the server's is seen from the lane."""
    match step:
        case steps.Fail():
            return say("{which} will fail with {error}", which=upcoming(step.call, step.times), error=step.error)
        case steps.Hold():
            return say("{which} will be held", which=upcoming(step.call, step.times))
        case steps.Shorten():
            ending = "" if step.size == 1 else "s"
            return say("next send will take only {size} byte{s}", size=step.size, s=ending)


def limited(step: steps.LimitDescriptors | steps.LiftLimit) -> str:
    """How many descriptors the server may open from here on."""
    if isinstance(step, steps.LimitDescriptors):
        return say("may open {spare} descriptors more (RLIMIT_NOFILE)", spare=step.spare)
    return say("may open descriptors again")


def gated(call: seen.TracedCall) -> str:
    """What became of a call that was to fail or to be cut short, or of one that followed it."""
    name = f"{call.name}({call.first})" if call.family not in ("fork", "thread", "wait") else f"{call.name}()"
    fate = call.outcome
    if fate.kind == "shortened":
        return say("{call} takes only {size} byte{s}", call=name, size=fate.size, s="" if fate.size == 1 else "s")
    if fate.kind == "failed":
        return say("{call} fails: {error}", call=name, error=fate.errno)
    return say("{call}, as if it had not failed", call=name)


def sent(event: seen.Sent) -> str:
    """How much was sent, and how much of it the server has read."""
    size = size_of(event.data)
    if event.read is None:
        return spoken(size)
    if event.read:
        return say("{size}, read", size=size)
    if event.consumed:
        return say("{size}, {consumed} read in all", size=size, consumed=event.consumed)
    return say("{size}, not read", size=size)


def silent(event: seen.Silent) -> str:
    """That nothing came, and how sure that is."""
    if event.proven:
        return say("nothing more can come: proven")
    return say("nothing came while we waited: not proven")


def passed(event: seen.TimePassed) -> str:
    """How much time has passed, and whose."""
    if event.skipped:
        return say("{time} of its own time pass", time=spoken(duration(event.seconds)))
    return say("{time} pass", time=spoken(duration(event.seconds)))


def never_held(event: seen.HeldAt) -> str:
    """That the call that was to be held was not made."""
    return say("never calls it") if event.proven else say("has not called it while we waited")


def ended(event: seen.ServerEnded) -> str:
    """How the server came to its end."""
    if event.limit is not None:
        return say("ended at a limit")
    if event.overrun:
        return say("ended at {count} processes", count=event.overrun)
    if event.daemon:
        return say("gone")
    return death(event.status)


def death(status: int) -> str:
    """An exit status, or minus the signal, in words."""
    if status >= 0:
        return say("exits with status {status}", status=status_named(status))
    return say("killed by {signal}", signal=signal_name(-status))


def started(event: seen.Started) -> str:
    """What came of a start."""
    if event.listening:
        return listens(event.ports, event.wanted)
    if event.status is None:
        return say("runs on, and does not listen")
    return say("{death}, without listening", death=death(event.status))


def asked_to_start(event: seen.Started) -> str:
    """What was done before it."""
    match event.what:
        case "restart":
            return say("SIGTERM, then started again on the same port")
        case "second":
            return say("a second server is started on the same port")
        case "taken":
            return say("started while its port is taken")
        case "terminal":
            return say("ended, then started again with its output on a terminal")


def listens(ports: tuple[int, ...], wanted: int) -> str:
    """The ports of a server, and the one it should have had."""
    there = ", ".join(map(str, ports))
    if wanted in ports:
        return say("listens on port {ports}", ports=there)
    return say("listens on port {ports}, not on {wanted}", ports=there, wanted=wanted)
