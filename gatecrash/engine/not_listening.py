"""Why a target did not come to listen, by what its end shows: in one plain sentence, with the next step."""

from __future__ import annotations

import re
import shlex
import signal
from pathlib import Path

from gatecrash.language import say
from gatecrash.model.launch import Launch
from gatecrash.model.signals import signal_name, status_named
from gatecrash.target.interface import PATIENCE_TO_LISTEN, Processes, Server

#: What a program prints that was not called as it wants to be, and what it prints that reads an argument nobody gave.
_USAGE = re.compile(r"\busage\b|\btoo few arguments|\bmissing (an )?(argument|operand)", re.IGNORECASE)
_NO_ARGUMENT = re.compile(r"list index out of range|ArrayIndexOutOfBounds|index out of range \[\d+\] with length")


def why_not_listening(server: Server, *, again: bool = False) -> str:
    """One plain sentence on what was seen instead of a listening socket, with what it printed and the next step.

    `again`: an earlier start of the same program came to listen.
    """
    status = server.process.exit_status()
    overrun = server.process.overrun()
    if overrun:
        return say(
            "the target had {overrun} processes before any client came, and was ended before it had more. "
            "Look for a fork in a loop that nothing stops.",
            overrun=overrun,
        )
    hit = server.process.hit()
    if hit is not None:
        return say(
            "the target was ended before it listened on any port: {why}. Look for what it takes in a loop that nothing "
            "stops.",
            why=hit.said,
        )
    output = server.process.output()
    words = output.text.strip()[-600:]
    said = say("It printed nothing.") if not words else say("It printed:\n    ") + words.replace("\n", "\n    ")
    given = any("{port}" in word for word in server.launch.argv)
    if status is None and given and _waits_for_its_input(server.census):
        advice = say(
            "It waits for words on its standard input, and nobody types there. Its port is an argument: take it from "
            "argv[1], or sys.argv[1] in Python."
        )
    elif again:
        advice = say("It did at its first start: look for what that run left behind, a lock, a file, a socket.")
    else:
        advice = _advice_on_arguments(server.launch, status, output.text)
    if status is None:
        return say(
            "the target runs, but listens on no port ({seconds:g} s at most were waited). {advice} {said}",
            seconds=PATIENCE_TO_LISTEN,
            advice=advice,
            said=said,
        )
    how = (
        say("exited with status {status}", status=status_named(status))
        if status >= 0
        else say("was ended by {signal}", signal=signal_name(-status))
    )
    return say("the target {how} before it listened on any port. {advice} {said}", how=how, advice=advice, said=said)


def _waits_for_its_input(census: Processes) -> bool:
    """Whether a task is blocked in read on descriptor 0 of a process whose standard input is the silent pipe it got."""
    waiting = (task.pid for task in census.tasks() if task.call in ("read", "readv") and task.args[:1] == (0,))
    return any(census.descriptors(pid).get(0, "").startswith("pipe:") for pid in waiting)


def _advice_on_arguments(launch: Launch, status: int | None, printed: str) -> str:
    """What is said of its arguments: they are what is wrong only where its end shows it."""
    give = say("Give them with --args, {{port}} where the port goes: --args '{{port}} www'.")
    if status is None:
        return say("Check that it calls listen(), and which arguments it needs: --args '{{port}} www' gives them.")
    started = say("It was started as `{command}`.", command=_typed(launch))
    if _USAGE.search(printed):
        said = say("It ended within its start and says how it is called: its arguments are missing, or not these.")
    elif not any("{port}" in word for word in launch.argv):
        said = say("It was given no port: a program that takes one as an argument wants {{port}} where it goes.")
        return f"{started} {said}"
    elif not _has_port_alone(launch):
        return started
    elif status in (-signal.SIGSEGV, -signal.SIGBUS) or _NO_ARGUMENT.search(printed):
        said = say("A program ends like this when it reads an argument that nobody gave, such as argv[2].")
    else:
        said = say("If it takes more than its port, that is what it lacks.")
    return f"{started} {said} {give}"


def _typed(launch: Launch) -> str:
    words = [Path(word).name if word.startswith("/") and place < 2 else word for place, word in enumerate(launch.argv)]
    return shlex.join(words).replace("'{port}'", "{port}")


def _has_port_alone(launch: Launch) -> bool:
    return launch.argv[1:] == ("{port}",) or (launch.argv[2:] == ("{port}",) and launch.argv[1].endswith(".py"))
