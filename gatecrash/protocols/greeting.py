"""A protocol whose server speaks first: a greeting, as of a mail server (RFC 5321 4.3.1) or a time server (RFC 867)."""

from __future__ import annotations

from typing import ClassVar

from gatecrash.language import marked
from gatecrash.model.verdicts import Plain
from gatecrash.protocols.base import ApplicationProtocol


class Greeting(ApplicationProtocol):
    """Whoever connects is told something unasked; what is said behind that is not known."""

    spoken: ClassVar[str] = marked("speaks first, unasked")
    speaks_first: ClassVar[bool] = True
    has_yardstick: ClassVar[bool] = True

    @property
    def plain_request(self) -> bytes:
        return b""

    @property
    def closes_behind_its_answer(self) -> bool:
        return True

    def complete(self, sent: bytes, received: bytes) -> bool:
        return not sent and 0 < self.contract.greeting.size <= len(received)

    def served(self, sent: bytes, received: bytes, *, ended: bool, alone: Plain | None, unasked: Plain | None) -> bool:
        greeting = alone or unasked
        whole = greeting is None or greeting.body_changes or not cut_short(received, greeting.received)
        return bool(received) and whole


def cut_short(received: bytes, alone: bytes) -> bool:
    """Whether a greeting is the beginning of what a lone client gets: the time or a count in it may be another."""
    rest = alone.removeprefix(received)
    return alone.startswith(received) and bool(rest) and not rest.isdigit()
