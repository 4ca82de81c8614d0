"""What the looks of a scenario are called: whoever writes a scenario and the oracle that reads it mean the same look.

A label is shown beside the step and in findings, so it says in a few words when the look is taken.
"""

from __future__ import annotations

from typing import Final

# -- a look at the beginning, or before something happens
START: Final = "start"
BEFORE: Final = "before"
RUNNING: Final = "running"
WAITING: Final = "waiting"
NOBODY_IS_THERE: Final = "nobody is there"
BEFORE_SIGTERM: Final = "before SIGTERM"

# -- while clients are there
HERE: Final = "here"
ACCEPTED: Final = "accepted"
TAKEN: Final = "taken"
#: A frozen server, when all who are to wait in its queue have come.
IN_THE_QUEUE: Final = "in the queue"
FIRST_ANSWER: Final = "first answer"
SERVING: Final = "serving"
KNOCKING: Final = "knocking"
IDLE: Final = "idle"
IDLE_TO_THE_END: Final = "idle to the end"
HOGGED: Final = "hogged"
FULL: Final = "full"
READING: Final = "reading"
SENT: Final = "sent"
SAID: Final = "said"
ASKED: Final = "asked"
ANSWERED: Final = "answered"

# -- when something was done to the server
SIGNALLED: Final = "signalled"
HANDLED: Final = "handled"
KILLED: Final = "killed"
FAILED: Final = "failed"
CONTINUED: Final = "continued"
UNLIMITED: Final = "unlimited"
LIMITED: Final = "limited"
STILL_LIMITED: Final = "still limited"

# -- when clients have gone, and at the end
#: Half of the clients have come and gone, and all of them.
ONCE: Final = "once"
TWICE: Final = "twice"
#: The same of two crowds of equal size, at which the stacks of threads are counted, too.
FIRST_CROWD: Final = "after N clients"
SECOND_CROWD: Final = "after 2N clients"
LEFT: Final = "left"
GONE: Final = "gone"
CLOSED: Final = "closed"
FINISHED: Final = "finished"
AFTER: Final = "after"
REST: Final = "rest"
AFTER_SIGTERM: Final = "after SIGTERM"


def is_there(client: str) -> str:
    """This client is connected, and no answer has told that it was taken."""
    return f"{client} is there"


def says_nothing(client: str) -> str:
    """This client is connected and has said nothing."""
    return f"{client} says nothing"


def stays(client: str) -> str:
    """This client has asked, had its answer if one comes, and is still connected."""
    return f"{client} has asked and stays"


def has_finished(client: str) -> str:
    """This client has ended its side of the connection."""
    return f"{client} has finished"


def has_left(client: str) -> str:
    """This client has closed its connection."""
    return f"{client} has left"


def had_its_time(client: str) -> str:
    """This client has done nothing while the server's own time went by."""
    return f"{client} had its time"
