"""What Gatecrash says when it cannot go on: whose fault it is, in one plain sentence and a next step."""

from __future__ import annotations

from gatecrash.language import say


class GatecrashError(Exception):
    """A failure explained to the person at the keyboard; never shown as a traceback."""


class Unavailable(GatecrashError):
    """This machine refuses an instrument. `capability` names it, `reason` is the kernel's word."""

    def __init__(self, capability: str, reason: str) -> None:
        super().__init__(say("{capability} is not available here: {reason}", capability=capability, reason=reason))
        self.capability = capability
        self.reason = reason


class UsageError(GatecrashError):
    """The command, a contract or a scenario file asks for something that does not exist."""


class ArenaRefused(Unavailable, UsageError):
    """The machine refuses the arena that was asked for by name (`--arena namespace`)."""


class Unwritable(UsageError):
    """A file that was asked for cannot be written. It costs no verdict."""


class TargetError(GatecrashError):
    """The target did not build, did not start or never listened."""


class Unfinished(TargetError):
    """A command of a build was ended before it was done, by its time or by another limit."""


class TooSlow(TargetError):
    """The target takes so much time of its own that what was begun with it is not carried on."""


class EngineFault(GatecrashError):
    """Gatecrash itself is wrong."""
