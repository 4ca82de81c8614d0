"""What the looks of a scenario are called: whoever writes a scenario and the oracle that reads it mean the same look.

A label is shown beside the step and in findings, so it says in a few words when the look is taken.
"""

from __future__ import annotations

from typing import Final

from gatecrash.language import joined, marked, stated

# -- a look at the beginning, or before something happens
START: Final = marked("start")
BEFORE: Final = marked("before")
RUNNING: Final = marked("running")
WAITING: Final = marked("waiting")
NOBODY_IS_THERE: Final = marked("nobody is there")
BEFORE_SIGTERM: Final = marked("before SIGTERM")

# -- while clients are there
HERE: Final = marked("here")
ACCEPTED: Final = marked("accepted")
TAKEN: Final = marked("all taken")
#: A frozen server, when all who are to wait in its queue have come.
IN_THE_QUEUE: Final = marked("in the queue")
FIRST_ANSWER: Final = marked("first answer")
SERVING: Final = marked("serving")
KNOCKING: Final = marked("knocking")
IDLE: Final = marked("idle")
IDLE_TO_THE_END: Final = marked("idle to the end")
HOGGED: Final = marked("hogged")
FULL: Final = marked("full")
READING: Final = marked("reading")
SENT: Final = marked("sent")
SAID: Final = marked("said")
ASKED: Final = marked("asked")
ANSWERED: Final = marked("answered")

# -- when something was done to the server
SIGNALLED: Final = marked("signalled")
HANDLED: Final = marked("handled")
KILLED: Final = marked("killed")
FAILED: Final = marked("failed")
CONTINUED: Final = marked("continued")
UNLIMITED: Final = marked("unlimited")
LIMITED: Final = marked("limited")
STILL_LIMITED: Final = marked("still limited")

# -- when clients have gone, and at the end
#: Half of the clients have come and gone, and all of them.
ONCE: Final = marked("once")
TWICE: Final = marked("twice")
#: The same of two crowds of equal size, at which the stacks of threads are counted, too.
FIRST_CROWD: Final = marked("after N clients")
SECOND_CROWD: Final = marked("after 2N clients")
LEFT: Final = marked("left")
GONE: Final = marked("all have gone")
CLOSED: Final = marked("closed")
FINISHED: Final = marked("finished")
AFTER: Final = marked("after")
REST: Final = marked("rest")
AFTER_SIGTERM: Final = marked("after SIGTERM")

# -- of one client
_IS_THERE: Final = marked("{client} is there")
_SAYS_NOTHING: Final = marked("{client} says nothing")
_STAYS: Final = marked("{client} has asked and stays")
_HAS_FINISHED: Final = marked("{client} has finished")
_HAS_LEFT: Final = marked("{client} has left")
_HAD_ITS_TIME: Final = marked("{client} had its time")


def is_there(client: str) -> str:
    """This client is connected, and no answer has told that it was taken."""
    return _IS_THERE.format(client=client)


def says_nothing(client: str) -> str:
    """This client is connected and has said nothing."""
    return _SAYS_NOTHING.format(client=client)


def stays(client: str) -> str:
    """This client has asked, had its answer if one comes, and is still connected."""
    return _STAYS.format(client=client)


def has_finished(client: str) -> str:
    """This client has ended its side of the connection."""
    return _HAS_FINISHED.format(client=client)


def has_left(client: str) -> str:
    """This client has closed its connection."""
    return _HAS_LEFT.format(client=client)


def had_its_time(client: str) -> str:
    """This client has done nothing while the server's own time went by."""
    return _HAD_ITS_TIME.format(client=client)


def told(label: str) -> str:
    """The label in brackets, as a sentence that can be spoken; one that is none of ours stays as it is."""
    return joined(("(", _sentence(label), ")"), "")


def _sentence(label: str) -> str:
    if label in _ALONE:
        return stated(label)
    client, _, said = label.partition(" ")
    template = f"{{client}} {said}"
    return stated(template, client=client) if template in _OF_A_CLIENT else label


_OF_A_CLIENT = frozenset({_IS_THERE, _SAYS_NOTHING, _STAYS, _HAS_FINISHED, _HAS_LEFT, _HAD_ITS_TIME})
_ALONE = frozenset(
    {
        START,
        BEFORE,
        RUNNING,
        WAITING,
        NOBODY_IS_THERE,
        BEFORE_SIGTERM,
        HERE,
        ACCEPTED,
        TAKEN,
        IN_THE_QUEUE,
        FIRST_ANSWER,
        SERVING,
        KNOCKING,
        IDLE,
        IDLE_TO_THE_END,
        HOGGED,
        FULL,
        READING,
        SENT,
        SAID,
        ASKED,
        ANSWERED,
        SIGNALLED,
        HANDLED,
        KILLED,
        FAILED,
        CONTINUED,
        UNLIMITED,
        LIMITED,
        STILL_LIMITED,
        ONCE,
        TWICE,
        FIRST_CROWD,
        SECOND_CROWD,
        LEFT,
        GONE,
        CLOSED,
        FINISHED,
        AFTER,
        REST,
        AFTER_SIGTERM,
    }
)
