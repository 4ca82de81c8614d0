"""A trapped call and who answers it (seccomp_unotify(2)): what the gates hand to others, there being one listener."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE: the call runs as if untouched


class Respond(Protocol):
    """Answer a trapped call, by its id; False when its task is gone, which is normal."""

    def __call__(self, id: int, *, value: int = 0, error: int = 0, flags: int = 0) -> bool: ...


#: Gets a call's id, its task as the tester sees it, its arguments; answers, or sees to it that it is answered.
Handler = Callable[[int, int, tuple[int, ...], Respond], None]


class Sharer(Protocol):
    """Who has trapped calls of a target answered beside the gates: its clock."""

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """By the name of the call."""

    def catch_up(self) -> int:
        """Do what is due by now; how much that was. Asked whenever the gates are pumped."""
